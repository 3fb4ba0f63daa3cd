"""A preview has the time limits of the whole and of sections, like the API."""

import asyncio

import pytest
from tests.pages.instruments import timed

from stanine.client.errors import InvalidAttemptError, SessionClosedError
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import build_entry
from stanine.pages.survey.checking import items_of_closed_sections
from stanine.pages.survey.local_sessions import CODE, LocalSessions


def test_a_section_of_a_preview_takes_no_answers_after_its_time() -> None:
    now = [1_000.0]
    document = parse_instrument(timed("quick", 60))
    entry = build_entry(document, number=0, revision=1, form=1, digest="")
    sessions = LocalSessions(entry, lambda: now[0])

    async def run() -> None:
        its = await sessions.open("quick", CODE, None)
        name, token = its.session, its.token or ""
        await sessions.save(name, token, 1, {}, {}, 1, section="quick")
        deadlines = (await sessions.get(name, token)).section_deadlines
        now[0] += 59
        await sessions.save(name, token, 2, {"q1": 1}, {}, 1, section="quick")
        assert (await sessions.get(name, token)).section_deadlines == deadlines
        now[0] += 60
        with pytest.raises(InvalidAttemptError) as raised:
            await sessions.save(name, token, 3, {"q2": 1, "q3": 1}, {}, 1)
        assert items_of_closed_sections(raised.value) == ["q2"]
        await sessions.save(name, token, 3, {"q3": 1}, {}, 1)
        assert (await sessions.submit(name, token)).state == "Submitted", "q2 is required no more"

    asyncio.run(run())


def test_a_preview_takes_no_answers_after_the_time_of_the_whole() -> None:
    now = [1_000.0]
    document = parse_instrument(timed("whole", 60, timeLimitSeconds=600))
    entry = build_entry(document, number=0, revision=1, form=1, digest="")
    sessions = LocalSessions(entry, lambda: now[0])

    async def run() -> None:
        its = await sessions.open("whole", CODE, None)
        name, token = its.session, its.token or ""
        assert its.deadline_at is not None
        now[0] += 605
        await sessions.save(name, token, 1, {"q3": 1}, {}, 1)
        now[0] += 10
        with pytest.raises(SessionClosedError) as raised:
            await sessions.save(name, token, 2, {"q4": 1}, {}, 1)
        assert raised.value.problem.reason == "Late"

    asyncio.run(run())
