"""Which resource is due when: the queue of the operator's own loop. One turn at a time for each resource. Belongs to the event loop."""

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

#: Seconds between turns of a resource that is well: how long a change made behind our back can stay unseen.
RESYNC_INTERVAL = 60.0
#: Seconds: first and longest pause while it is not. The longest is what the contract promises.
FIRST_RETRY, LAST_RETRY = 1.0, 15.0
#: Share by which a pause is shortened at random, so that what failed together does not come back together.
JITTER = 0.3


def next_pause(failures: int, random: float) -> float:
    """Return the seconds until the next turn after so many turns in a row that did not end well. `random`: 0 ≤ x < 1."""
    pause = (
        RESYNC_INTERVAL
        if failures == 0
        else min(LAST_RETRY, FIRST_RETRY * 2 ** min(failures - 1, 10))
    )
    return pause * (1 - JITTER * random)


class WorkQueue(Generic[K]):
    """Keys by the time at which they are due. A key that is at work is never handed out; woken meanwhile, it is due when it is done."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._working: set[K] = set()
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
        """Drop a key."""
        self._due.pop(key, None)

    def done(self, key: K, after: float | None) -> None:
        """Say that a key's turn has ended and when the next is due (None: never). One woken meanwhile is due as it was woken."""
        self._working.discard(key)
        if after is not None:
            self.enqueue(key, after)
        if key in self._due:
            # It was passed over while it was at work.
            heapq.heappush(self._heap, (self._due[key], next(self._magnitude), key))
            self._changed.set()

    def close(self) -> None:
        """Hand nothing more out."""
        self._closed = True
        self._changed.set()

    async def next(self, within: float) -> K | None:
        """Wait for the key that is due first; it is at work until `done`. None if there is none within so many seconds, or at the end."""
        try:
            async with (
                asyncio.timeout(within),
                self._next_lock,
            ):  # one waits for the clock, the others for their turn
                return await self._first()
        except TimeoutError:
            return None

    def waiting(self) -> int:
        """Return how many keys are due now and not yet at work."""
        now = self._clock()
        return sum(1 for key, due in self._due.items() if due <= now and key not in self._working)

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
            if self._due.get(key) != due or key in self._working:
                continue  # overtaken, dropped, or at work: `done` puts it back
            del self._due[key]
            self._working.add(key)
            return key
        return None
