"""Stanine: the submitter uses the store as the API does; the worker is the resultWatcher.

Submitting is one function call that writes the record and its message, one message per attempt.
`python -m benchmarks.peers.stanine` is the submitter, `python -m stanine.result_watcher` the worker.
"""

import hashlib
import os
import random
import uuid

import redis
import uvloop

from benchmarks.peers.submitter import Submitter
from benchmarks.peers.work import ITEMS, URL, answer
from stanine.broker import StreamsBroker
from stanine.broker.connection.clients import connect_async
from stanine.messages import SCORE_ATTEMPTS, Outbox
from stanine.store import load_library
from stanine.store.attempts import Attempts, Submission
from stanine.store.blocks import RUN_FIELD
from stanine.store.digests import key_space_digest
from stanine.store.durability import Writer
from stanine.store.keys import Keys
from stanine.store.records import RANDOM_BYTES, id_random, place

#: The code of a missing answer.
OMITTED = 255
_KEY_SPACE = key_space_digest("bench")


def codes_of(number: int, items: int = ITEMS) -> bytes:
    """Return the packed answers of attempt `number`: option value minus one."""
    answers = (answer(number, item) for item in range(items))
    return bytes(OMITTED if value is None else value - 1 for value in answers)


def submission(number: int, *, with_key: bool = False) -> Submission:
    """Return attempt `number` as the API passes it to the store; `with_key`: with a UUID as key."""
    chance = random.Random(number)
    codes = codes_of(number)
    return Submission(
        number=1,
        revision=1,
        codes=codes,
        content=hashlib.blake2b(codes, digest_size=16).digest(),
        id_random=id_random(chance.randbytes(RANDOM_BYTES)),
        key_space=_KEY_SPACE,
        key=str(uuid.UUID(int=chance.getrandbits(128), version=4)) if with_key else None,
    )


def attempts_of(url: str, keys: Keys) -> Attempts:
    """Return the store of a namespace."""
    client = connect_async(url)
    broker = StreamsBroker(url=url, namespace=keys.partition)
    outbox = Outbox(
        broker.ready_key(SCORE_ATTEMPTS.queue),
        broker.head(SCORE_ATTEMPTS.queue, SCORE_ATTEMPTS.actor),
    )
    return Attempts(client, Writer(client, load_library()), keys, outbox)


async def submit() -> None:
    """Run the submitter."""
    keys = Keys(os.environ["STANINE_NAMESPACE"])
    attempts = attempts_of(URL, keys)
    look = redis.Redis.from_url(URL)

    async def add(_number: int, one: Submission) -> None:
        await attempts.submit([one], ids_per_message=1)

    async def add_many(many: list[tuple[int, Submission]]) -> None:
        await attempts.submit([one for _, one in many], ids_per_message=1)

    def is_stored(number: int) -> bool:
        block, slot = place(
            number
        )  # this process is the only submitter, so `number` is the arrival number
        return any(look.hmget(keys.results(block), [RUN_FIELD, slot]))

    await Submitter(add, add_many, submission, is_stored).run()


if __name__ == "__main__":
    uvloop.run(submit())
