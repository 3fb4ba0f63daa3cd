"""The page of the result between the deadline of a session and its submission by the API."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest
from tests.unit.pages.test_prepared import DOCUMENTS, entry_of

from stanine.pages.app import make_pages
from stanine.pages.preview import no_connections
from stanine.pages.settings import PagesSettings
from stanine.pages.survey.local_sessions import CODE, LocalSessions

GAD_7 = next(path for path in DOCUMENTS if path.stem == "gad-7")


class Timed(LocalSessions):
    """Sessions with a deadline at minute 10."""

    def __init__(self, **stated: Any) -> None:
        super().__init__(entry_of(GAD_7))
        self._stated = {"deadline_at": "1970-01-01T00:10:00Z", **stated}

    async def get(self, session: str, token: str) -> Any:
        return msgspec.structs.replace(await super().get(session, token), **self._stated)


class NoResults:
    """A source that must not be asked: there is no attempt yet."""

    async def result(self, attempt: str, token: str) -> Any:
        raise AssertionError

    async def scales(self, attempt: str, token: str, language: str | None) -> Any:
        raise AssertionError


@pytest.mark.parametrize(
    ("minute", "answers", "show", "words", "link"),
    [
        ("09", {"g1": 1}, "Participant", "not submitted yet", "Continue"),
        ("10", {"g1": 1}, "Participant", "the result is being computed", "Try again"),
        ("10", {"g1": 1}, "AfterRelease", "not released yet", None),
        ("10", {"g1": 1}, "None", "do not show the result", None),
        ("10", {}, "Participant", "The time is over", None),
    ],
)
def test_after_the_deadline_nobody_is_asked_to_continue(
    minute: str, answers: dict[str, int], show: str, words: str, link: str | None
) -> None:
    source = Timed(read_at=f"1970-01-01T00:{minute}:00Z", answers=answers, show=show)

    async def run() -> None:
        app = make_pages(PagesSettings(), source, no_connections, results=NoResults())
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            first = (await http.post(f"/s/{CODE}")).headers["location"]
            page = await http.get(f"/r/{first.split('/')[2]}")
        assert page.status_code == 200
        assert words in page.text
        shown = [text for text in ("Continue", "Try again") if f">{text}</a>" in page.text]
        assert shown == ([link] if link else [])

    asyncio.run(run())
