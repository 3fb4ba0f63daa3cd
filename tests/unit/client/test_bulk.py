"""Every line of a bulk submission is answered once and in order, whatever the server does, and is stored once."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.client.bulk_server import BulkServer, run

from stanine.client import errors
from stanine.client.bulk import LINES_PER_REQUEST, Delivery, batches, deliver
from stanine.client.calls.attempts import BULK
from stanine.client.flow import RequestContext
from stanine.client.messages import Reply
from stanine.client.records import AttemptOutcome, AttemptRequest
from stanine.client.retries import RetryPolicy

PATIENT = RetryPolicy(patience=1e9)
PLANS = st.lists(
    st.sampled_from(["well", "lost before", "lost after", "503"])
    | st.integers(0, 100_000).map("cut {}".format)
    | st.integers(1, 5).map("refuse {}".format),
    max_size=8,
)
#: Keys as people choose them: quotes, line ends, letters of all scripts.
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def context(policy: RetryPolicy = PATIENT) -> RequestContext:
    return RequestContext(policy, clock=lambda: 0.0, random=lambda: 0.5)


def as_line(key: str, form: int) -> Any:
    attempt = {"key": key, "answers": {"a": 1}}
    return [
        AttemptRequest({"a": 1}, key), attempt, json.dumps(attempt), json.dumps(attempt, indent=1).encode() + b"\n",
        json.dumps(attempt, ensure_ascii=False),
    ][form]  # fmt: skip


@given(
    st.lists(
        st.tuples(KEYS, st.integers(0, 4), st.integers(0, 2)),
        max_size=30,
        unique_by=lambda each: each[0],
    ),
    PLANS,
)
def test_each_line_is_answered_once_in_order_with_its_own_attempt(
    rows: list[tuple[str, int, int]], plans: list[str]
) -> None:
    lines: list[Any] = []
    expected = []
    for key, form, blanks in rows:
        lines += [b" \n"] * blanks + [as_line(key, form)]
        expected.append((len(lines), f"id of {key}", key))
    server = BulkServer(iter(plans))
    deliveries = [
        run(deliver(context(), BULK, "x", batch), server.answer) for batch in batches(lines)
    ]
    answers = [answer for delivery in deliveries for answer in delivery.answers]
    assert [(answer.line, answer.attempt, answer.key) for answer in answers] == expected
    assert all(delivery.error is None for delivery in deliveries)
    assert set(server.taken) == {key for key, _, _ in rows}


def test_a_request_holds_a_bounded_number_of_lines() -> None:
    lines = [{"key": str(number)} for number in range(2 * LINES_PER_REQUEST + 1)]
    assert [len(batch.due) for batch in batches(lines)] == [LINES_PER_REQUEST, LINES_PER_REQUEST, 1]


def test_a_line_that_the_server_refuses_for_good_has_its_problem_and_is_not_sent_again() -> None:
    problem = {"type": "urn:stanine:problem:invalid-attempt", "title": "t", "status": 422}
    bodies = []

    def answer(send: Any) -> Reply:
        bodies.append(send.call.body)
        send.sink(json.dumps({"line": 1, "status": 422, "problem": problem}).encode() + b"\n")
        return Reply(200, {}, b"")

    (batch,) = batches([{"key": "a"}])
    (found,) = run(deliver(context(), BULK, "x", batch), answer).answers
    assert found.problem is not None
    assert found.problem.code == "invalid-attempt"
    assert len(bodies) == 1


def test_what_was_taken_before_an_error_is_told_with_the_error() -> None:
    plans = iter(["refuse 2"])
    server = BulkServer(plans)

    def answer(send: Any) -> Any:
        return (
            server.answer(send)
            if server.requests == 0
            else Reply(401, {}, b'{"type": "urn:stanine:problem:unauthenticated"}')
        )

    (batch,) = batches([{"key": key} for key in "abcd"])
    delivery: Delivery[AttemptOutcome] = run(deliver(context(), BULK, "x", batch), answer)
    assert [found.key for found in delivery.answers] == ["a", "c"]
    assert isinstance(delivery.error, errors.UnauthenticatedError)


def test_a_revoked_key_is_told_as_an_error_or_as_the_answers_of_the_lines_that_it_names() -> None:
    revoked = {
        "type": "urn:stanine:problem:unauthenticated",
        "title": "A valid key is needed",
        "status": 401,
    }

    def answer(send: Any) -> Reply:
        if len(send.call.body.splitlines()) < 3:
            return Reply(401, {}, json.dumps(revoked).encode())
        answers = [
            {"line": 1, "status": 202, "attempt": "x", "token": "y"},
            {"line": 2, "status": 401, "problem": revoked},
        ]
        send.sink(b"".join(json.dumps(each).encode() + b"\n" for each in answers))
        return Reply(200, {}, b"")

    (batch,) = batches([{"key": key} for key in "abc"])
    delivery = run(deliver(context(), BULK, "x", batch), answer)
    assert [found.status for found in delivery.answers] == [202, 401]
    assert isinstance(delivery.error, errors.UnauthenticatedError)


def test_a_server_without_room_is_given_up_when_the_patience_is_over() -> None:
    server = BulkServer(iter(["refuse 1"] * 1000))
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1
        return now

    (batch,) = batches([{"key": "a"}])
    delivery = run(
        deliver(RequestContext(RetryPolicy(patience=30), clock=clock), BULK, "x", batch),
        server.answer,
    )
    assert isinstance(delivery.error, errors.FullError)
    assert delivery.answers == []


@pytest.mark.parametrize(
    "body",
    [
        b"{\n", b"[]\n", b'{"line":2,"status":202,"attempt":"a","token":"t"}\n', b'{"line":1,"status":202}\n',
        b'{"line":1,"status":202,"attempt":"a","token":"t","key":"other"}\n', b'{"line":1,"status":202,"attempt":1}\n', b"\xff\n",
        b'{"line":1,"status":202,"attempt":"a","token":"t"}\n' * 2,
    ],
)  # fmt: skip
def test_an_answer_to_something_else_is_an_error_and_matched_to_nothing(body: bytes) -> None:
    def answer(send: Any) -> Reply:
        send.sink(body)
        return Reply(200, {}, b"")

    (batch,) = batches([{"key": "a", "answers": {}}, {"key": "b", "answers": {}}])
    delivery = run(deliver(context(), BULK, "x", batch), answer)
    assert isinstance(delivery.error, errors.UnexpectedAnswerError)
    assert [found.line for found in delivery.answers] in ([], [1])
