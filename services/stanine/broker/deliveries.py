"""The entries of a message, and how often each was delivered. Used by the consumer and `fetched`; imported as a module."""

from stanine.broker.batch import BatchPart
from stanine.broker.entry import Entry


def ids_of(item: BatchPart | Entry) -> list[bytes]:
    """Return the ids of the entries of a message."""
    return item.entry_ids if isinstance(item, BatchPart) else [item.id]


def counts_of(item: BatchPart | Entry) -> list[tuple[bytes, int]]:
    """Return (entry id, deliveries with this one) of the entries of a message."""
    return item.handed if isinstance(item, BatchPart) else [(item.id, item.handed)]


def crashed_of(item: BatchPart | Entry) -> list[tuple[bytes, int]]:
    """Return (entry id, deliveries with this one) of entries taken over from dead consumers."""
    return [pair for pair in counts_of(item) if pair[1] > 1]


def times_delivered(item: BatchPart | Entry) -> int:
    """Return the highest number of deliveries of an entry of a message."""
    return max((times for _, times in counts_of(item)), default=1)
