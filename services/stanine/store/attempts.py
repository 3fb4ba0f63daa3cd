"""Submit attempts and find them by callers' keys. Used by the API.

One function call submits many attempts and is idempotent by the callers' keys.
"""

import itertools
import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import msgspec
import redis.asyncio

from stanine.messages import ATTEMPT_ID_BYTES, Outbox
from stanine.store.digests import (
    CONTENT_BYTES,
    FINGERPRINT_BYTES,
    key_fingerprint,
    key_scope,
    participant_fingerprint,
)
from stanine.store.durability import Writer
from stanine.store.errors import StoreError, stale_views
from stanine.store.keys import Keys
from stanine.store.records import (
    ARRIVAL_BYTES,
    WITHOUT_KEY,
    attempt_record,
    encode_extras,
    encode_key,
)

#: Attempts per `submit` call: it occupies the server for about a millisecond.
MAX_SUBMISSIONS = 1000
#: Attempt ids per message of a bulk submission: a poison message delays only these.
IDS_PER_MESSAGE = 64

#: Placeholder for the fingerprint and content digest of an attempt without a key.
_NO_KEY = bytes(FINGERPRINT_BYTES + CONTENT_BYTES)
_RUN = struct.Struct(">IH")
_END = struct.Struct(">I")
_PERSON = struct.Struct(f">H{FINGERPRINT_BYTES}s")
_OUTCOMES: dict[int, Literal["new", "repeated", "conflict", "erased", "gone"]] = {
    ord("N"): "new",
    ord("R"): "repeated",
    ord("C"): "conflict",
    ord("E"): "erased",
    ord("G"): "gone",
}


#: Shared by all submissions without attributes; a default `{}` would be one more object per line.
_NO_ATTRIBUTES: Mapping[str, int | float | str] = MappingProxyType({})


class Submission(msgspec.Struct, frozen=True, gc=False):
    """An attempt to store: packed answers and its idempotency (`key_space`, `key`, `content`).

    `key_space` is the digest of the caller's key space; `view` is the index view used for validation.
    """

    number: int
    revision: int
    codes: bytes
    content: bytes
    id_random: bytes
    view: str = ""
    key_space: bytes = b""
    key: str | None = None
    participant: str | None = None
    attributes: Mapping[str, int | float | str] = _NO_ATTRIBUTES
    language: str | None = None
    seconds: float | None = None


class Submitted(msgspec.Struct, frozen=True, gc=False):
    """Result of a submission.

    `id` is the existing attempt for `repeated` and `conflict`, and empty for `gone` (the instrument was removed) and
    `erased` (the key's attempt was erased).
    """

    id: bytes
    outcome: Literal["new", "repeated", "conflict", "erased", "gone"]


def submit_call(
    keys: Keys,
    outbox: Outbox,
    submissions: Sequence[Submission],
    trace: bytes,
    ids_per_message: int,
) -> tuple[list[str], list[Any]]:
    """Return the KEYS and ARGV of the function `submit`."""
    if not 0 < len(submissions) <= MAX_SUBMISSIONS:
        raise StoreError(
            f"{len(submissions)} attempts in one call: 1 to {MAX_SUBMISSIONS} are allowed"
        )
    records: list[bytes] = []
    entries: list[bytes] = []
    people: list[bytes] = []
    once, has_keys = b"", False
    scope_of, scope = (b"", -1), b""
    for index, one in enumerate(submissions, start=1):
        if one.key is None:
            key = WITHOUT_KEY
            entries.append(_NO_KEY)
            once = once or one.id_random
        else:
            if scope_of != (one.key_space, one.number):
                scope_of = one.key_space, one.number
                scope = key_scope(*scope_of)
            text = one.key.encode()
            key, has_keys = encode_key(one.key_space, text), True
            entries.append(key_fingerprint(scope, text) + one.content[:CONTENT_BYTES])
        extras = encode_extras(one.participant, one.attributes, one.language, one.seconds)
        if one.participant is not None:
            people.append(_PERSON.pack(index, participant_fingerprint(one.participant)))
        records.append(attempt_record(one.number, one.revision, one.codes, extras, key))
    runs = [
        _RUN.pack(number, len(list(run)))
        for number, run in itertools.groupby([one.number for one in submissions])
    ]
    views = ",".join(sorted({one.view for one in submissions} - {""}))
    randoms = b"".join([one.id_random for one in submissions])
    named = b"".join(entries) if has_keys else b""
    head = [
        outbox.head,
        trace,
        ids_per_message,
        views,
        b"".join(runs),
        named,
        b"".join(people),
        once.hex(),
        randoms,
    ]
    size = len(records[0])
    ends = (
        b""
        if set(map(len, records)) == {size}
        else b"".join(map(_END.pack, itertools.accumulate(map(len, records))))
    )
    body = [size, b"".join(records), ends]
    return [keys.arrivals, outbox.stream], head + body


def read_submitted(submissions: Sequence[Submission], reply: bytes) -> list[Submitted]:
    """Parse the reply of the function `submit`."""
    arrival = int.from_bytes(reply[:ARRIVAL_BYTES], "big")
    if len(reply) == ARRIVAL_BYTES:
        return [
            Submitted(one.id_random + (arrival + index).to_bytes(ARRIVAL_BYTES, "big"), "new")
            for index, one in enumerate(submissions)
        ]
    outcomes = reply[ARRIVAL_BYTES : ARRIVAL_BYTES + len(submissions)]
    place = ARRIVAL_BYTES + len(submissions)
    found = []
    for one, code in zip(submissions, outcomes, strict=True):
        outcome = _OUTCOMES[code]
        if outcome == "new":
            found.append(Submitted(one.id_random + arrival.to_bytes(ARRIVAL_BYTES, "big"), outcome))
            arrival += 1
        elif outcome in ("gone", "erased"):
            found.append(Submitted(b"", outcome))
        else:
            found.append(Submitted(reply[place : place + ATTEMPT_ID_BYTES], outcome))
            place += ATTEMPT_ID_BYTES
    return found


class Attempts:
    """The attempts of one namespace, for asyncio."""

    def __init__(
        self, client: "redis.asyncio.Redis", writer: Writer, keys: Keys, outbox: Outbox
    ) -> None:
        self._client = client
        self._writer = writer
        self._keys = keys
        self._outbox = outbox

    async def submit(
        self,
        submissions: Sequence[Submission],
        *,
        trace: bytes = b"",
        ids_per_message: int = IDS_PER_MESSAGE,
    ) -> list[Submitted]:
        """Store attempts and queue their scoring atomically.

        A known key returns the existing attempt.
        Raises StaleViewError if a view does not match the server's data; nothing is stored then. Raises redis-py's
        errors if the outcome is unknown; a retry with the same keys is idempotent.
        """
        keys, args = submit_call(self._keys, self._outbox, submissions, trace, ids_per_message)
        with stale_views():
            reply = await self._writer.call("submit", keys, args)
        return read_submitted(submissions, reply)

    async def known(
        self, number: int, key_space: bytes, key: str, content: bytes
    ) -> Submitted | None:
        """Return the existing attempt of a caller's key, without storing anything."""
        text = key.encode()
        record = attempt_record(number, 0, b"", key=encode_key(key_space, text))
        args = [
            key_fingerprint(key_scope(key_space, number), text) + content[:CONTENT_BYTES],
            record,
        ]
        reply: bytes = await self._writer.read("find_key", [self._keys.arrivals], args)
        return Submitted(reply[1:], _OUTCOMES[reply[0]]) if reply else None
