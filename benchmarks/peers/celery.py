"""Celery on Redis: a prefork worker with one child, without gossip, mingle, heartbeat and events.

Results are ignored as well. Fastest pool here: prefork with one child 960/s (with four 1,040), solo 830, 8 threads 770,
32 threads 790.

Documented: docs.celeryq.dev, "Optimizing" (prefetch, connection pools, transient queues), "Tasks" (`ignore_result`),
"Workers". It has no bulk operation; the documented fast way to publish many is one producer (`producer_pool.acquire`).
"""

import asyncio
import logging

import redis
from celery import Celery

from benchmarks.peers.submitter import Submitter
from benchmarks.peers.work import ATTEMPTS, RESULTS, URL, attempt_text, handle

logging.getLogger("celery").setLevel(logging.ERROR)
app = Celery("bench", broker=URL)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,  # as for all peers: a message is kept until its work is done
    worker_prefetch_multiplier=32,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    task_compression=None,
)
records = redis.Redis.from_url(URL)


@app.task(name="score_attempt")
def score_attempt(number: int) -> None:
    """Do the work."""
    handle(records, number)


def add(number: int, text: bytes) -> None:
    """Store an attempt and send its message."""
    records.hset(ATTEMPTS, number, text)
    score_attempt.delay(number)


def add_many(attempts: list[tuple[int, bytes]]) -> None:
    """Store attempts at once and send their messages through one producer."""
    records.hset(ATTEMPTS, mapping=dict(attempts))
    with app.producer_pool.acquire(block=True) as producer:
        for number, _ in attempts:
            score_attempt.apply_async((number,), producer=producer)


if __name__ == "__main__":
    asyncio.run(
        Submitter(
            add, add_many, attempt_text, lambda number: records.hexists(RESULTS, str(number))
        ).run()
    )
