"""Sessions, invitations, erasure and explanations of the client against the API as it is served."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from tests.integration.api.serving import Serving, only

from stanine.client import (
    AsyncStanine,
    InvitationRequest,
    SessionInfo,
    SessionRequest,
    Stanine,
    errors,
)

ANSWERS = {"i1": 2, "i2": 3, "i3": 4}


def named(session: SessionInfo) -> dict[str, Any]:
    return {"session": session.session, "token": session.token}


def test_a_session_is_filled_in_and_becomes_an_attempt_with_a_result(
    client: Stanine, mood: Serving
) -> None:
    request = SessionRequest(key="row-1", participant="p-1", show="Participant")
    opened = client.sessions.open("a-mood", request)
    assert opened.form is not None
    assert [item.id for item in opened.form.items] == ["i1", "i2", "i3"]
    again = client.sessions.open("a-mood", request)
    assert (again.session, again.repeated) == (opened.session, True)
    with Stanine(mood.url) as page:  # a participant's page has no API key
        sessions = page.sessions
        assert sessions.form(**named(opened)) == opened.form
        assert not sessions.save(**named(opened), seq=1, answers={"i1": 5, "i2": 3}).repeated
        assert sessions.save(**named(opened), seq=1, answers={"i1": 5, "i2": 3}).repeated
        sessions.save(**named(opened), seq=2, answers={"i1": None, "i3": 4}, page=3)
        found = sessions.get(**named(opened))
        assert (found.answers, found.seq, found.page) == ({"i2": 3, "i3": 4}, 2, 3)
        done = sessions.submit(**named(opened), wait=0.1)
        assert (done.state, done.result) == ("Submitted", None)
        mood.score({"attempt": done.attempt})
        finished = sessions.submit(**named(opened), wait=20)
        assert (finished.attempt, finished.state, finished.repeated) == (
            done.attempt,
            "Scored",
            True,
        )
        assert finished.result == page.results.get(done.attempt, token=done.attempt_token)
    attempt = client.attempts.get(done.attempt)
    assert (attempt.key, attempt.participant) == ("row-1", "p-1")


def test_an_outdated_save_is_an_error_with_the_stored_answers(client: Stanine) -> None:
    opened = client.sessions.open("a-mood")
    client.sessions.save(**named(opened), seq=5, answers={"i1": 1}, page=2)
    with pytest.raises(errors.SessionConflictError) as raised:
        client.sessions.save(**named(opened), seq=4, answers={"i1": 4})
    saved = raised.value.saved
    assert saved is not None
    assert (saved.seq, saved.page, saved.answers) == (5, 2, {"i1": 1})
    with pytest.raises(errors.InvalidAttemptError):
        client.sessions.save(**named(opened), seq=6, answers={"i1": 77})
    for _ in range(2):
        assert client.sessions.withdraw(**named(opened)).state == "Withdrawn"
    with pytest.raises(errors.SessionClosedError) as closed:
        client.sessions.save(**named(opened), seq=6, answers={"i1": 4})
    assert closed.value.problem.reason == "Withdrawn"
    with pytest.raises(errors.NotFoundError):
        client.sessions.get(opened.session, token=client.sessions.open("a-mood").token or "")


def test_a_session_gets_more_time(client: Stanine) -> None:
    opened = client.sessions.open("a-mood", SessionRequest(time_limit_seconds=60))
    extended = client.sessions.extend(opened.session, 7_200)
    assert opened.deadline_at is not None
    assert extended.deadline_at > opened.deadline_at
    assert client.sessions.extend(opened.session, 60) == extended


def test_an_invitation_opens_a_session_until_it_is_revoked(client: Stanine, mood: Serving) -> None:
    request = InvitationRequest(key="wave-1", participant="p-1", expires_at="2099-01-01T00:00:00Z")
    made = client.invitations.create("a-mood", request)
    again = client.invitations.create("a-mood", request)
    assert (again.invitation, again.repeated) == (made.invitation, True)
    with Stanine(mood.url) as page:
        assert page.invitations.preview(made.code).is_open
        opened = page.sessions.open("a-mood", code=made.code)
        assert page.sessions.open("a-mood", code=made.code).session == opened.session
    other = client.invitations.create("a-mood", InvitationRequest(max_uses=2))
    keyed = [
        client.sessions.open("a-mood", SessionRequest(key=key), code=other.code)
        for key in ("device 1", "device 1", "device 2")
    ]
    assert keyed[0].session == keyed[1].session != keyed[2].session
    with pytest.raises(ValueError, match="printable"):
        client.sessions.open("a-mood", SessionRequest(key="ключ"), code=other.code)
    with pytest.raises(errors.InvitationEndedError) as raised:
        client.sessions.open("a-mood", code=other.code)
    assert raised.value.problem.reason == "Used"
    assert client.invitations.revoke("a-mood", made.invitation).revoked_at is not None
    assert client.invitations.preview(made.code).reason == "Revoked"
    longer = client.invitations.extend("a-mood", other.invitation, "2098-01-01T00:00:00Z")
    assert longer.expires_at == "2098-01-01T00:00:00.000Z"
    assert client.invitations.extend("a-mood", other.invitation, None).expires_at is None
    released = client.invitations.release("a-mood")
    assert (released.released, released.released_at is None) == (True, False)
    assert not client.invitations.release("a-mood", released=False).released


def test_many_invitations_are_created_and_listed_once(client: Stanine) -> None:
    def lines() -> Any:
        for number in range(2_500):
            yield InvitationRequest(key=f"k{number}", participant=f"p{number}")
        yield {"participant": "without a key"}
        yield json.dumps({"key": "last"})

    answers = list(client.invitations.create_many("a-mood", lines()))
    assert [each.line for each in answers] == list(range(1, 2_503))
    assert [each.line for each in answers if each.problem] == [2_501]
    again = list(client.invitations.create_many("a-mood", lines()))
    assert [each.code for each in again] == [each.code for each in answers]
    listing = client.invitations.list("a-mood")
    listed = list(listing)
    assert len(listed) == 2_501
    assert {each.code for each in listed} == {each.code for each in answers if not each.problem}
    assert list(listing) == []


def test_a_participant_and_an_attempt_are_erased(client: Stanine) -> None:
    receipt = client.attempts.submit("a-mood", ANSWERS)
    client.attempts.erase(receipt.attempt)
    for call in (client.attempts.erase, client.attempts.get):
        with pytest.raises(errors.NotFoundError):
            call(receipt.attempt)
    client.attempts.submit("a-mood", ANSWERS, participant="p-9")
    client.sessions.open("a-mood", SessionRequest(participant="p-9"))
    client.invitations.create("a-mood", InvitationRequest(participant="p-9"))
    done = client.participants.erase("p-9")
    assert (done.attempts, done.sessions, done.invitations) == (1, 1, 1)
    done = client.participants.erase("p-9")
    assert (done.attempts, done.sessions, done.invitations) == (0, 0, 0)


def test_a_result_is_explained_as_far_as_the_key_may_read(client: Stanine, mood: Serving) -> None:
    receipt = client.attempts.submit("a-mood", ANSWERS)
    assert client.results.explain(receipt.attempt) is None
    mood.score({"attempt": receipt.attempt})
    explained = client.results.explain(receipt.attempt)
    result = client.results.get(receipt.attempt)
    assert explained is not None
    assert explained.scales is not None
    assert result is not None
    assert result.scales is not None
    assert {each.id: each.raw for each in explained.scales} == {
        name: each.raw for name, each in result.scales.items()
    }
    terms = explained.scales[0].terms
    assert isinstance(terms, list)
    assert ANSWERS[terms[0].name] == terms[0].answer
    with Stanine(mood.url, only("results:read")) as reader:
        hidden = reader.results.explain(receipt.attempt)
    assert hidden is not None
    assert hidden.scales is not None
    assert isinstance(hidden.scales[0].terms, list)
    assert all(each.answer is msgspec.UNSET for each in hidden.scales[0].terms)


def test_a_record_written_as_json_is_what_the_server_sent(client: Stanine, mood: Serving) -> None:
    opened = client.sessions.open("a-mood", SessionRequest(participant="p", show="Participant"))
    client.sessions.save(**named(opened), seq=1, answers=ANSWERS)
    done = client.sessions.submit(**named(opened))
    mood.score({"attempt": done.attempt})
    client.invitations.create(
        "a-mood", InvitationRequest(key="k", attributes={}, max_uses=3, time_limit_seconds=60)
    )
    invitations = client.invitations.list("a-mood")
    for path, key, record in (
        (f"/v1/sessions/{opened.session}", opened.token, client.sessions.get(**named(opened))),
        (
            "/v1/instruments/a-mood/invitations",
            None,
            {"items": list(invitations), "next": invitations.cursor},
        ),
        (
            f"/v1/attempts/{done.attempt}/result/explanation",
            None,
            client.results.explain(done.attempt),
        ),
    ):
        sent = (mood.http(key) if key else mood.http()).get(path).json()
        shown = json.loads(msgspec.json.encode(record))
        assert shown == sent
        assert list(shown) == list(sent), path


def test_no_repr_shows_a_code_a_token_or_an_answer(client: Stanine, mood: Serving) -> None:
    opened = client.sessions.open("a-mood", SessionRequest(participant="somebody"))
    assert opened.token is not None
    client.sessions.save(**named(opened), seq=1, answers={"i1": 4, "i2": 4})
    with pytest.raises(errors.SessionConflictError) as raised:
        client.sessions.save(**named(opened), seq=1, answers={"i1": 3})
    made = client.invitations.create("a-mood", InvitationRequest(participant="somebody"))
    done = client.sessions.submit(**named(opened))
    mood.score({"attempt": done.attempt})
    explained = client.results.explain(done.attempt)
    shown = " ".join(
        map(
            repr,
            (opened, client.sessions.get(**named(opened)), raised.value, raised.value.problem,
             raised.value.saved, made, done, explained, list(client.invitations.list("a-mood")),
             InvitationRequest(participant="somebody"), SessionRequest(participant="somebody")),
        )
    )  # fmt: skip
    for secret in (opened.token, made.code, "somebody", "'i1'", '"i1"'):
        assert secret not in shown


def test_the_async_client_does_the_same(mood: Serving) -> None:
    async def fill_in() -> None:
        async with AsyncStanine(mood.url, "admin-key") as client:
            made = await client.invitations.create("a-mood", InvitationRequest(participant="p-2"))
            opened = await client.sessions.open("a-mood", code=made.code)
            await client.sessions.save(**named(opened), seq=1, answers=ANSWERS)
            done = await client.sessions.submit(**named(opened))
            await asyncio.to_thread(mood.score, {"attempt": done.attempt})
            explained = await client.results.explain(done.attempt)
            assert explained is not None
            assert explained.state == "Scored"

            async def lines() -> Any:
                for number in range(1_100):
                    yield InvitationRequest(key=f"k{number}")

            answers = [each async for each in client.invitations.create_many("a-mood", lines())]
            assert len({each.code for each in answers}) == 1_100
            listed = [each async for each in client.invitations.list("a-mood", page_size=500)]
            assert len(listed) == 1_101
            erased = await client.participants.erase("p-2")
            assert (erased.attempts, erased.sessions, erased.invitations) == (1, 1, 1)

    asyncio.run(fill_in())
