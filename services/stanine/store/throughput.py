"""Samples of work and queues over the last 15 minutes, in a ring of fixed size. Written and read by the API.

Each API process writes every sample; the last one of a slot stays. Slots follow the server's clock.
"""

from typing import Any

import msgspec
import redis.asyncio

from stanine.store.errors import CorruptRecordError
from stanine.store.keys import Keys

#: Milliseconds between two samples, and samples that are kept: 15 minutes.
SAMPLE_MS, SAMPLES = 10_000, 90


class QueueSample(msgspec.Struct, frozen=True, array_like=True):
    """Messages of a queue at one moment; `oldest_ms`: the age of the oldest, None for an empty queue."""

    queue: str
    ready: int
    in_flight: int
    delayed: int
    dead: int
    oldest_ms: int | None


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One moment (`at`: ms since 1970): attempts that arrived and results that were committed until then, and queues."""

    at: int
    arrived: int
    committed: int
    queues: tuple[QueueSample, ...] = ()


class Throughput:
    """The samples of one namespace, for asyncio."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys) -> None:
        self._client: Any = client
        self._keys = keys

    async def take(self, queues: tuple[QueueSample, ...] = ()) -> Sample:
        """Return the present sample, with the given queues."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        pipeline.get(self._keys.arrivals)
        pipeline.hgetall(self._keys.commits)
        (seconds, micros), arrived, commits = await pipeline.execute()
        committed = sum(int(count) for count in commits.values())
        return Sample(
            int(seconds) * 1000 + int(micros) // 1000, int(arrived or 0), committed, queues
        )

    async def store(self, sample: Sample) -> None:
        """Store a sample in its slot, in place of the one of 15 minutes before."""
        slot = sample.at // SAMPLE_MS % SAMPLES
        await self._client.hset(self._keys.throughput, str(slot), msgspec.msgpack.encode(sample))

    async def history(self, now: int) -> list[Sample]:
        """Return the samples of the 15 minutes before `now` (ms since 1970), oldest first."""
        found = await self._client.hgetall(self._keys.throughput)
        try:
            samples = [msgspec.msgpack.decode(each, type=Sample) for each in found.values()]
        except msgspec.MsgspecError as error:
            raise CorruptRecordError("a sample of the throughput cannot be read") from error
        kept = [each for each in samples if now - SAMPLES * SAMPLE_MS < each.at <= now]
        return sorted(kept, key=lambda each: each.at)
