"""RQ: SimpleWorker (no fork per job), results not kept; bulk by `enqueue_many`, a pipeline.

Documented: python-rq.org, "Workers" (SimpleWorker; "Performance Notes"), "Jobs" (`enqueue_many`, `result_ttl`).
`python -m benchmarks.peers.rq` is the submitter, with `worker` the worker.
"""

import asyncio
import logging
import sys

import redis
from rq import Queue, SimpleWorker

from benchmarks.peers.submitter import Submitter
from benchmarks.peers.work import ATTEMPTS, RESULTS, URL, attempt_text, handle

records = redis.Redis.from_url(URL)
queue = Queue(connection=records)


def score_attempt(number: int) -> None:
    """Do the work."""
    handle(records, number)


def add(number: int, text: bytes) -> None:
    """Store an attempt and send its message."""
    records.hset(ATTEMPTS, number, text)
    queue.enqueue("benchmarks.peers.rq.score_attempt", number, result_ttl=0)


def add_many(attempts: list[tuple[int, bytes]]) -> None:
    """Store attempts and send their messages, each in one pipeline."""
    records.hset(ATTEMPTS, mapping=dict(attempts))
    queue.enqueue_many(
        [
            Queue.prepare_data("benchmarks.peers.rq.score_attempt", (number,), result_ttl=0)
            for number, _ in attempts
        ]
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        SimpleWorker([queue], connection=records).work(logging_level=logging.ERROR)
    else:
        asyncio.run(
            Submitter(
                add, add_many, attempt_text, lambda number: records.hexists(RESULTS, str(number))
            ).run()
        )
