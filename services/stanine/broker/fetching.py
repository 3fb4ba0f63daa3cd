"""Fetching of new entries, in one of three ways. Called by the consumer in its thread.

Queues of only plain or only batch messages are read with XREADGROUP. Mixed and rate-limited queues are read by a
function that inspects the entries, so that no plain message is prefetched that another consumer could run, and no
message is read ahead of the rate.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import dramatiq
import redis

from stanine.broker.batch import SECOND_BATCH_SIZE, BatchLimits, BatchPart, limits_of
from stanine.broker.connection.functions import is_function_missing
from stanine.broker.entry import Entry, Fields, read_head
from stanine.broker.exchange import ConsumerCapacity, Fetched
from stanine.broker.lease import ConsumerLease
from stanine.broker.library import library
from stanine.broker.reader import QUEUE_DELETED, Reader

#: Batch entries read at once before the size of messages is known.
FIRST_COUNT = 64

Actors = Mapping[str, "dramatiq.Actor[Any, Any]"]


class Fetching:
    """Fetches for one consumer. `stopping` interrupts its waits."""

    def __init__(
        self,
        queue_name: str,
        client: "redis.Redis",
        reader: Reader,
        actors: Actors,
        stopping: threading.Event,
    ) -> None:
        self._queue_name = queue_name
        self._client = client
        self._reader = reader
        self._actors = actors
        self._stopping = stopping
        self._count = FIRST_COUNT
        #: Number of actors when the kinds were determined, and those kinds.
        self._known, self._kinds_known = 0, (False, False)

    def close(self) -> None:
        """Close the reader's connection."""
        self._reader.close()

    def read(
        self, lease: ConsumerLease, free: int, block: float, succeeded: Callable[[], None]
    ) -> "list[tuple[bytes, Fields]]":
        """Return new entries for up to `free` calls; wait at most `block` seconds for the first.

        `succeeded` is called after the server has executed a writing command.
        """
        merges, has_plain = self._kinds()
        count, block_ms = self._count if merges else free, int(block * 1000)
        if lease.settings.rate_messages is None and not (merges and has_plain):
            rows = self._reader.read(lease.name, count, block_ms)
            succeeded()
            return rows
        room = (
            ConsumerCapacity(free, self._smallest(lease))
            if merges and has_plain
            else ConsumerCapacity(0, 1)
        )
        try:
            fetched = self._reader.fetch(
                lease.queue.fetch_command(lease.name, count, room, block_ms)
            )
        except redis.ResponseError as error:
            if not is_function_missing(error):
                raise
            library().load(self._client)
            return []
        succeeded()
        return fetched.rows or self._wait(lease, fetched, block_ms)

    def adapt(self, read: int, work: "list[BatchPart | Entry]", lease: ConsumerLease) -> None:
        """Adapt the read size to about one batch.

        More would only withhold entries from other consumers.
        """
        if read >= self._count and len(work) == 1:
            self._count = min(self._count * 2, self._largest(lease))
        elif len(work) > 1 and isinstance(work[0], BatchPart):
            self._count = len(work[0].entry_ids)

    def limits(self, head: bytes, lease: ConsumerLease) -> BatchLimits | None:
        """Return the batch limits of a head's actor; None if unknown or not a batch actor."""
        try:
            _, actor_name = read_head(head)
        except ValueError:
            return None
        actor = self._actors.get(actor_name)
        return limits_of(actor, lease.settings) if actor else None

    @property
    def merges(self) -> bool:
        """Whether messages of this queue are merged."""
        return self._kinds()[0]

    def room(self, calls: int, lease: ConsumerLease) -> ConsumerCapacity:
        """Return the capacity for dead consumers' entries.

        Their batches are merged in small parts.
        """
        return ConsumerCapacity(calls, min(SECOND_BATCH_SIZE, self._smallest(lease)))

    def _wait(
        self, lease: ConsumerLease, fetched: Fetched, block_ms: int
    ) -> "list[tuple[bytes, Fields]]":
        """Wait for the rate limit, new entries, or the bell (if another consumer is on watch)."""
        if fetched.waits_for_bell:
            try:
                self._reader.wait_for_bell(lease.queue.keys.bell, block_ms)
            except redis.ResponseError as error:
                if not any(sign in str(error) for sign in QUEUE_DELETED):
                    raise  # the bell was deleted; the next fetch creates it again
        elif fetched.wait_ms >= 0:
            self._stopping.wait(min(fetched.wait_ms, block_ms) / 1000)
        elif fetched.last_id:
            self._reader.wait_for_more(fetched.last_id, block_ms)
        else:
            return self._reader.read(lease.name, 1, block_ms)
        return []

    def _kinds(self) -> tuple[bool, bool]:
        """Return whether the queue has batch actors here, and whether it has others."""
        if len(self._actors) != self._known:
            self._known, self._kinds_known = len(self._actors), self._find_kinds()
        return self._kinds_known

    def _find_kinds(self) -> tuple[bool, bool]:
        batch = [
            actor.options.get("batch") is not None
            for actor in list(self._actors.values())
            if actor.queue_name == self._queue_name
        ]
        return any(batch), not all(batch)

    def _bounds(self, lease: ConsumerLease) -> list[int]:
        actors = [
            actor for actor in list(self._actors.values()) if actor.queue_name == self._queue_name
        ]
        return [
            bound.max_messages
            for bound in (limits_of(actor, lease.settings) for actor in actors)
            if bound
        ]

    def _largest(self, lease: ConsumerLease) -> int:
        return max(self._bounds(lease), default=1)

    def _smallest(self, lease: ConsumerLease) -> int:
        return min(self._bounds(lease), default=1)
