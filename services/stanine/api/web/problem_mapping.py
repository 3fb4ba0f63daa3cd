"""Which problem an exception from below stands for. Used where a request or a bulk line ends: `dispatch` and `bulk`."""

import redis

from stanine.api.web.problems import (
    FULL,
    HISTORY_CHANGED,
    MANAGED,
    NOT_INDEXED,
    Problem,
    unavailable,
)
from stanine.broker.connection import errors
from stanine.broker.connection.ownership import OwnershipConflictError
from stanine.store.errors import HistoryChangedError, NotDurableError, StaleViewError

#: What only a defect of ours, or a foreign key in our namespace, can cause: answered as internal and logged whole.
_OURS = (errors.UNKNOWN, errors.SERVER_REFUSED, errors.WRONG_TYPE, errors.CROSS_SLOT)

_CHANGED = (
    "The server came back with other data, from a backup or after a failover, or the cursor is of another list. Continue from `next`: "
    "items after it may repeat, none is missed."
)


def problem_of(error: BaseException) -> Problem | None:
    """Return the problem to answer with, or None for what nobody foresaw."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, OwnershipConflictError):
        return Problem(MANAGED, f"{error}.")
    if isinstance(error, HistoryChangedError):
        return Problem(HISTORY_CHANGED, _CHANGED, next=error.following)
    if isinstance(error, StaleViewError):
        return Problem(
            NOT_INDEXED,
            "The server came back with other data; the index is read again. Nothing was stored.",
        )
    if isinstance(error, NotDurableError | OSError):  # OSError: also a deadline that has passed
        return unavailable()
    if not isinstance(error, redis.RedisError):
        return None
    trouble = errors.classify(error)
    if trouble is errors.FULL:
        return full()
    if trouble in errors.REFUSES_WRITES:
        return unavailable(trouble)
    return None if trouble in _OURS else unavailable()


def full() -> Problem:
    """Return the answer while Redis has no room for new work; what was accepted is still scored and read."""
    return Problem(FULL, "What was accepted before is still scored and can be read.")
