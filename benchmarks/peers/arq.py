"""arq: one process, 100 concurrent jobs (default 10), results not kept, uvloop.

Otherwise its defaults, including polling every 0.5 s.
Documented: arq-docs.helpmanual.io, "Worker" (`max_jobs`, `keep_result`, `poll_delay`). It has no bulk operation: bulk is
sent concurrently. `python -m benchmarks.peers.arq` is the submitter, with `worker` the worker.
"""

import asyncio
import logging
import sys
from typing import Any

import redis
import uvloop
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.worker import Worker

from benchmarks.peers.submitter import Submitter
from benchmarks.peers.work import ATTEMPTS, RESULTS, URL, attempt_text, handle_async

#: Concurrent sends in bulk.
AT_ONCE = 50


async def score_attempt(context: dict[str, Any], number: int) -> None:
    """Do the work."""
    await handle_async(context["redis"], number)


async def submit() -> None:
    """Run the submitter."""
    pool: ArqRedis = await create_pool(RedisSettings.from_dsn(URL))
    look = redis.Redis.from_url(URL)

    async def add(number: int, text: bytes) -> None:
        await pool.hset(ATTEMPTS, str(number), text)
        await pool.enqueue_job("score_attempt", number)

    async def add_many(attempts: list[tuple[int, bytes]]) -> None:
        await pool.hset(ATTEMPTS, mapping=dict(attempts))
        for start in range(0, len(attempts), AT_ONCE):
            await asyncio.gather(
                *(
                    pool.enqueue_job("score_attempt", number)
                    for number, _ in attempts[start : start + AT_ONCE]
                )
            )

    await Submitter(
        add, add_many, attempt_text, lambda number: look.hexists(RESULTS, str(number))
    ).run()


if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        logging.getLogger("arq").setLevel(logging.ERROR)
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        asyncio.set_event_loop(asyncio.new_event_loop())
        Worker(
            [score_attempt],
            redis_settings=RedisSettings.from_dsn(URL),
            max_jobs=100,
            keep_result=0,
            log_results=False,
        ).run()
    else:
        uvloop.run(submit())
