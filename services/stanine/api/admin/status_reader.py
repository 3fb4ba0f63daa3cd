"""Reads the state of the whole service, and samples it for the history. Called by the route of /v1/status and a loop."""

import asyncio
from typing import Any

import redis.asyncio
from msgspec import UNSET

from stanine.api.admin.queue_admin import ROUTES, QueueAdmin
from stanine.api.admin.status_bodies import (
    BehindBody,
    IndexBody,
    LoopBody,
    ProcessBody,
    QueueSampleBody,
    SampleBody,
    StatusBody,
    SweepBody,
)
from stanine.api.result_presenter import iso
from stanine.api.web.deadlines import within
from stanine.broker import StreamsBroker
from stanine.store.index import EntryCache
from stanine.store.instruments import Instruments
from stanine.store.keys import Keys
from stanine.store.processes import SeenProcess, read_processes
from stanine.store.throughput import QueueSample, Sample, Throughput

#: Instruments per read, and instruments that are compared with the index at most: a status must stay cheap.
_PAGE, _MOST_COMPARED = 500, 5_000
#: Instruments behind that are listed; the rest is counted.
_MOST_LISTED = 100


class StatusReader:
    """Reads the state of the service."""

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        keys: Keys,
        queues: QueueAdmin,
        instruments: Instruments,
        entries: EntryCache,
    ) -> None:
        self._client: Any = client
        self._keys = keys
        self._queues = queues
        self._instruments = instruments
        self._entries = entries
        self._throughput = Throughput(client, keys)

    async def sample(self) -> None:
        """Store the present sample."""
        await within(self._throughput.store(await self._take()))

    async def read(self) -> StatusBody:
        """Return the state now and the history."""
        now, processes, sweeps = await asyncio.gather(
            self._take(), within(read_processes(self._client, self._keys)), within(self._sweeps())
        )
        history = await within(self._throughput.history(now.at))
        return StatusBody(
            at=iso(now.at),
            processes=[_process(each) for each in processes],
            now=_sample(now),
            index=await self._index(),
            sweeps=sweeps,
            history=[_sample(each) for each in history],
        )

    async def _take(self) -> Sample:
        return await within(self._throughput.take(await self._queues.call(_sample_queues)))

    async def _index(self) -> IndexBody:
        compared, after, behind = 0, None, []
        while True:
            page = await within(self._instruments.list(after, _PAGE))
            for each in page:
                entry = self._entries.now.newest(each.name)
                served = 0 if entry is None else entry.revision
                if served < each.revision:
                    behind.append(BehindBody(each.name, each.revision, served))
            compared += len(page)
            if len(page) < _PAGE or compared >= _MOST_COMPARED:
                break
            after = page[-1].name
        count = await within(self._client.zcard(self._keys.instruments))
        return IndexBody(int(count), len(behind), behind[:_MOST_LISTED])

    async def _sweeps(self) -> SweepBody:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        pipeline.zcard(self._keys.late)
        pipeline.hlen(self._keys.requeued)
        pipeline.zcard(self._keys.sessions_due)
        pipeline.hgetall(self._keys.sessions)
        (seconds, _), late, requeued, sessions, counts = await pipeline.execute()
        due = await self._client.zcount(self._keys.sessions_due, "-inf", int(seconds) * 1000)
        return SweepBody(
            late,
            requeued,
            sessions,
            due,
            {name.decode(): int(count) for name, count in sorted(counts.items())},
        )


def _sample_queues(broker: StreamsBroker) -> tuple[QueueSample, ...]:
    found = []
    for queue in sorted(ROUTES):
        stats = broker.stats(queue)
        oldest = None if stats.oldest_ms is None else max(0, stats.now_ms - stats.oldest_ms)
        found.append(
            QueueSample(queue, stats.ready, stats.in_flight, stats.delayed, stats.dead, oldest)
        )
    return tuple(found)


def _sample(sample: Sample) -> SampleBody:
    return SampleBody(
        iso(sample.at),
        sample.arrived,
        sample.committed,
        [
            QueueSampleBody(
                each.queue,
                each.ready,
                each.in_flight,
                each.delayed,
                each.dead,
                None if each.oldest_ms is None else each.oldest_ms / 1000,
            )
            for each in sample.queues
        ],
    )


def _process(seen: SeenProcess) -> ProcessBody:
    state = seen.state
    return ProcessBody(
        state.service,
        state.host,
        state.pid,
        state.version,
        iso(state.started_at),
        iso(seen.seen_at),
        [LoopBody(each.name, each.completed_ago, each.failing or UNSET) for each in state.loops],
    )
