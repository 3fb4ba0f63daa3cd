"""What a consumer has fetched and not handed over. Used by the consumer's thread only."""

from collections import deque
from collections.abc import Iterable

from stanine.broker import deliveries
from stanine.broker.batch import BatchPart
from stanine.broker.entry import Entry

#: Deliveries after which an entry is a poison candidate, which may be killing its consumers: at most one of them runs
#: at a time.
POISON_DELIVERIES = 3

#: Merged entries, or one entry.
WorkItem = BatchPart | Entry


class FetchedWork:
    """Entries and parts in their order. Poison candidates wait until no other candidate is in flight."""

    def __init__(self) -> None:
        self._ready: deque[WorkItem] = deque()
        self._candidates: deque[WorkItem] = deque()

    def __len__(self) -> int:
        return len(self._ready) + len(self._candidates)

    @property
    def has_candidates(self) -> bool:
        """Whether poison candidates wait."""
        return bool(self._candidates)

    @property
    def has_taken_over(self) -> bool:
        """Whether some entries were taken over from dead consumers."""
        return any(deliveries.crashed_of(item) for item in (*self._ready, *self._candidates))

    def add(self, items: Iterable[WorkItem]) -> None:
        """Add fetched work."""
        self._ready.extend(items)

    def take(self, *, candidates_may_run: bool) -> tuple[WorkItem, bool] | None:
        """Return the next item that may run, and whether it is a poison candidate; None if none may."""
        while True:
            if self._candidates and candidates_may_run:
                return self._candidates.popleft(), True
            if not self._ready:
                return None
            item = self._ready.popleft()
            if deliveries.times_delivered(item) < POISON_DELIVERIES:
                return item, False
            self._candidates.append(item)

    def returnable(self) -> list[tuple[bytes, int]]:
        """Return the ids that may return to the queue, each with its number of earlier deliveries.

        Entries taken over from dead consumers stay pending, because their delivery count is kept there.
        """
        return [
            (entry_id, item.delivery - 1)
            for item in (*self._ready, *self._candidates)
            if not deliveries.crashed_of(item)
            for entry_id in deliveries.ids_of(item)
        ]

    def clear(self) -> None:
        """Forget everything; it stays pending in the queue."""
        self._ready.clear()
        self._candidates.clear()
