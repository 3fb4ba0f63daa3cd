"""Requests as generators without I/O: each yields an action and receives its outcome.

`Stanine` and `AsyncStanine` each have a small loop that runs such a flow; all other logic is shared, here and in the
modules that `yield from` it.
"""

import logging
import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec

from stanine.client.errors import (
    LostAnswerError,
    ProblemInfo,
    StanineClientError,
    UnreachableError,
    error_of,
    redacted,
)
from stanine.client.messages import ApiCall, NoReply, Reply
from stanine.client.retries import Retry, RetryPolicy, Series, read_retry_after

T = TypeVar("T")

log = logging.getLogger("stanine.client")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request. The body of a 200 answer is streamed to `sink`, if given.

    The reply's body is then empty.
    """

    call: ApiCall[Any]
    sink: Callable[[bytes], None] | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for some seconds."""

    seconds: float


Flow = Generator[Send | Pause, Reply | NoReply | None, T]


@dataclass
class RequestContext:
    """State shared by the requests of one client."""

    policy: RetryPolicy
    on_retry: Callable[[Retry], None] | None = None
    #: Texts to remove from the server's problems: keys.
    secrets: tuple[str, ...] = field(default=(), repr=False)
    #: Whether the server has ever answered.
    reached: bool = False
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random

    def series(self, name: str) -> Series:
        """Start the retry state of a request."""
        return Series(
            self.policy, name, reached=lambda: self.reached, clock=self.clock, random=self.random
        )

    def pause(self, retry: Retry) -> Pause:
        """Log the retry, call `on_retry`, and return the pause."""
        log.info("sending again: %s after %.1f s: %s", retry.call, retry.pause, retry.error)
        if self.on_retry is not None:
            self.on_retry(retry)
        return Pause(retry.pause)

    def error(self, of: ApiCall[T], outcome: Reply | NoReply | None) -> StanineClientError | None:
        """Return the error of an outcome; None for success."""
        if isinstance(outcome, Reply):
            self.reached = True
            if 200 <= outcome.status < 300 or outcome.status in of.also_good:
                return None
            return error_of(self._problem(of, outcome), read_retry_after(outcome.headers))
        assert outcome is not None, "a transport answers every Send"
        kind = LostAnswerError if outcome.sent else UnreachableError
        error = kind(f"{of.name}: {outcome.why}")
        error.__cause__ = outcome.cause
        return error

    def _problem(self, of: ApiCall[T], reply: Reply) -> ProblemInfo:
        """Return the problem of an answer.

        For another server's answer, such as a proxy's, only the status.
        """
        try:
            problem = msgspec.json.decode(reply.body, type=ProblemInfo)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return ProblemInfo(status=reply.status)
        if not problem.code:
            return ProblemInfo(status=reply.status)
        secrets = (*self.secrets, of.token) if of.token else self.secrets
        return msgspec.structs.replace(redacted(problem, secrets), status=reply.status)


def exchange(context: RequestContext, call: ApiCall[T]) -> Flow[T]:
    """Send a request with retries; return the decoded answer. Raises StanineClientError."""
    series = context.series(call.name)
    while True:
        outcome = yield Send(call)
        error = context.error(call, outcome)
        if error is None:
            assert isinstance(outcome, Reply)
            return call.decode(outcome)
        yield context.pause(series.after(error, repeatable=call.repeatable))


def sibling(context: RequestContext, **changes: object) -> RequestContext:
    """Return a context with other options and the same state."""
    return replace(context, **changes)  # type: ignore[arg-type]
