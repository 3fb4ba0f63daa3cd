"""BullMQ for Python: one process, concurrency 100, finished jobs removed, uvloop; in bulk by `addBulk`.

Documented: docs.bullmq.io, "Python" (Worker, concurrency), "Queues" (`addBulk`), "Auto-removal of jobs".
`python -m benchmarks.peers.bullmq_python` is the submitter, with `worker` the worker.
"""

import asyncio
import sys
from typing import Any

import redis
import redis.asyncio
import uvloop
from bullmq import Queue, Worker

from benchmarks.peers.submitter import Submitter
from benchmarks.peers.work import ATTEMPTS, RESULTS, URL, attempt_text, handle_async

#: Options of every job.
REMOVED = {"removeOnComplete": True}


async def submit() -> None:
    """Run the submitter."""
    queue = Queue("bench", {"connection": URL})
    records: Any = redis.asyncio.Redis.from_url(URL)
    look = redis.Redis.from_url(URL)

    async def add(number: int, text: bytes) -> None:
        await records.hset(ATTEMPTS, number, text)
        await queue.add("score", {"attempt": number}, REMOVED)

    async def add_many(attempts: list[tuple[int, bytes]]) -> None:
        await records.hset(ATTEMPTS, mapping=dict(attempts))
        await queue.addBulk(
            [
                {"name": "score", "data": {"attempt": number}, "opts": REMOVED}
                for number, _ in attempts
            ]
        )

    await Submitter(
        add, add_many, attempt_text, lambda number: look.hexists(RESULTS, str(number))
    ).run()


async def work() -> None:
    """Run the worker."""
    records: Any = redis.asyncio.Redis.from_url(URL)

    async def process(job: Any, _token: str) -> None:
        await handle_async(records, job.data["attempt"])

    Worker("bench", process, {"connection": URL, "concurrency": 100})
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(work() if sys.argv[1:] == ["worker"] else submit())
