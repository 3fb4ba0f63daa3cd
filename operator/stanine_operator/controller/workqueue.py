"""Work queue of due resources with one worker per key at a time. Must be used in the event loop."""

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from stanine.broker.pauses import pause_after

K = TypeVar("K", bound=Hashable)

#: Seconds between reconciliations of a ready resource: the longest time an external change goes unnoticed.
RESYNC_INTERVAL = 60.0
#: First and longest retry delay in seconds. The longest is documented.
FIRST_RETRY, LAST_RETRY = 1.0, 15.0
#: Share by which a delay is shortened at random, so that resources that failed together are not retried together.
JITTER = 0.3


def next_pause(failures: int, random: float) -> float:
    """Return the seconds until the next attempt after consecutive failures; 0 ≤ `random` < 1."""
    pause = RESYNC_INTERVAL if failures == 0 else pause_after(failures, FIRST_RETRY, LAST_RETRY)
    return pause * (1 - JITTER * random)


class WorkQueue(Generic[K]):
    """Keys ordered by due time.

    A key in progress is not handed out; if enqueued during that time, it is due when done.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._in_progress: set[K] = set()
        self._magnitude = itertools.count()
        self._changed = asyncio.Event()
        self._next_lock = asyncio.Lock()
        self._closed = False

    def enqueue(self, key: K, after: float = 0.0) -> None:
        """Make a key due in `after` seconds, unless it is due earlier."""
        due = self._clock() + after
        if due < self._due.get(key, math.inf):
            self._due[key] = due
            heapq.heappush(self._heap, (due, next(self._magnitude), key))
            self._changed.set()

    def forget(self, key: K) -> None:
        """Remove a key."""
        self._due.pop(key, None)

    def done(self, key: K, after: float | None) -> None:
        """Mark a key as done; it is due in `after` seconds (None: never) or when enqueued."""
        self._in_progress.discard(key)
        if after is not None:
            self.enqueue(key, after)
        if key in self._due:
            # It was skipped while it was in progress.
            heapq.heappush(self._heap, (self._due[key], next(self._magnitude), key))
            self._changed.set()

    def close(self) -> None:
        """Hand out no more keys."""
        self._closed = True
        self._changed.set()

    async def next(self, within: float) -> K | None:
        """Wait for the next due key, which is in progress until `done`.

        Return None after `within` seconds or if closed.
        """
        try:
            async with (
                asyncio.timeout(within),
                self._next_lock,
            ):  # one worker waits for the clock, the others for the lock
                return await self._first()
        except TimeoutError:
            return None

    def waiting(self) -> int:
        """Return the number of keys that are due and not in progress."""
        now = self._clock()
        return sum(
            1 for key, due in self._due.items() if due <= now and key not in self._in_progress
        )

    async def _first(self) -> K | None:
        while not self._closed:
            key = self._pop()
            if key is not None:
                return key
            self._changed.clear()
            try:
                async with asyncio.timeout(
                    max(0.0, self._heap[0][0] - self._clock()) if self._heap else None
                ):
                    await self._changed.wait()
            except TimeoutError:
                pass
        return None

    def _pop(self) -> K | None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) != due or key in self._in_progress:
                continue  # rescheduled, removed, or in progress (`done` pushes it again)
            del self._due[key]
            self._in_progress.add(key)
            return key
        return None
