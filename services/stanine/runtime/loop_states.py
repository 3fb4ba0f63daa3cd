"""The state of a process's loops, for /v1/status. Written by `loops` and `process`."""

import threading
import time
from collections.abc import Callable

from stanine.store.processes import LoopState


class LoopStates:
    """When each loop last succeeded, and why it fails. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._completed: dict[str, float] = {}
        self._failing: dict[str, str] = {}

    def succeeded(self, loop: str) -> None:
        """Record a successful iteration."""
        with self._lock:
            self._completed[loop] = self._clock()
            self._failing.pop(loop, None)

    def failed(self, loop: str, problem: str) -> None:
        """Record a failed iteration."""
        with self._lock:
            self._failing[loop] = problem

    def now(self) -> list[LoopState]:
        """Return the state of every loop that has run."""
        now = self._clock()
        with self._lock:
            return [
                LoopState(
                    loop,
                    round(now - self._completed[loop], 1) if loop in self._completed else None,
                    self._failing.get(loop, ""),
                )
                for loop in sorted(self._completed.keys() | self._failing.keys())
            ]
