"""The logic of a request as a generator that does no I/O: it yields what is to be done and is sent what came of it.

`Stanine` and `AsyncStanine` each have one small loop that runs such a flow; everything else is written once, here and in the modules that
`yield from` it.
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
    Problem,
    StanineClientError,
    UnreachableError,
    error_of,
    redacted,
)
from stanine.client.messages import Call, NoReply, Reply
from stanine.client.retries import Retry, RetryPolicy, Series, read_retry_after

T = TypeVar("T")

log = logging.getLogger("stanine.client")


@dataclass(frozen=True, slots=True)
class Send:
    """Make a request. With a `sink`, which raises nothing, a 200 answer's body goes there as it arrives, and the reply's body is empty."""

    call: Call[Any]
    sink: Callable[[bytes], None] | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for some seconds."""

    seconds: float


Flow = Generator[Send | Pause, Reply | NoReply | None, T]


@dataclass
class Session:
    """What the requests of one client share."""

    policy: RetryPolicy
    on_retry: Callable[[Retry], None] | None = None
    #: Texts to remove from the server's problems: keys.
    secrets: tuple[str, ...] = field(default=(), repr=False)
    #: Whether the server ever answered.
    reached: bool = False
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random

    def series(self, name: str) -> Series:
        """Begin the tries of a request."""
        return Series(
            self.policy, name, reached=lambda: self.reached, clock=self.clock, random=self.random
        )

    def pause(self, retry: Retry) -> Pause:
        """Log the retry, call `on_retry`, and return the pause."""
        log.info("sending again: %s after %.1f s: %s", retry.call, retry.pause, retry.error)
        if self.on_retry is not None:
            self.on_retry(retry)
        return Pause(retry.pause)

    def error(self, of: Call[T], outcome: Reply | NoReply | None) -> StanineClientError | None:
        """Return the error that an outcome is; None for a good answer."""
        if isinstance(outcome, Reply):
            self.reached = True
            if 200 <= outcome.status < 300 or outcome.status in of.also_good:
                return None
            return error_of(self._problem(of, outcome), read_retry_after(outcome.headers))
        assert outcome is not None, "a transport answers every Send"
        kind = LostAnswerError if outcome.sent else UnreachableError
        return kind(f"{of.name}: {outcome.why}")

    def _problem(self, of: Call[T], reply: Reply) -> Problem:
        """Return the problem document of an answer; with the status alone if it is not Stanine's, such as a proxy's page."""
        try:
            problem = msgspec.json.decode(reply.body, type=Problem)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Problem(status=reply.status)
        if not problem.code:
            return Problem(status=reply.status)
        secrets = (*self.secrets, of.token) if of.token else self.secrets
        return msgspec.structs.replace(redacted(problem, secrets), status=reply.status)


def exchange(session: Session, call: Call[T]) -> Flow[T]:
    """Make a request, again as long as the policy allows; return what its answer says. Raises StanineClientError."""
    series = session.series(call.name)
    while True:
        outcome = yield Send(call)
        error = session.error(call, outcome)
        if error is None:
            assert isinstance(outcome, Reply)
            return call.decode(outcome)
        yield session.pause(series.after(error, repeatable=call.repeatable))


def sibling(session: Session, **changes: object) -> Session:
    """Return a session with other options that knows what this one does."""
    return replace(session, **changes)  # type: ignore[arg-type]
