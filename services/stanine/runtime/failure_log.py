"""Failure handling of a loop: logs when a problem begins, changes or ends, and backs off.

Used by process.py and loops.py.
"""

from collections.abc import Callable
from typing import Any

import redis

from stanine.broker.connection.errors import REFUSES_WRITES, ServerProblem, classify
from stanine.broker.pauses import Pauses

#: Seconds: first and maximum pause after a failed iteration, if the loop's own interval is shorter.
PAUSE_MIN, PAUSE_MAX = 1.0, 10.0


class LoopFailures:
    """Failure state of one loop.

    `try_write` raises the server's error if it rejects writes, and changes nothing.
    """

    def __init__(self, log: Any, try_write: Callable[[], None] = lambda: None) -> None:
        self._log = log
        self._try_write = try_write
        self._reason: str | None = None
        self._problem: ServerProblem | None = None
        self._pauses = Pauses(PAUSE_MIN, PAUSE_MAX)

    @property
    def text(self) -> str:
        """Return the current problem for people; empty if there is none, and without details of a defect."""
        if self._reason is None:
            return ""
        return "defect" if self._problem is None else str(self._problem)

    def failed(self, error: Exception) -> float:
        """Record a failed iteration; return the minimum of seconds to wait.

        Errors that do not come from Redis are logged with their traceback.
        """
        from_server = isinstance(error, (redis.RedisError, OSError))
        self._problem = classify(error) if from_server else None
        reason = self._problem.reason if self._problem else f"{type(error).__name__}: {error}"
        if reason != self._reason:
            self._reason = reason
            if self._problem is None:
                self._log.error("loop.failed", exc_info=error)
            else:  # the next iteration catches up
                self._log.warning(
                    "loop.redis_error", reason=self._problem.reason, detail=self._problem.remedy
                )
        return self._pauses.next()

    def succeeded(self) -> float:
        """Record a successful iteration; return the minimum of seconds to wait.

        An iteration with nothing to write also succeeds on a server that rejects writes; then the problem persists.
        """
        if self._reason is None:
            return 0.0
        if self._problem in REFUSES_WRITES:
            try:
                self._try_write()
            except redis.RedisError as error:
                return self.failed(error)
        self._log.warning(
            "loop.works_again", reason=self._problem.reason if self._problem else "loop.failed"
        )
        self._reason, self._problem = None, None
        self._pauses.reset()
        return 0.0
