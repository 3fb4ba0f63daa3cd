"""Finding the attempts that have no result: blocks whose attempts outnumber their results, above a low-water mark.

Used by the resultWatcher's sweep and by `stanine check`. The queue's messages are only hints; this is the truth about what is due.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import redis

from stanine.connection.library import Library
from stanine.store.keys import BLOCK_SIZE, Keys
from stanine.store.records import arrived_at, random_of

#: Blocks looked at in one call: it holds the server for about 2 ms.
BLOCKS_A_CALL = 2000


class Unscored(msgspec.Struct, frozen=True):
    """An attempt without a result: since when it is waiting (ms), counting from when it was last queued, and how often it was re-queued."""

    id: bytes
    arrived_at: int
    queued_at: int
    requeues: int
    record: bytes


class Sweep:
    """The records' own view of what is due."""

    def __init__(self, client: "redis.Redis", library: Library, keys: Keys) -> None:
        self._client: Any = client
        self._library = library
        self._keys = keys

    def low_water(self) -> int:
        """Return the first block that may hold an attempt without a result."""
        return int(self._client.get(self._keys.low_water) or 0)

    def arrivals(self) -> int:
        """Return how many attempts have arrived."""
        return int(self._client.get(self._keys.arrivals) or 0)

    def committed(self) -> int:
        """Return how many results were committed."""
        return sum(int(count) for count in self._client.hvals(self._keys.commits))

    def unscored(self) -> Iterator[Unscored]:
        """Yield the attempts without result in order of arrival; raises the low-water mark as it goes."""
        start = self.low_water()
        raising = True
        while True:
            stop, *blocks = self._library.call(self._client, "unfinished", [self._keys.arrivals], [start, BLOCKS_A_CALL])
            if raising:
                # A block that is not full yet is not finished for good, so the last one never counts.
                self._raise_low_water(blocks[0] if blocks else min(stop, self.arrivals() // BLOCK_SIZE))
                raising = not blocks
            for block in blocks:
                yield from self._of_block(block)
            if stop <= start or stop - start < BLOCKS_A_CALL:
                return
            start = stop

    def forget_requeues(self) -> None:
        """Forget how often attempts were re-queued which have a result by now."""
        fields = self._client.hkeys(self._keys.requeued)
        pipeline = self._client.pipeline(transaction=False)
        for field in fields:
            block, slot = divmod(int(field), BLOCK_SIZE)
            pipeline.hexists(self._keys.results(block), slot)
        done = [field for field, exists in zip(fields, pipeline.execute() if fields else [], strict=True) if exists]
        if done:
            self._client.hdel(self._keys.requeued, *done)

    def _raise_low_water(self, block: int) -> None:
        self._library.call(self._client, "advance", [self._keys.low_water], [block])

    def _of_block(self, block: int) -> Iterator[Unscored]:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hgetall(self._keys.attempts(block))
        pipeline.hkeys(self._keys.results(block))
        attempts, results = pipeline.execute()
        waiting = sorted(int(slot) for slot in attempts.keys() - set(results))
        if not waiting:
            return
        arrivals = [block * BLOCK_SIZE + slot for slot in waiting]
        requeued = self._client.hmget(self._keys.requeued, arrivals)
        for slot, arrival, history in zip(waiting, arrivals, requeued, strict=True):
            record = attempts[str(slot).encode()]
            at = arrived_at(record)
            queued_at, _, count = (history or b"0:0").partition(b":")
            yield Unscored(random_of(record) + arrival.to_bytes(4, "big"), at, max(at, int(queued_at)), int(count), record)
