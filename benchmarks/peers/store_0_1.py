"""Stanine's store as it was in version 0.1, for server_time.py: run with that version's `services` first in PYTHONPATH.

`python -m benchmarks.peers.store_0_1` submits BENCH_COUNT attempts at BENCH_URL and commits their results; prints the microseconds of the
server's main thread that an attempt took. The types are those of that version, not of this tree: hence `Any`.
"""

import asyncio
import hashlib
import json
import os
import random
import uuid
from typing import Any

import redis

from benchmarks.machine import main_thread_seconds
from benchmarks.peers.work import ITEMS, URL, answer
from stanine.broker import StreamsBroker
from stanine.connection.clients import connect_async
from stanine.domain.result import ENGINE_VERSION, SCALE_BYTES
from stanine.messages import SCORE_ATTEMPTS, Outbox
from stanine.store import attempts, load_library, records, results
from stanine.store.durability import Writer
from stanine.store.keys import Keys

#: Attempts a call, and scales of the instrument.
BATCH, SCALES = 512, 5


def submission(number: int) -> Any:
    """Return attempt `number` with a UUID as its key, the same as benchmarks.peers.stanine makes."""
    chance = random.Random(number)
    codes = bytes(255 if (value := answer(number, item)) is None else value - 1 for item in range(ITEMS))
    made: Any = attempts.Submission
    identity = chance.randbytes(12)
    key = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    return made(1, 1, codes, hashlib.blake2b(codes, digest_size=16).digest(), identity, key)


async def submit(keys: Keys, submissions: list[Any]) -> list[bytes]:
    """Submit everything; return the ids."""
    client = connect_async(URL)
    broker = StreamsBroker(url=URL, namespace=keys.partition)
    outbox = Outbox(broker.ready_key(SCORE_ATTEMPTS.queue), broker.head(SCORE_ATTEMPTS.queue, SCORE_ATTEMPTS.actor))
    store = attempts.Attempts(client, Writer(client, load_library()), keys, outbox)
    ids = []
    for start in range(0, len(submissions), BATCH):
        ids += [one.id for one in await store.submit(submissions[start : start + BATCH])]
    await client.aclose()
    broker.close()
    return ids


def main() -> None:
    """Measure and print."""
    count, keys = int(os.environ["BENCH_COUNT"]), Keys("bench")
    client: Any = redis.Redis.from_url(URL)
    submissions = [submission(number) for number in range(count)]
    store: Any = results.Results(client, load_library(), keys, Outbox(f"{keys.partition}:unused", b""))
    head: Any = records.result_start
    body = head(ENGINE_VERSION, 1) + bytes(SCALE_BYTES * SCALES)
    began = main_thread_seconds(client)
    ids = asyncio.run(submit(keys, submissions))
    between = main_thread_seconds(client)
    for start in range(0, count, BATCH):
        part = ids[start : start + BATCH]
        store.load(part)
        store.commit(1, part, [body] * len(part), {})
    ended = main_thread_seconds(client)
    assert client.hget(keys.commits, 1) == b"%d" % count
    print(json.dumps({"submit_us": (between - began) / count * 1e6, "drain_us": (ended - between) / count * 1e6}))


if __name__ == "__main__":
    main()
