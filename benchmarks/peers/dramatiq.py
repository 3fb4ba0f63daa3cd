"""Stock Dramatiq: RedisBroker, `dramatiq --processes 1 --threads 8` (8 threads are the default).

Documented: dramatiq.io, User Guide ("Workers") and the CLI's help. It has no bulk operation: `group.run` sends one by
one, as here.
`python -m benchmarks.peers.dramatiq` is the submitter; the dramatiq CLI imports this module as the worker.
"""

import asyncio
import logging

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers.submitter import Submitter
from benchmarks.peers.work import ATTEMPTS, RESULTS, URL, attempt_text, handle

logging.getLogger("dramatiq").setLevel(logging.ERROR)
broker = RedisBroker(url=URL)
dramatiq.set_broker(broker)
records = redis.Redis.from_url(URL)


@dramatiq.actor
def score_attempt(number: int) -> None:
    """Do the work."""
    handle(records, number)


def add(number: int, text: bytes) -> None:
    """Store an attempt and send its message."""
    records.hset(ATTEMPTS, number, text)
    score_attempt.send(number)


def add_many(attempts: list[tuple[int, bytes]]) -> None:
    """Store attempts at once and send their messages."""
    records.hset(ATTEMPTS, mapping=dict(attempts))
    dramatiq.group(score_attempt.message(number) for number, _ in attempts).run()


if __name__ == "__main__":
    asyncio.run(
        Submitter(
            add, add_many, attempt_text, lambda number: records.hexists(RESULTS, str(number))
        ).run()
    )
