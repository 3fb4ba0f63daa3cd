"""Pairing of submissions with answers, and waiting for results."""

import json
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cli.http_server import problem, served_by

from stanine.cli.commands.submit import Accepted, Counts, _await, send_all
from stanine.cli.exits import MissingError, TryAgainError
from stanine.cli.io.submissions import Place, SubmissionLine
from stanine.client import errors


def answer_lines(request: httpx.Request) -> httpx.Response:
    """Reject lines with a key that begins with `bad`; accept the others."""
    lines = []
    for number, line in enumerate(request.content.splitlines(), start=1):
        key = json.loads(line)["key"]
        if key.startswith("bad"):
            wrong = {"type": "urn:stanine:problem:invalid-attempt", "title": "t", "status": 422}
            lines.append({"line": number, "status": 422, "key": key, "problem": wrong})
        else:
            taken = {"attempt": f"id-of-{key}", "token": "t"}
            lines.append({"line": number, "status": 202, "key": key} | taken)
    return httpx.Response(200, content="".join(json.dumps(line) + "\n" for line in lines))


def make(kinds: list[str]) -> list[SubmissionLine]:
    return [
        SubmissionLine(Place(line), b"", "wrong")
        if kind == "faulty"
        else SubmissionLine(Place(line), json.dumps({"key": f"{kind}{line}"}).encode())
        for line, kind in enumerate(kinds, start=1)
    ]


@given(st.lists(st.sampled_from(["good", "bad", "faulty"]), max_size=30))
def test_every_submission_has_its_own_answer_in_order(kinds: list[str]) -> None:
    sent = make(kinds)
    with served_by(answer_lines) as client:
        answered = list(send_all(client, "x", iter(sent)))
    assert [submission for submission, _ in answered] == sent
    for (submission, answer), kind in zip(answered, kinds, strict=True):
        assert (answer is None) == (kind == "faulty")
        if answer is not None:
            assert (answer.problem is not None) == (kind == "bad")
            assert answer.key == json.loads(submission.body)["key"]


def test_order_holds_over_many_requests() -> None:
    sent = make((["good"] * 6 + ["faulty"]) * 500)
    with served_by(answer_lines) as client:
        answered = list(send_all(client, "x", iter(sent)))
    assert [submission for submission, _ in answered] == sent
    assert all(
        answer is None or answer.attempt == f"id-of-good{submission.place.line}"
        for submission, answer in answered
    )


def test_an_error_of_the_file_and_of_the_server_end_it() -> None:
    def read() -> Iterator[SubmissionLine]:
        yield from make(["good"] * 3)
        raise MissingError("mine")

    with served_by(answer_lines) as client, pytest.raises(MissingError, match="mine"):
        list(send_all(client, "x", read()))
    with (
        served_by(lambda _: problem(404, "not-found", detail="because")) as client,
        pytest.raises(errors.NotFoundError),
    ):
        list(send_all(client, "x", iter(make(["good", "faulty"]))))


def test_an_attempt_that_the_server_lost_ends_the_wait_with_a_remedy() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        attempt = request.url.path.split("/")[3]
        return problem(404, "not-found", detail=f"Attempt {attempt} was not found.")

    accepted = [Accepted(2, "0" * 32, "its-token")]
    with (
        served_by(answer) as client,
        pytest.raises(MissingError, match=r"0{32} was not found.\n.*submit the file again"),
    ):
        _await(client, accepted, "r.csv", Counts("x"), 5.0)


def test_an_attempt_that_is_not_scored_in_time_ends_the_wait_with_a_remedy() -> None:
    with (
        served_by(lambda _: httpx.Response(202, json={"state": "Submitted"})) as client,
        pytest.raises(TryAgainError, match="is not scored after 0 s; submit the file again"),
    ):
        _await(client, [Accepted(2, "0" * 32, "its-token")], "r.csv", Counts("x"), 0.0)


def test_scored_and_failed_attempts_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        attempt = request.url.path.split("/")[3]
        about = {"attempt": attempt, "instrument": "x", "revision": 1, "submittedAt": "2026"}
        failed = {"state": "Failed", "reason": "no such revision"}
        return httpx.Response(
            200, json=about | (failed if attempt[0] == "1" else {"state": "Scored"})
        )

    counts = Counts("x")
    accepted = [Accepted(line, f"{line % 2}{line:031}", "its-token") for line in (2, 3, 4)]
    with served_by(answer) as client:
        _await(client, accepted, "r.csv", counts, 5.0)
    assert (counts.scored, counts.failed) == (2, 1)
    assert capsys.readouterr().err == "r.csv:3:1: Failed: no such revision\n"
