"""The bytes of an attempt and of a result as they lie in Redis, and of the ids that say where.

Called by every module of the store. Numbers are big-endian. Layouts:

    attempt   version 1 | instrument number 4 | revision answered 4 | arrived (ms) 6 | random 12 | number of items 2 | answers | tail
    answers   a byte an item, in the form's order
    tail      nothing, or MessagePack [caller's key, participant, attributes]
    result    kind 1 | engine version 2 | scoring revision 4 | the body (`stanine.domain.result`), or for a failure its reason as UTF-8

The function `submit` puts the time of arrival in, the server's own, so an attempt reaches it in two parts: before and after.
"""

import hmac
import struct
from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from stanine.messages import ATTEMPT_ID_BYTES
from stanine.store.errors import CorruptRecordError
from stanine.store.keys import BLOCK_SIZE

#: The layout of attempt records that this version writes and reads.
ATTEMPT_VERSION = 1
#: Random bytes of an attempt's id: 96 bits, so that nobody guesses one.
RANDOM_BYTES = 12
#: Bytes of an attempt's token.
TOKEN_BYTES = 16
#: What a result record is.
SCORED, FAILED = 1, 2

_START = struct.Struct(">BII")
_RECORD = struct.Struct(">BII6s12sH")
_RESULT = struct.Struct(">BHI")
_COUNT = struct.Struct(">H")

#: Bytes of an attempt record that say which scoring applies: its version, instrument and revision.
START_BYTES = _START.size


class Tail(msgspec.Struct, frozen=True, array_like=True):
    """What only some attempts have."""

    key: str | None = None
    participant: str | None = None
    attributes: Mapping[str, int | float | str] = {}


class StoredAttempt(msgspec.Struct, frozen=True):
    """An attempt as stored: whose, when, and its packed answers (a byte an item, in the form's order)."""

    id: bytes
    number: int
    revision: int
    submitted_at: int
    codes: bytes
    key: str | None = None
    participant: str | None = None
    attributes: Mapping[str, int | float | str] = {}


class StoredResult(msgspec.Struct, frozen=True):
    """A result as stored: scored (`body`), or failed with a reason."""

    kind: int
    engine: int
    scoring_revision: int
    body: bytes

    @property
    def failure(self) -> str | None:
        """The reason of a failed attempt."""
        return self.body.decode() if self.kind == FAILED else None


def place(arrival: int) -> tuple[int, int]:
    """Return the block and the slot of the attempt that arrived as number `arrival`, from 0."""
    return divmod(arrival, BLOCK_SIZE)


def arrival_of(attempt_id: bytes) -> int:
    """Return the arrival number in an attempt's id."""
    return int.from_bytes(attempt_id[RANDOM_BYTES:], "big")


def read_id(text: str) -> bytes | None:
    """Return the id that 32 lower-case hexadecimal digits stand for, or None for any other text."""
    if len(text) != 2 * ATTEMPT_ID_BYTES or text != text.lower():
        return None
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return None
    return data if len(data) == ATTEMPT_ID_BYTES else None


def token(secret: bytes, attempt_id: bytes) -> str:
    """Return the token that lets its bearer read one attempt's result: BLAKE2b of the id, keyed, of 128 bits, in hexadecimal.

    BLAKE2b is made to be keyed (RFC 7693) and takes a third of what HMAC-SHA256 takes, which every submission pays.
    """
    return blake2b(attempt_id, digest_size=TOKEN_BYTES, key=secret).hexdigest()


def attempt_parts(number: int, revision: int, random: bytes, codes: bytes, tail: bytes) -> tuple[bytes, bytes]:
    """Return an attempt's record in two parts: what stands before the time of arrival, and what stands after it."""
    return _START.pack(ATTEMPT_VERSION, number, revision), random + _COUNT.pack(len(codes)) + codes + tail


def encode_tail(key: str | None, participant: str | None, attributes: Mapping[str, int | float | str]) -> bytes:
    """Return the tail of an attempt's record: nothing for an attempt without key, participant and attributes."""
    if key is None and participant is None and not attributes:
        return b""
    return msgspec.msgpack.encode(Tail(key, participant, attributes))


def read_start(start: bytes) -> tuple[int, int]:
    """Return (instrument number, revision answered) from the first START_BYTES of an attempt record; CorruptRecordError if it is none."""
    try:
        version, number, revision = _START.unpack(start)
    except struct.error as error:
        raise CorruptRecordError("an attempt record is cut short") from error
    if version != ATTEMPT_VERSION:
        raise CorruptRecordError(f"an attempt record has layout {version}; this version reads layout {ATTEMPT_VERSION}")
    return number, revision


def read_attempt(record: bytes, attempt_id: bytes | int) -> StoredAttempt | None:
    """Read an attempt's record; None if it is another attempt's than the id says. CorruptRecordError if it is none.

    Given an arrival number instead of an id, whoever's it is.
    """
    try:
        version, number, revision, time, random, count = _RECORD.unpack_from(record)
        if version != ATTEMPT_VERSION:
            raise CorruptRecordError(f"an attempt record has layout {version}; this version reads layout {ATTEMPT_VERSION}")
        if isinstance(attempt_id, int):
            whole_id = random + attempt_id.to_bytes(ATTEMPT_ID_BYTES - RANDOM_BYTES, "big")
        elif hmac.compare_digest(random, attempt_id[:RANDOM_BYTES]):
            whole_id = attempt_id
        else:
            return None
        end = _RECORD.size + count
        codes = record[_RECORD.size : end]
        if len(codes) != count:
            raise CorruptRecordError("an attempt record is cut short")
        tail = msgspec.msgpack.decode(record[end:], type=Tail) if len(record) > end else Tail()
    except (struct.error, msgspec.MsgspecError) as error:
        raise CorruptRecordError("an attempt record cannot be read") from error
    return StoredAttempt(whole_id, number, revision, int.from_bytes(time, "big"), codes, tail.key, tail.participant, tail.attributes)


def arrived_at(record: bytes) -> int:
    """Return when an attempt arrived (ms since 1970, the server's clock)."""
    return int.from_bytes(record[START_BYTES : START_BYTES + 6], "big")


def random_of(record: bytes) -> bytes:
    """Return the random part of the id that an attempt's record belongs to."""
    return record[START_BYTES + 6 : START_BYTES + 6 + RANDOM_BYTES]


def answers_of(record: bytes) -> tuple[bytes, bytes]:
    """Return (packed answers, tail) of an attempt record: the scorer's short way past everything else."""
    end = _RECORD.size + int.from_bytes(record[_RECORD.size - 2 : _RECORD.size], "big")
    return record[_RECORD.size : end], record[end:]


def participant_of(tail: bytes) -> str | None:
    """Return the participant that a tail names."""
    try:
        return msgspec.msgpack.decode(tail, type=Tail).participant if tail else None
    except msgspec.MsgspecError as error:
        raise CorruptRecordError("the tail of an attempt record cannot be read") from error


def result_start(engine: int, scoring_revision: int) -> bytes:
    """Return what stands before the body of a scored result."""
    return _RESULT.pack(SCORED, engine, scoring_revision)


def failure_record(engine: int, reason: str) -> bytes:
    """Return the result record of an attempt that cannot be scored. The reason must not quote answers."""
    return _RESULT.pack(FAILED, engine, 0) + reason.encode()


def read_result(record: bytes) -> StoredResult:
    """Read a result's record; CorruptRecordError if it is none."""
    try:
        kind, engine, revision = _RESULT.unpack_from(record)
    except struct.error as error:
        raise CorruptRecordError("a result record is cut short") from error
    if kind not in {SCORED, FAILED}:
        raise CorruptRecordError(f"a result record is of the unknown kind {kind}")
    return StoredResult(kind, engine, revision, record[_RESULT.size :])
