"""taskiq on Redis Streams: one worker process, 100 concurrent tasks, no result backend, uvloop.

One process and 100 tasks are its defaults; `--no-parse` disables the conversion of arguments. Documented:
taskiq-python.github.io, "Available brokers" (RedisStreamBroker) and "CLI" (`--workers`, `--max-async-tasks`,
`--no-parse`). It has no bulk operation: bulk is kicked concurrently. The stream is read from its beginning
(`consumer_id`), otherwise messages sent before the first worker would be skipped. `python -m benchmarks.peers.taskiq` is
the submitter; the taskiq CLI imports this module as the worker.
"""

import asyncio
from typing import Any

import redis
import redis.asyncio
import uvloop
from taskiq_redis import RedisStreamBroker

from benchmarks.peers.submitter import Submitter
from benchmarks.peers.work import ATTEMPTS, RESULTS, URL, attempt_text, handle_async

#: Concurrent sends in bulk.
AT_ONCE = 50

broker = RedisStreamBroker(URL, consumer_id="0")
records: Any = redis.asyncio.Redis.from_url(URL) if URL else None


@broker.task
async def score_attempt(number: int) -> None:
    """Do the work."""
    await handle_async(records, number)


async def submit() -> None:
    """Run the submitter."""
    look = redis.Redis.from_url(URL)
    await broker.startup()

    async def add(number: int, text: bytes) -> None:
        await records.hset(ATTEMPTS, number, text)
        await score_attempt.kiq(number)

    async def add_many(attempts: list[tuple[int, bytes]]) -> None:
        await records.hset(ATTEMPTS, mapping=dict(attempts))
        for start in range(0, len(attempts), AT_ONCE):
            await asyncio.gather(
                *(score_attempt.kiq(number) for number, _ in attempts[start : start + AT_ONCE])
            )

    await Submitter(
        add, add_many, attempt_text, lambda number: look.hexists(RESULTS, str(number))
    ).run()


if __name__ == "__main__":
    # The task is named after the module that the worker imports, not "__main__".
    from benchmarks.peers.taskiq import submit as submit_as_imported

    uvloop.run(submit_as_imported())
