"""Maps exceptions to problems. Used where a request or a bulk line ends: `dispatch` and `bulk`."""

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
from stanine.store.errors import LostCursorError, NotDurableError, StaleViewError

#: Caused only by a defect, or by foreign keys in the key namespace: answered as internal and logged with a
#: traceback.
_OURS = (errors.UNKNOWN, errors.SERVER_REFUSED, errors.WRONG_TYPE, errors.CROSS_SLOT)

_CHANGED = (
    "The server came back with other data, from a backup or after a failover, or the cursor is of another list. Continue from `next`: "
    "items after it may repeat, none is missed."
)


def problem_of(error: BaseException) -> Problem | None:
    """Return the problem of an exception; None for an unexpected one."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, OwnershipConflictError):
        return Problem(MANAGED, f"{error}.")
    if isinstance(error, LostCursorError):
        return Problem(HISTORY_CHANGED, _CHANGED, next=error.following)
    if isinstance(error, StaleViewError):
        return Problem(
            NOT_INDEXED,
            "The server's data were replaced; the index is read again. Nothing was stored.",
        )
    if isinstance(error, NotDurableError | OSError):  # OSError includes TimeoutError
        return unavailable()
    if not isinstance(error, redis.RedisError):
        return None
    problem = errors.classify(error)
    if problem is errors.FULL:
        return full()
    if problem in errors.REFUSES_WRITES:
        return unavailable(problem)
    return None if problem in _OURS else unavailable()


def full() -> Problem:
    """Return the problem while Redis is nearly full; attempts are still scored and read."""
    return Problem(FULL, "Accepted attempts are still scored and can be read.")
