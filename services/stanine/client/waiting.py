"""Wait for results of one or many attempts. No I/O; run by the resources `attempts` and `results`.

The list of results in commit order has a thousand per page, so following it is much cheaper than requesting each
attempt. It needs the scope results:read; without it, and for attempts missing from the list, each attempt is requested
by its token.
"""

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from stanine.client.calls import attempts, instruments, results
from stanine.client.errors import (
    MissingScopeError,
    NotFoundError,
    NotIndexedInTimeError,
    NotScoredError,
    UnauthenticatedError,
)
from stanine.client.flow import Flow, Pause, RequestContext, exchange
from stanine.client.listing import ListReader
from stanine.client.messages import ApiCall
from stanine.client.records import AttemptRequest, AttemptResult, Publication

#: Seconds that the API may hold a request: it allows 30, and the answer needs time as well.
LONGEST_HOLD = 20.0
#: Seconds between two requests to a server that does not hold them.
_ASK_AGAIN = 1.0
#: Seconds between requests at the end of the list, and seconds without news before attempts are requested individually.
_POLL, _QUIET = 0.05, 1.0
#: Results that the list returns in the time of one individual request.
_LISTED_PER_ASKED = 20
#: Up to this number attempts are requested individually from the start.
_FEW = 200
#: Concurrent requests for individual attempts.
ASKED_AT_ONCE = 8


class SubmittedAttempt(Protocol):
    """A submitted attempt.

    An AttemptReceipt, an AttemptOutcome without a problem, or a record of the caller's.
    """

    @property
    def attempt(self) -> str | None:
        """The attempt's id."""

    @property
    def token(self) -> str | None:
        """The token that reads its result."""


S = TypeVar("S", bound=SubmittedAttempt)


def wait_for_result(
    context: RequestContext, attempt: str, token: str | None, seconds: float
) -> Flow[AttemptResult]:
    """Return an attempt's result. Raises NotScoredError after `seconds`."""
    deadline = context.clock() + seconds
    while True:
        began = context.clock()
        held = min(LONGEST_HOLD, max(deadline - began, 0.0))
        found = yield from exchange(context, results.of_attempt(attempt, token, held))
        if found is not None:
            return found
        left = deadline - context.clock()
        if left <= 0:
            raise NotScoredError(f"attempt {attempt} is not scored after {seconds:g} s")
        if context.clock() - began < held / 2:
            yield Pause(min(_ASK_AGAIN, left))


def submit_and_wait(
    context: RequestContext, instrument: str, attempt: AttemptRequest, seconds: float
) -> Flow[AttemptResult]:
    """Submit an attempt that has a key, and return its result. Raises NotScoredError after `seconds`."""
    deadline = context.clock() + seconds
    receipt, result = yield from exchange(
        context, attempts.submit(instrument, attempt, min(LONGEST_HOLD, seconds))
    )
    if result is not None:
        return result
    left = max(deadline - context.clock(), 0.0)
    return (yield from wait_for_result(context, receipt.attempt, receipt.token, left))


def publish_and_wait(
    context: RequestContext, publish: ApiCall[Publication], seconds: float
) -> Flow[Publication]:
    """Publish, and wait until the revision is indexed.

    Polls with the same conditional PUT, which changes nothing while the document is the newest. Raises
    PreconditionFailedError if it is not, NotIndexedInTimeError after some seconds.
    """
    deadline = context.clock() + seconds
    began = context.clock()
    published = yield from exchange(context, publish)
    changed = published.changed
    while not published.indexed:
        left = deadline - context.clock()
        if left <= 0:
            raise NotIndexedInTimeError(
                f"{published.name} is published, but not indexed after {seconds:g} s: does the indexWatcher run?"
            )
        if context.clock() - began < publish.hold / 2:
            yield Pause(min(_ASK_AGAIN, left))
        began = context.clock()
        published = yield from exchange(
            context,
            instruments.ask_whether_indexed(publish, published.digest, min(LONGEST_HOLD, left)),
        )
    return instruments.with_changed(published, changed)


class ResultFollower(Generic[S]):
    """Follows an instrument's list of results for many attempts.

    Decides when to request individually.
    """

    def __init__(self, context: RequestContext, instrument: str, submitted: Iterable[S]) -> None:
        self._context = context
        #: Attempts without a result, by id.
        self.left = {each.attempt: each for each in submitted if each.attempt is not None}
        self._list = ListReader(
            context,
            lambda after: results.of_instrument(instrument, after, results.PAGE),
            "",
            "continue",
            _id_of,
        )
        self._passed = 0
        self._quiet_since = context.clock()
        self._may_read = len(self.left) > _FEW

    @property
    def follows(self) -> bool:
        """Return whether to read the list again.

        The list is read from its beginning, because only a result has a cursor. Reading ends when no attempt is left,
        when no new results arrive for a while, or when skipping other results has taken longer than individual requests
        would.
        """
        quiet = self._context.clock() - self._quiet_since
        return (
            bool(self.left)
            and self._may_read
            and self._passed <= _LISTED_PER_ASKED * len(self.left)
            and quiet < _QUIET
        )

    def look(self) -> Flow[list[tuple[S, AttemptResult]]]:
        """Read a page; return the expected results that it contains."""
        try:
            yield from self._list.read()
        except (
            MissingScopeError,
            UnauthenticatedError,
            NotFoundError,
        ):  # tokens suffice for the remaining requests
            self._may_read = False
            return []
        items = list(self._list.pending)
        self._list.pending.clear()
        found = []
        for result in items:
            submitted = self.left.pop(result.attempt, None)
            self._passed = self._passed + 1 if submitted is None else 0
            if submitted is not None:
                found.append((submitted, result))
        if items:
            self._quiet_since = self._context.clock()
        else:
            yield Pause(_POLL)
        return found

    def ask(self, submitted: S, seconds: float) -> Flow[tuple[S, AttemptResult]]:
        """Request one attempt's result by its token."""
        assert submitted.attempt is not None
        return submitted, (
            yield from wait_for_result(self._context, submitted.attempt, submitted.token, seconds)
        )


def _id_of(result: AttemptResult) -> str:
    return result.attempt
