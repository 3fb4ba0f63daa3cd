"""What the resultWatcher loads and commits: a batch of attempts with one HMGET a block, a batch of results with one function call."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import redis

from stanine.connection.library import Argument, Library
from stanine.messages import Outbox
from stanine.store.keys import BLOCK_SIZE, Keys
from stanine.store.records import RANDOM_BYTES, random_of

#: Attempts in one commit: it holds the server for about a millisecond.
MAX_COMMITS = 1024

_LENGTH = struct.Struct(">I")
_PLACE_AND_LENGTH = struct.Struct(">IH")


class Loaded(msgspec.Struct, frozen=True):
    """A batch of attempt records (None where there is no such attempt), and the number of the index's last change at that moment."""

    records: list[bytes | None]
    index_change: int


class Results:
    """Loading attempts and committing their results."""

    def __init__(self, client: "redis.Redis", library: Library, keys: Keys, outbox: Outbox) -> None:
        self._client: Any = client
        self._library = library
        self._keys = keys
        self._outbox = outbox

    def load(self, ids: Sequence[bytes]) -> Loaded:
        """Load the records of attempts, each only if it is the one that its id means."""
        blocks: dict[int, tuple[list[int], list[int]]] = {}
        for index, attempt_id in enumerate(ids):
            arrival = int.from_bytes(attempt_id[RANDOM_BYTES:], "big")
            block = arrival // BLOCK_SIZE
            places = blocks.get(block)
            if places is None:
                places = blocks[block] = ([], [])
            places[0].append(index)
            places[1].append(arrival % BLOCK_SIZE)
        pipeline = self._client.pipeline(transaction=False)
        pipeline.get(self._keys.index_change)
        for block, (_, slots) in blocks.items():
            pipeline.hmget(self._keys.attempts(block), slots)
        change, *replies = pipeline.execute()
        records: list[bytes | None] = [None] * len(ids)
        for (indices, _), found in zip(blocks.values(), replies, strict=True):
            for index, record in zip(indices, found, strict=True):
                if record is not None and random_of(record) == ids[index][:RANDOM_BYTES]:
                    records[index] = record
        return Loaded(records, int(change or 0))

    def commit(self, number: int, ids: Sequence[bytes], results: Sequence[bytes], participants: Mapping[int, str]) -> int:
        """Commit the result records of attempts of one instrument, each only if the attempt has none yet.

        `participants` gives, by place in `ids`, whose results these are. Returns how many were committed now.
        """
        committed = 0
        for start in range(0, len(ids), MAX_COMMITS):
            stop = min(start + MAX_COMMITS, len(ids))
            part = results[start:stop]
            size = len(part[0])
            if any(len(each) != size for each in part):
                size, bodies = 0, b"".join([_LENGTH.pack(len(each)) + each for each in part])
            else:
                bodies = b"".join(part)
            arrivals = b"".join([attempt_id[RANDOM_BYTES:] for attempt_id in ids[start:stop]])
            whose = [
                _PLACE_AND_LENGTH.pack(index - start + 1, len(name := participant.encode())) + name
                for index, participant in participants.items()
                if start <= index < stop
            ]
            args: list[Argument] = [number, arrivals, size, bodies, b"".join(whose)]
            reply = self._library.call(self._client, "commit_results", [self._keys.arrivals], args)
            committed += reply.count(b"1")
        return committed

    def requeue(self, ids: Sequence[bytes]) -> None:
        """Queue attempts again that no message asks for, one message each, and remember that."""
        for start in range(0, len(ids), MAX_COMMITS):
            keys = [self._keys.arrivals, self._outbox.stream, self._keys.requeued]
            self._library.call(self._client, "requeue", keys, [self._outbox.head, b"".join(ids[start : start + MAX_COMMITS])])
