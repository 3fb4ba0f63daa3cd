"""Submissions, results and data of the server, for the tests of attempts."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from tests.integration.stores import Store

from stanine.store.attempts import Submission
from stanine.store.blocks import block_records
from stanine.store.digests import key_space_digest
from stanine.store.keys import BLOCK_SIZE
from stanine.store.records import RANDOM_BYTES, id_random
from stanine.store.result_layout import result_start

SPACE, OTHER_SPACE = key_space_digest("ward"), key_space_digest("clinic")
CONTENT, OTHER_CONTENT = b"m" * 16, b"n" * 16
#: A commit, and a scored result of it.
COMMIT = b"comm"
RESULT = result_start(1, 1, COMMIT) + b"body"


def submission(
    key: str | None = None,
    *,
    content: bytes = CONTENT,
    number: int = 1,
    participant: str | None = None,
    key_space: bytes = SPACE,
    view: str = "",
) -> Submission:
    random = id_random(secrets.token_bytes(RANDOM_BYTES))
    return Submission(
        number, 1, b"\x00\x01\x02", content, random, view, key_space, key, participant
    )


def submissions(count: int, **options: Any) -> list[Submission]:
    return [submission(f"k{n}", **options) for n in range(count)]


def submit(store: Store, *many: Submission) -> list[bytes]:
    """Submit attempts; return their ids."""
    return [each.id for each in store.submit(*many)]


def commit(
    store: Store,
    ids: Sequence[bytes],
    results: Sequence[bytes] | None = None,
    participants: Mapping[int, str] | None = None,
    *,
    number: int = 1,
    view: str = "",
) -> int:
    """Commit results, RESULT by default; return the number committed."""
    return store.results.commit(
        number, ids, results or [RESULT] * len(ids), participants or {}, view
    )


def stored_results(store: Store, blocks: int) -> dict[int, bytes]:
    """Return the result records of the first blocks by arrival number."""
    return {
        block * BLOCK_SIZE + slot: record
        for block in range(blocks)
        for slot, record in block_records(store.client.hgetall(store.keys.results(block))).items()
    }


def everything(store: Store) -> dict[bytes, bytes]:
    """Return the whole content of the server by key, as DUMP."""
    keys = sorted(store.client.keys("*"))
    return {key: store.client.dump(key) for key in keys}


def content(store: Store) -> bytes:
    """Return all values of the server, uncompressed."""
    client, found = store.client, []
    for key in client.scan_iter(count=1000):
        match client.type(key):
            case b"hash":
                found += [part for pair in client.hgetall(key).items() for part in pair]
            case b"string":
                found.append(client.get(key))
            case b"set":
                found += client.smembers(key)
            case b"stream":
                for entry_id, fields in client.xrange(key):
                    found += [entry_id, *(part for pair in fields.items() for part in pair)]
            case _:
                found += client.zrange(key, 0, -1)
    return b"\n".join(found)
