"""A request is sent again only if that cannot act twice, after the pause that the server asks for, and not for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.client.bulk_server import run

from stanine.client import errors
from stanine.client.flow import RequestContext, Send, exchange
from stanine.client.messages import ApiCall, NoReply, Reply, call
from stanine.client.retries import NO_RETRIES, Retry, RetryPolicy, read_retry_after

UNAVAILABLE = Reply(
    503, {"retry-after": "2"}, b'{"type": "urn:stanine:problem:unavailable", "title": "t"}'
)
FULL = Reply(503, {"retry-after": "30"}, b'{"type": "urn:stanine:problem:full", "title": "t"}')
GATEWAY = Reply(502, {}, b"<html>")
UNREACHED = NoReply(sent=False, why="the server cannot be reached")
LOST = NoReply(sent=True, why="the connection was lost")
GOOD = Reply(200, {}, b"")


class Clock:
    """Time passes in pauses only."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sent = 0

    def run(
        self,
        outcomes: list[Reply | NoReply],
        policy: RetryPolicy,
        *,
        repeatable: bool = True,
        reached: bool = True,
    ) -> list[float]:
        pauses: list[float] = []

        def on_retry(retry: Retry) -> None:
            self.now += retry.pause

        session = RequestContext(
            policy, on_retry, reached=reached, clock=lambda: self.now, random=lambda: 1.0
        )
        request: ApiCall[int] = call(
            "POST", "/x", lambda reply: reply.status, repeatable=repeatable
        )

        def answer(_: Send) -> Reply | NoReply:
            self.sent += 1
            return outcomes[min(self.sent, len(outcomes)) - 1]

        assert run(exchange(session, request), answer, pauses) == 200
        return pauses


def test_pauses_double_to_a_longest_one() -> None:
    assert Clock().run([LOST] * 8 + [GOOD], RetryPolicy()) == [
        0.1,
        0.2,
        0.4,
        0.8,
        1.6,
        3.2,
        5.0,
        5.0,
    ]


def test_the_pause_is_at_least_what_the_server_asks_for() -> None:
    assert Clock().run([FULL, UNAVAILABLE, GOOD], RetryPolicy()) == [30.0, 2.0]


@pytest.mark.parametrize("outcome", [LOST, UNAVAILABLE, GATEWAY])
def test_what_may_have_acted_is_not_repeated_if_it_could_act_twice(
    outcome: Reply | NoReply,
) -> None:
    clock = Clock()
    with pytest.raises(errors.TemporaryError):
        clock.run([outcome, GOOD], RetryPolicy(), repeatable=False)
    assert clock.sent == 1


@pytest.mark.parametrize("outcome", [UNREACHED, FULL])
def test_what_had_no_effect_is_repeated_in_any_case(outcome: Reply | NoReply) -> None:
    assert len(Clock().run([outcome, GOOD], RetryPolicy(), repeatable=False)) == 1


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 500, 501, 302]
)
def test_what_stays_wrong_is_sent_once(status: int) -> None:
    clock = Clock()
    with pytest.raises(errors.PermanentError):
        clock.run([Reply(status, {}, b""), GOOD], RetryPolicy())
    assert clock.sent == 1


def test_the_patience_ends_and_is_shorter_for_a_server_that_never_answered() -> None:
    for outcome in (UNREACHED, LOST):
        for reached, seconds in ((True, 60.0), (False, 10.0)):
            clock = Clock()
            with pytest.raises(errors.TemporaryError):
                clock.run([outcome], RetryPolicy(), reached=reached)
            assert seconds - 5 <= clock.now <= seconds


def test_a_pause_longer_than_the_patience_is_not_waited_for() -> None:
    clock = Clock()
    with pytest.raises(errors.FullError) as raised:
        clock.run([FULL], RetryPolicy(patience=20))
    assert (clock.now, raised.value.retry_after) == (0.0, 30.0)


def test_without_retries_everything_is_sent_once() -> None:
    clock = Clock()
    with pytest.raises(errors.LostAnswerError):
        clock.run([LOST], NO_RETRIES)
    assert clock.sent == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:28:10 GMT",
                "date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            10.0,
        ),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT",
                "date": "Wed, 21 Oct 2026 07:28:10 GMT",
            },
            0.0,
        ),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:10 GMT"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers) == seconds


@given(st.text() | st.from_regex(r"[0-9]{1,400}"), st.text())
def test_no_text_of_retry_after_breaks_anything(text: str, date: str) -> None:
    seconds = read_retry_after({"retry-after": text, "date": date})
    assert seconds is None or seconds >= 0
