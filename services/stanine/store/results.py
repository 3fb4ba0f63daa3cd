"""Load batches of attempts and commit their results. Used by the resultWatcher.

A load sends one HMGET per block; a commit is one function call.
"""

import os
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import redis

from stanine.broker.connection.functions import Argument, Library
from stanine.messages import ATTEMPT_ID_BYTES, Outbox
from stanine.store.blocks import WHOLE_BLOCK_FROM, fields_of, read_block, read_fields
from stanine.store.digests import FINGERPRINT_BYTES, participant_fingerprint
from stanine.store.errors import stale_views
from stanine.store.keys import BLOCK_SIZE, Keys
from stanine.store.records import RANDOM_BYTES, random_at
from stanine.store.result_layout import COMMIT_BYTES

#: Attempts per commit: it occupies the server for about a millisecond.
MAX_COMMITS = 1024

#: Arrival number of an id, in two parts, as a `struct` format.
_ARRIVAL = f"{RANDOM_BYTES}xBI"
#: Matches no id: it is longer.
_NOBODY = bytes(ATTEMPT_ID_BYTES + 1)
_LENGTH = struct.Struct(">I")
_PERSON = struct.Struct(f">H{FINGERPRINT_BYTES}s")


class Loaded(msgspec.Struct, frozen=True):
    """A batch of attempt records (None for missing attempts) and the index view at that moment."""

    records: list[bytes | None]
    view: str


class Results:
    """Loads attempts and commits results. `random` returns random bytes."""

    def __init__(
        self,
        client: "redis.Redis",
        library: Library,
        keys: Keys,
        outbox: Outbox,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._client: Any = client
        self._library = library
        self._keys = keys
        self._outbox = outbox
        self._random = random

    def new_commit(self) -> bytes:
        """Return the random bytes shared by the result records of one `commit` call."""
        return self._random(COMMIT_BYTES)

    def load(self, ids: Sequence[bytes]) -> Loaded:
        """Load attempt records by whole id, with the current index view.

        Not a transaction: if the server's data changes between the commands, `commit` rejects the view or finds other
        ids.
        """
        parts = struct.unpack(">" + _ARRIVAL * len(ids), b"".join(ids))
        arrivals = [high << 32 | low for high, low in zip(parts[::2], parts[1::2], strict=True)]
        blocks: dict[int, list[int]] = {}
        for index, arrival in enumerate(arrivals):
            indices = blocks.get(arrival // BLOCK_SIZE)
            if indices is None:
                blocks[arrival // BLOCK_SIZE] = [index]
            else:
                indices.append(index)
        pipeline = self._client.pipeline(transaction=False)
        pipeline.get(self._keys.index_change)
        slots = {
            block: [arrivals[index] % BLOCK_SIZE for index in indices]
            for block, indices in blocks.items()
        }
        for block in blocks:
            key = self._keys.attempts(block)
            if len(slots[block]) < WHOLE_BLOCK_FROM:
                pipeline.hmget(key, fields_of(slots[block]))
            else:
                pipeline.hgetall(key)
        view, *replies = pipeline.execute()
        records: list[bytes | None] = [None] * len(ids)
        for (block, indices), found in zip(blocks.items(), replies, strict=True):
            read: Any = read_block if isinstance(found, dict) else read_fields
            randoms, part = read(found, slots[block])
            for index, slot, record in zip(indices, slots[block], part, strict=True):
                if ids[index].startswith(random_at(randoms, slot) or _NOBODY):
                    records[index] = record or None  # empty: erased
        return Loaded(records, (view or b"").decode())

    def commit(
        self,
        number: int,
        ids: Sequence[bytes],
        results: Sequence[bytes],
        participants: Mapping[int, str],
        view: str,
        head: bytes = b"",
    ) -> int:
        """Commit results of one instrument's attempts, each only if none exists for its attempt.

        `head`: common prefix of the records; `results`: the rest of each. `participants`: by index in `ids`; `view`:
        the index view used for scoring. Returns the number of results committed. Raises StaleViewError if the view does
        not match the server's data; remaining results are not committed.
        """
        stamps = [attempt_id[RANDOM_BYTES:] for attempt_id in ids]
        if stamps != sorted(stamps):
            order = sorted(range(len(ids)), key=stamps.__getitem__)
            places = {index: place for place, index in enumerate(order)}
            participants = {
                places[index]: participant for index, participant in participants.items()
            }
            ids, results = [ids[index] for index in order], [results[index] for index in order]
        committed = 0
        for start in range(0, len(ids), MAX_COMMITS):
            stop = min(start + MAX_COMMITS, len(ids))
            part = results[start:stop]
            size = len(part[0])
            if len(set(map(len, part))) > 1:
                size, bodies = 0, b"".join([_LENGTH.pack(len(each)) + each for each in part])
            else:
                bodies = b"".join(part)
            arrivals = b"".join([attempt_id[RANDOM_BYTES:] for attempt_id in ids[start:stop]])
            randoms = b"".join([attempt_id[:RANDOM_BYTES] for attempt_id in ids[start:stop]])
            people = [
                _PERSON.pack(index - start + 1, participant_fingerprint(participant))
                for index, participant in sorted(participants.items())
                if start <= index < stop
            ]
            args: list[Argument] = [
                number,
                view,
                head,
                size,
                bodies,
                arrivals,
                randoms,
                b"".join(people),
            ]
            with stale_views():
                reply = self._library.call(
                    self._client, "commit_results", [self._keys.arrivals], args
                )
            committed += reply.count(b"1")
        return committed

    def requeue(self, ids: Sequence[bytes]) -> int:
        """Requeue attempts without a message, one message each, and record it.

        Return the number requeued.
        """
        queued = 0
        for start in range(0, len(ids), MAX_COMMITS):
            keys = [self._keys.arrivals, self._outbox.stream, self._keys.requeued]
            queued += self._library.call(
                self._client,
                "requeue",
                keys,
                [self._outbox.head, b"".join(ids[start : start + MAX_COMMITS])],
            )
        return queued
