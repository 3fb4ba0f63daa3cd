"""What the resultWatcher loads and commits: a batch of attempts with one HMGET a block, a batch of results with one function call."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import redis

from stanine.connection.library import Argument, Library
from stanine.messages import Outbox
from stanine.store.keys import BLOCK_SIZE, Keys
from stanine.store.records import RANDOM_BYTES, RANDOM_PLACE

#: Attempts in one commit: it holds the server for about a millisecond.
MAX_COMMITS = 1024

#: Of an id only the number of its arrival, in the notation of `struct`.
_ARRIVAL = f"{RANDOM_BYTES}xI"
_SLOTS = [b"%d" % slot for slot in range(BLOCK_SIZE)]
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
        arrivals = struct.unpack(">" + _ARRIVAL * len(ids), b"".join(ids))
        blocks: dict[int, list[int]] = {}
        for index, arrival in enumerate(arrivals):
            indices = blocks.get(arrival // BLOCK_SIZE)
            if indices is None:
                blocks[arrival // BLOCK_SIZE] = [index]
            else:
                indices.append(index)
        pipeline = self._client.pipeline(transaction=False)
        pipeline.get(self._keys.index_change)
        for block, indices in blocks.items():
            pipeline.hmget(self._keys.attempts(block), [_SLOTS[arrivals[index] % BLOCK_SIZE] for index in indices])
        change, *replies = pipeline.execute()
        records: list[bytes | None] = [None] * len(ids)
        for indices, found in zip(blocks.values(), replies, strict=True):
            for index, record in zip(indices, found, strict=True):
                if record is not None and ids[index].startswith(record[RANDOM_PLACE]):
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
            if len(set(map(len, part))) > 1:
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
