"""What a loop says and does when its turns fail: one line when trouble begins, changes or ends, and pauses that grow. For process.py."""

from collections.abc import Callable
from typing import Any

import redis

from stanine.broker.connection.errors import REFUSES_WRITES, ServerProblem, classify

#: Seconds: first and longest pause after a turn that failed, where the loop's own interval is shorter.
PAUSE_MIN, PAUSE_MAX = 1.0, 10.0


class Trouble:
    """The trouble of one loop. `try_write` raises what the server says to a write, and changes nothing."""

    def __init__(self, log: Any, try_write: Callable[[], None]) -> None:
        self._log = log
        self._try_write = try_write
        self._reason: str | None = None
        self._problem: ServerProblem | None = None
        self._pause = 0.0

    def failed(self, error: Exception) -> float:
        """Note a turn that failed; return the seconds to wait at least. What no server can cause is logged whole."""
        self._pause = min(PAUSE_MAX, max(PAUSE_MIN, self._pause * 2))
        self._problem = classify(error) if isinstance(error, redis.RedisError) else None
        reason = self._problem.reason if self._problem else f"{type(error).__name__}: {error}"
        if reason != self._reason:
            self._reason = reason
            if self._problem is None:
                self._log.error("loop.failed", exc_info=error)
            else:  # the loop's next turn does what this one could not
                self._log.warning(
                    "loop.redis_error", error=self._problem.reason, detail=self._problem.remedy
                )
        return self._pause

    def passed(self) -> float:
        """Note a turn that passed; return the seconds to wait at least.

        A turn that had nothing to write passes on a server that refuses writes, too: then the trouble is not over.
        """
        if self._reason is None:
            return 0.0
        if self._problem in REFUSES_WRITES:
            try:
                self._try_write()
            except redis.RedisError as error:
                return self.failed(error)
        self._log.warning(
            "loop.works_again", after=self._problem.reason if self._problem else "loop.failed"
        )
        self._reason, self._problem, self._pause = None, None, 0.0
        return 0.0
