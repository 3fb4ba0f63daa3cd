"""Heartbeats of a process's loops. Each loop beats once per cycle; `/healthz` reports late ones."""

import threading
import time
from collections.abc import Callable


class Heartbeats:
    """The loops of a process, each with its maximum interval between beats. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._allowed: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def expect(self, loop: str, within: float) -> Callable[[], None]:
        """Watch a loop with at most `within` seconds between beats; return its beat function."""
        with self._lock:
            self._allowed[loop] = within
            self._last[loop] = self._clock()

        def beat() -> None:
            self._last[loop] = self._clock()

        return beat

    def forget(self, loop: str) -> None:
        """Stop watching a loop that has ended normally."""
        with self._lock:
            self._allowed.pop(loop, None)
            self._last.pop(loop, None)

    def late(self) -> list[str]:
        """Return a sentence for each loop whose beat is overdue."""
        now = self._clock()
        with self._lock:
            return [
                f"the loop {loop} has not completed an iteration for {now - self._last[loop]:.1f} s (limit: {allowed:g} s)"
                for loop, allowed in self._allowed.items()
                if now - self._last[loop] > allowed
            ]
