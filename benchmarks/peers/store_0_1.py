"""Stanine's store of version 0.1, for server_time.py.

Run with that version's `services` first in PYTHONPATH; its types are not available in this tree: hence `Any`.
"""

import asyncio
import hashlib
import random
import uuid
from typing import Any

import redis
from stanine.connection.clients import connect_async  # type: ignore[import-not-found]  # a module of version 0.1
from stanine.domain.result import ENGINE_VERSION, SCALE_BYTES  # type: ignore[import-not-found]  # likewise

from benchmarks.peers.slices import SCALES, codes_of, obey
from benchmarks.peers.work import URL
from stanine.broker import StreamsBroker
from stanine.messages import SCORE_ATTEMPTS, Outbox
from stanine.store import attempts, load_library, records, results
from stanine.store.durability import Writer
from stanine.store.keys import Keys

#: Random bytes of an id.
RANDOM_BYTES = 12


def submission(number: int) -> Any:
    """Return attempt `number` with a UUID as key."""
    chance = random.Random(number)
    codes = codes_of(number)
    make: Any = attempts.Submission
    identity, key = (
        chance.randbytes(RANDOM_BYTES),
        str(uuid.UUID(int=chance.getrandbits(128), version=4)),
    )
    return make(1, 1, codes, hashlib.blake2b(codes, digest_size=16).digest(), identity, key)


async def main() -> None:
    """Execute orders."""
    keys = Keys("bench")
    client, async_client = redis.Redis.from_url(URL), connect_async(URL)
    broker = StreamsBroker(url=URL, namespace=keys.partition)
    outbox = Outbox(
        broker.ready_key(SCORE_ATTEMPTS.queue),
        broker.head(SCORE_ATTEMPTS.queue, SCORE_ATTEMPTS.actor),
    )
    store = attempts.Attempts(async_client, Writer(async_client, load_library()), keys, outbox)
    stored: Any = results.Results(client, load_library(), keys, outbox)
    result_start: Any = records.result_start
    record = result_start(ENGINE_VERSION, 1) + bytes(SCALE_BYTES * SCALES)

    async def submit(batch: list[Any]) -> list[bytes]:
        return [one.id for one in await store.submit(batch)]

    def drain(ids: list[bytes]) -> int:
        stored.load(ids)
        return int(stored.commit(1, ids, [record] * len(ids), {}))

    await obey(client, lambda: None, submission, submit, drain)


if __name__ == "__main__":
    asyncio.run(main())
