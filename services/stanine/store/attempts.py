"""Attempts and their results as the API sees them: submitted in bulk, read one by one, listed in the order of commits.

Submitting is one function call for many attempts, which is idempotent by the caller's key; results are waited for on a channel
that `commit_results` publishes to, with a slow poll beside it because a channel promises nothing.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import redis.asyncio

from stanine.messages import ATTEMPT_ID_BYTES, Outbox
from stanine.store.durability import Writer
from stanine.store.errors import StoreError
from stanine.store.keys import Keys
from stanine.store.records import (
    StoredAttempt,
    StoredResult,
    arrival_of,
    attempt_parts,
    encode_tail,
    place,
    read_attempt,
    read_result,
)

#: Attempts in one call of `submit`: it holds the server for about a millisecond.
MAX_SUBMISSIONS = 1000
#: Attempt ids in one message of a bulk submission: few enough that a message which fails alone holds up little.
IDS_PER_MESSAGE = 64
#: Arrival numbers a chunk of the commit log and a page of a participant; `functions.lua` has the same.
CHUNK_SIZE, PAGE_SIZE = 4096, 256

_ARRIVAL_BYTES = 4
_NUMBER_AND_LENGTH = struct.Struct(">IH")
_LENGTH = struct.Struct(">I")
_ANSWER_BYTES = 1 + ATTEMPT_ID_BYTES
_OUTCOMES: dict[int, Literal["new", "repeated", "conflict", "gone"]] = {
    ord("N"): "new",
    ord("R"): "repeated",
    ord("C"): "conflict",
    ord("G"): "gone",
}


class Submission(msgspec.Struct, frozen=True):
    """One attempt to be stored: packed answers, and what makes a repeat of it known (`key` and `meaning`)."""

    number: int
    revision: int
    codes: bytes
    meaning: bytes
    id_random: bytes
    key: str | None = None
    participant: str | None = None
    attributes: Mapping[str, int | float | str] = {}


class Submitted(msgspec.Struct, frozen=True):
    """What became of a submission; with `conflict`, `id` is the attempt that its key stands for already; with `gone`, there is none.

    Gone: the instrument was removed since the caller looked at its index entry.
    """

    id: bytes
    outcome: Literal["new", "repeated", "conflict", "gone"]


class ListedResult(msgspec.Struct, frozen=True):
    """A result in a list, with its number in that list's order, from 1."""

    order: int
    attempt: StoredAttempt
    result: StoredResult


def submit_call(
    keys: Keys, outbox: Outbox, submissions: Sequence[Submission], trace: bytes, ids_per_message: int
) -> tuple[list[str], list[Any]]:
    """Return the KEYS and ARGV of the function `submit`."""
    if not 0 < len(submissions) <= MAX_SUBMISSIONS:
        raise StoreError(f"{len(submissions)} attempts in one call: 1 to {MAX_SUBMISSIONS} are allowed")
    packed: list[bytes] = []
    for one in submissions:
        start, rest = attempt_parts(
            one.number, one.revision, one.id_random, one.codes, encode_tail(one.key, one.participant, one.attributes)
        )
        key = one.key.encode() if one.key else b""
        packed += (_NUMBER_AND_LENGTH.pack(one.number, len(key)), key, one.meaning, one.id_random, start, _LENGTH.pack(len(rest)), rest)
    return [keys.arrivals, outbox.stream], [outbox.head, trace, ids_per_message, b"".join(packed)]


def read_submitted(reply: bytes) -> list[Submitted]:
    """Read the reply of the function `submit`."""
    return [Submitted(reply[start + 1 : start + _ANSWER_BYTES], _OUTCOMES[reply[start]]) for start in range(0, len(reply), _ANSWER_BYTES)]


class Attempts:
    """The attempts of one namespace, for asyncio."""

    def __init__(self, client: "redis.asyncio.Redis", writer: Writer, keys: Keys, outbox: Outbox) -> None:
        self._client: Any = client
        self._writer = writer
        self._keys = keys
        self._outbox = outbox

    async def submit(
        self, submissions: Sequence[Submission], *, trace: bytes = b"", ids_per_message: int = IDS_PER_MESSAGE
    ) -> list[Submitted]:
        """Store attempts and queue their scoring in one step; an attempt whose key is known is answered as before.

        Raises redis-py's errors where the outcome is unknown: sent again with the same keys, it adds nothing.
        """
        keys, args = submit_call(self._keys, self._outbox, submissions, trace, ids_per_message)
        return read_submitted(await self._writer.call("submit", keys, args))

    async def known(self, number: int, key: str, meaning: bytes) -> Submitted | None:
        """Return what a caller's key stands for already, without storing anything."""
        value = await self._client.hget(self._keys.caller_keys(number), key)
        if value is None:
            return None
        return Submitted(value[:ATTEMPT_ID_BYTES], "repeated" if value[ATTEMPT_ID_BYTES:] == meaning else "conflict")

    async def read(self, attempt_id: bytes) -> StoredAttempt | None:
        """Read an attempt; None if there is none with this id."""
        block, slot = place(arrival_of(attempt_id))
        record = await self._client.hget(self._keys.attempts(block), slot)
        return None if record is None else read_attempt(record, attempt_id)

    async def result(self, attempt_id: bytes) -> StoredResult | None:
        """Read an attempt's result; None if it has none yet. Whether the id is right is told by `read`."""
        block, slot = place(arrival_of(attempt_id))
        record = await self._client.hget(self._keys.results(block), slot)
        return None if record is None else read_result(record)

    async def read_with_result(self, attempt_id: bytes) -> tuple[StoredAttempt, StoredResult | None] | None:
        """Read an attempt and its result, if any, in one round trip; None if there is no such attempt."""
        arrival = arrival_of(attempt_id)
        listed = await self._load([arrival])
        attempt_record, result_record = listed[0]
        attempt = None if attempt_record is None else read_attempt(attempt_record, attempt_id)
        if attempt is None:
            return None
        return attempt, None if result_record is None else read_result(result_record)

    async def results(self, number: int, after: int, limit: int) -> list[ListedResult]:
        """List results of an instrument in commit order: at most `limit`, from the one numbered `after` + 1."""
        chunk, position = divmod(after, CHUNK_SIZE)
        packed = b""
        while len(packed) < limit * _ARRIVAL_BYTES:
            start = position * _ARRIVAL_BYTES
            stop = start + limit * _ARRIVAL_BYTES - len(packed) - 1
            part = await self._client.getrange(self._keys.commit_log(number, chunk), start, stop)
            packed += part
            if start + len(part) < CHUNK_SIZE * _ARRIVAL_BYTES:
                break
            chunk, position = chunk + 1, 0
        return await self._listed(packed, after)

    async def participant_results(self, participant: str, after: int, limit: int) -> list[ListedResult]:
        """List a participant's results, over all instruments, in the order in which they were committed."""
        newest = await self._client.hget(self._keys.participants, participant)
        if newest is None:
            return []
        last_page = int.from_bytes(newest[:4], "big")
        first_page, position = divmod(after, PAGE_SIZE)
        pages = range(first_page, min(last_page, first_page + limit // PAGE_SIZE + 1) + 1)
        fields = [f"{participant}\0{page}" for page in pages if page < last_page]
        full = await self._client.hmget(self._keys.participants, fields) if fields else []
        packed = b"".join(page or b"" for page in full)
        if last_page in pages:
            packed += newest[4:]
        start = position * _ARRIVAL_BYTES
        return await self._listed(packed[start : start + limit * _ARRIVAL_BYTES], after)

    async def _listed(self, packed: bytes, after: int) -> list[ListedResult]:
        arrivals = [int.from_bytes(packed[start : start + 4], "big") for start in range(0, len(packed), _ARRIVAL_BYTES)]
        listed = []
        for order, (arrival, (attempt, result)) in enumerate(zip(arrivals, await self._load(arrivals), strict=True), start=after + 1):
            stored = None if attempt is None else read_attempt(attempt, arrival)
            if stored is not None and result is not None:
                listed.append(ListedResult(order, stored, read_result(result)))
        return listed

    async def _load(self, arrivals: Iterable[int]) -> list[tuple[bytes | None, bytes | None]]:
        """Load the attempt and result records of arrival numbers, with one HMGET a block and kind."""
        places = [place(arrival) for arrival in arrivals]
        blocks: dict[int, list[int]] = {}
        for block, slot in places:
            blocks.setdefault(block, []).append(slot)
        pipeline = self._client.pipeline(transaction=False)
        for block, slots in blocks.items():
            pipeline.hmget(self._keys.attempts(block), slots)
            pipeline.hmget(self._keys.results(block), slots)
        replies = await pipeline.execute() if blocks else []
        found: dict[tuple[int, int], tuple[bytes | None, bytes | None]] = {}
        for index, (block, slots) in enumerate(blocks.items()):
            pairs = zip(replies[2 * index], replies[2 * index + 1], strict=True)
            found.update(((block, slot), pair) for slot, pair in zip(slots, pairs, strict=True))
        return [found[each] for each in places]
