"""Find attempts without a result: blocks that contain more attempts than results.

Used by the resultWatcher's sweep and by `stanine check`. Records are authoritative; queue messages are hints.

A pass does bounded work, however many attempts exist. Each full block is inspected once: it is finished, or added to
the sorted set `late`. An attempt that remains without a result therefore does not delay the blocks after it.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import redis

from stanine.broker.connection.functions import Library
from stanine.store.blocks import IDS_FIELD, RUN_FIELD, block_records, block_slots
from stanine.store.keys import BLOCK_SIZE, Keys
from stanine.store.records import ARRIVAL_BYTES, arrived_at, is_at, random_at

#: Blocks per `advance` call: it occupies the server for about 2 ms.
BLOCKS_PER_CALL = 2000
#: `advance` calls and late blocks per pass: 640,000 new attempts and 64,000 late ones.
ADVANCES_PER_PASS, LATE_PER_PASS = 10, 2000
#: Late blocks per round trip.
BLOCKS_PER_READ = 100


class Unscored(msgspec.Struct, frozen=True):
    """An attempt without a result. `arrived_at`, `queued_at` (last queued): ms since 1970."""

    id: bytes
    arrived_at: int
    queued_at: int
    requeues: int
    record: bytes


class Sweep:
    """Finds unscored attempts from the records of a namespace."""

    def __init__(self, client: "redis.Redis", library: Library, keys: Keys) -> None:
        self._client: Any = client
        self._library = library
        self._keys = keys
        #: Late block at which the next pass begins.
        self._next_late = 0

    def low_water(self) -> int:
        """Return the first block that has not been inspected."""
        return int(self._client.get(self._keys.low_water) or 0)

    def arrivals(self) -> int:
        """Return the number of attempts that have arrived."""
        return int(self._client.get(self._keys.arrivals) or 0)

    def committed(self) -> int:
        """Return the number of attempts with a committed result."""
        pipeline = self._client.pipeline(transaction=True)
        pipeline.hvals(self._keys.commits)
        pipeline.hvals(self._keys.replacing)
        listed, replacing = pipeline.execute()
        return sum(map(int, listed)) - sum(map(int, replacing))

    def unscored(self) -> Iterator[Unscored]:
        """Yield attempts without a result in order of arrival, within the limits of one pass.

        The next pass continues after them.
        """
        start, arrivals = self._advance(ADVANCES_PER_PASS)
        late = self._late(self._next_late, LATE_PER_PASS)
        self._next_late = late[-1] + 1 if len(late) == LATE_PER_PASS else 0
        yield from self._of_blocks(late)
        if arrivals - start * BLOCK_SIZE <= BLOCKS_PER_CALL * BLOCK_SIZE and not self._next_late:
            yield from self._of_blocks(range(start, -(-arrivals // BLOCK_SIZE)))

    def all_unscored(self) -> Iterator[Unscored]:
        """Yield all attempts without a result in order of arrival."""
        start, arrivals = self._advance(None)
        yield from self._of_blocks(self._late(0, -1))
        yield from self._of_blocks(range(start, -(-arrivals // BLOCK_SIZE)))

    def forget_requeues(self) -> None:
        """Remove the requeue counts of attempts that have a result or no longer exist."""
        ids = self._client.hkeys(self._keys.requeued)
        pipeline = self._client.pipeline(transaction=True)
        for attempt_id in ids:
            block, slot = divmod(int.from_bytes(attempt_id[-ARRIVAL_BYTES:], "big"), BLOCK_SIZE)
            pipeline.hget(self._keys.attempts(block), IDS_FIELD)
            pipeline.hmget(self._keys.results(block), [RUN_FIELD, slot])
        replies = pipeline.execute() if ids else []
        done = [
            attempt_id
            for attempt_id, randoms, results in zip(ids, replies[::2], replies[1::2], strict=True)
            if any(results) or not is_at(randoms, attempt_id)
        ]
        if done:
            self._client.hdel(self._keys.requeued, *done)

    def _advance(self, calls: int | None) -> tuple[int, int]:
        """Advance the low-water mark with at most `calls` calls.

        Return it and the number of arrivals.
        """
        keys = [self._keys.arrivals, self._keys.low_water, self._keys.late]
        while True:
            before = self.low_water()
            mark, arrivals = (
                int(each)
                for each in self._library.call(self._client, "advance", keys, [BLOCKS_PER_CALL])
            )
            calls = None if calls is None else calls - 1
            if mark - before < BLOCKS_PER_CALL or calls == 0:
                return mark, arrivals

    def _late(self, start: int, count: int) -> list[int]:
        """Return up to `count` late blocks from `start` (-1: all).

        Remove finished ones from the set.
        """
        found = [
            int(each)
            for each in self._client.zrange(
                self._keys.late, start, "+inf", byscore=True, offset=0, num=count
            )
        ]
        for first in range(0, len(found), BLOCKS_PER_CALL):
            keys = [self._keys.arrivals, self._keys.late]
            self._library.call(self._client, "settle", keys, found[first : first + BLOCKS_PER_CALL])
        return found

    def _of_blocks(self, blocks: "range | list[int]") -> Iterator[Unscored]:
        for first in range(0, len(blocks), BLOCKS_PER_READ):
            part = blocks[first : first + BLOCKS_PER_READ]
            pipeline = self._client.pipeline(transaction=True)
            for block in part:
                for key in (self._keys.attempts(block), self._keys.results(block)):
                    pipeline.hlen(key)
                    pipeline.hexists(key, RUN_FIELD)
            replies = pipeline.execute()
            for block, attempts, attempts_run, results, results_run in zip(
                part, *(replies[i::4] for i in range(4)), strict=True
            ):
                if (BLOCK_SIZE if attempts_run else attempts - 1) > (
                    BLOCK_SIZE if results_run else results
                ):
                    yield from self._of_block(block)

    def _of_block(self, block: int) -> Iterator[Unscored]:
        pipeline = self._client.pipeline(transaction=True)
        pipeline.hgetall(self._keys.attempts(block))
        pipeline.hkeys(self._keys.results(block))
        attempts, results = pipeline.execute()
        randoms = attempts.get(IDS_FIELD.encode(), b"")
        found = block_records(attempts)
        waiting = sorted(found.keys() - block_slots(results))
        if not waiting:
            return
        records = [found[slot] for slot in waiting]
        ids = [
            random_at(randoms, slot) + (block * BLOCK_SIZE + slot).to_bytes(ARRIVAL_BYTES, "big")
            for slot in waiting
        ]
        requeued = self._client.hmget(self._keys.requeued, ids)
        for attempt_id, record, history in zip(ids, records, requeued, strict=True):
            at = arrived_at(record)
            queued_at, _, count = (history or b"0:0").partition(b":")
            yield Unscored(attempt_id, at, max(at, int(queued_at)), int(count), record)
