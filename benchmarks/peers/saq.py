"""SAQ on Redis: one process, 100 jobs at a time (default 10), results not kept, uvloop.

Documented: saq-py.readthedocs.io (Worker's `concurrency`, a job's `ttl`); it has no bulk operation without waiting for
results: bulk is enqueued concurrently. `python -m benchmarks.peers.saq` is the submitter, with `worker` the worker.
"""

import asyncio
import logging
import sys
from typing import Any

import redis
import redis.asyncio
import uvloop
from saq import Queue, Worker

from benchmarks.peers.submitter import Submitter
from benchmarks.peers.work import ATTEMPTS, RESULTS, URL, attempt_text, handle_async

#: Concurrent sends in bulk.
AT_ONCE = 50


async def submit() -> None:
    """Run the submitter."""
    queue = Queue.from_url(URL)
    records: Any = redis.asyncio.Redis.from_url(URL)
    look = redis.Redis.from_url(URL)

    async def add(number: int, text: bytes) -> None:
        await records.hset(ATTEMPTS, number, text)
        await queue.enqueue("score_attempt", number=number, ttl=-1)

    async def add_many(attempts: list[tuple[int, bytes]]) -> None:
        await records.hset(ATTEMPTS, mapping=dict(attempts))
        for start in range(0, len(attempts), AT_ONCE):
            await asyncio.gather(
                *(
                    queue.enqueue("score_attempt", number=number, ttl=-1)
                    for number, _ in attempts[start : start + AT_ONCE]
                )
            )

    await Submitter(
        add, add_many, attempt_text, lambda number: look.hexists(RESULTS, str(number))
    ).run()


async def work() -> None:
    """Run the worker."""
    logging.getLogger("saq").setLevel(logging.ERROR)
    records: Any = redis.asyncio.Redis.from_url(URL)

    async def score_attempt(context: Any, *, number: int) -> None:  # noqa: ARG001 - SAQ passes it
        await handle_async(records, number)

    await Worker(
        Queue.from_url(URL), functions=[("score_attempt", score_attempt)], concurrency=100
    ).start()


if __name__ == "__main__":
    uvloop.run(work() if sys.argv[1:] == ["worker"] else submit())
