"""Stanine's present store, for server_time.py; store_0_1.py is its counterpart in version 0.1."""

import asyncio
from typing import Any

import msgspec
import redis

from benchmarks.peers.slices import SCALES, obey
from benchmarks.peers.stanine import attempts_of, submission
from benchmarks.peers.work import URL
from stanine.domain.scoring.result import ENGINE_VERSION, SCALE_BYTES
from stanine.messages import Outbox
from stanine.store import load_library
from stanine.store.attempts import Submission
from stanine.store.keys import Keys
from stanine.store.result_layout import result_start
from stanine.store.results import Results

#: Number and token of an index change: a view of the index, which the functions check.
NUMBER, TOKEN = "1", "0123456789abcdef"
VIEW = f"{NUMBER} {TOKEN}"


async def main() -> None:
    """Execute orders."""
    keys = Keys("bench")
    client: Any = redis.Redis.from_url(URL)
    store = attempts_of(URL, keys)
    stored = Results(client, load_library(), keys, Outbox(f"{keys.partition}:unused", b""))
    body = bytes(SCALE_BYTES * SCALES)

    def prepare() -> None:
        client.set(keys.index_change, VIEW)
        client.hset(keys.index_history, NUMBER, TOKEN)

    def make(number: int) -> Submission:
        return msgspec.structs.replace(submission(number, with_key=True), view=VIEW)

    async def submit(batch: list[Submission]) -> list[bytes]:
        return [one.id for one in await store.submit(batch)]

    def drain(ids: list[bytes]) -> int:
        view = stored.load(ids).view
        return stored.commit(
            1,
            ids,
            [body] * len(ids),
            {},
            view,
            result_start(ENGINE_VERSION, 1, stored.new_commit()),
        )

    await obey(client, prepare, make, submit, drain)


if __name__ == "__main__":
    asyncio.run(main())
