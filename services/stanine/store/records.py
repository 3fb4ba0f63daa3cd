"""The bytes of an attempt and of a result as they lie in Redis, and of the ids that say where.

Called by every module of the store. Numbers are big-endian. Layouts:

    attempt   layout 1 | instrument number 3 | revision answered 3 | arrived (ms) 6 | random 12 | number of items 1 or 2 | answers | tail
    answers   in the form's order. Layout 2: their number in 2, a byte an item. Layout 3, for the usual form of at most 255 items with at
              most 13 options each: their number in 1, half a byte an item, the first item in the upper half of the first byte
    tail      nothing, or MessagePack [caller's key, participant, attributes]
    result    kind 1 | engine version 2 | scoring revision 4 | the body (`stanine.domain.result`), or for a failure its reason as UTF-8

The function `submit` puts the time of arrival in, the server's own, so an attempt reaches it in two parts: before and after.
"""

import hmac
import struct
from binascii import hexlify, unhexlify
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import msgspec

from stanine.messages import ATTEMPT_ID_BYTES
from stanine.store.errors import CorruptRecordError
from stanine.store.keys import BLOCK_SIZE

#: The layouts of attempt records: answers in bytes, or in halves of bytes. Layout 1 was never released.
WHOLES, HALVES = 2, 3
#: Random bytes of an attempt's id: 96 bits, so that nobody guesses one.
RANDOM_BYTES = 12
#: Bytes of an attempt's token.
TOKEN_BYTES = 16
#: What a result record is.
SCORED, FAILED = 1, 2

_START = struct.Struct(">B3s3s")
_RECORD = struct.Struct(">B3s3s6s12s")
_RESULT = struct.Struct(">BHI")
_COUNT = struct.Struct(">H")

#: Bytes of an attempt record that say which scoring applies, and how its answers are packed: its layout, instrument and revision.
START_BYTES = _START.size

#: Where an attempt record has the random part of its id: after its time.
RANDOM_PLACE = slice(START_BYTES + 6, START_BYTES + 6 + RANDOM_BYTES)

#: Codes that half a byte holds: the first 13 options, and the three codes of what is no answer; of each the digit that it is packed as.
_HALF_CODES = bytes([*range(13), 253, 254, 255])
_DIGITS = b"0123456789abcdef"
_TO_DIGITS, _TO_CODES = bytes.maketrans(_HALF_CODES, _DIGITS), bytes.maketrans(_DIGITS, _HALF_CODES)
#: Items that their number in one byte, and in two, allows.
_HALVES_LIMIT, _WHOLES_LIMIT = 255, 65535
_HALVES_BYTE = bytes([HALVES])


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
    count = len(codes)
    if count <= _HALVES_LIMIT and not codes.translate(None, _HALF_CODES):
        layout, packed = HALVES, b"%c%b" % (count, unhexlify(codes.translate(_TO_DIGITS) + b"0" * (count % 2)))
    else:
        layout, packed = WHOLES, _COUNT.pack(count) + codes
    return _START.pack(layout, number.to_bytes(3, "big"), revision.to_bytes(3, "big")), random + packed + tail


def encode_tail(key: str | None, participant: str | None, attributes: Mapping[str, int | float | str]) -> bytes:
    """Return the tail of an attempt's record: nothing for an attempt without key, participant and attributes."""
    if key is None and participant is None and not attributes:
        return b""
    return msgspec.msgpack.encode(Tail(key, participant, attributes))


def read_start(start: bytes) -> tuple[int, int]:
    """Return (instrument number, revision answered) from the first START_BYTES of an attempt record; CorruptRecordError if it is none."""
    try:
        layout, number, revision = _START.unpack(start)
    except struct.error as error:
        raise CorruptRecordError("an attempt record is cut short") from error
    _check_layout(layout)
    return int.from_bytes(number, "big"), int.from_bytes(revision, "big")


def read_attempt(record: bytes, attempt_id: bytes | int) -> StoredAttempt | None:
    """Read an attempt's record; None if it is another attempt's than the id says. CorruptRecordError if it is none.

    Given an arrival number instead of an id, whoever's it is.
    """
    try:
        layout, number, revision, time, random = _RECORD.unpack_from(record)
        _check_layout(layout)
        if isinstance(attempt_id, int):
            whole_id = random + attempt_id.to_bytes(ATTEMPT_ID_BYTES - RANDOM_BYTES, "big")
        elif hmac.compare_digest(random, attempt_id[:RANDOM_BYTES]):
            whole_id = attempt_id
        else:
            return None
        count, packed, rest = answers_of(record)
        codes = unpack_answers(layout, packed)[:count]
        if len(codes) != count:
            raise CorruptRecordError("an attempt record is cut short")
        tail = msgspec.msgpack.decode(rest, type=Tail) if rest else Tail()
    except (struct.error, msgspec.MsgspecError) as error:
        raise CorruptRecordError("an attempt record cannot be read") from error
    return StoredAttempt(
        whole_id,
        int.from_bytes(number, "big"),
        int.from_bytes(revision, "big"),
        int.from_bytes(time, "big"),
        codes,
        tail.key,
        tail.participant,
        tail.attributes,
    )


def arrived_at(record: bytes) -> int:
    """Return when an attempt arrived (ms since 1970, the server's clock)."""
    return int.from_bytes(record[START_BYTES : START_BYTES + 6], "big")


def random_of(record: bytes) -> bytes:
    """Return the random part of the id that an attempt's record belongs to."""
    return record[RANDOM_PLACE]


def answers_of(record: bytes) -> tuple[int, bytes, bytes]:
    """Return (number of items, packed answers, tail) of an attempt record: the scorer's short way past everything else.

    Of a record that is cut short the answers are fewer than `packed_size` says; -1 if it does not even say how many there are.
    """
    halves = record[:1] == _HALVES_BYTE
    start = _RECORD.size + (1 if halves else 2)
    if len(record) < start:
        return -1, b"", b""
    count = int.from_bytes(record[_RECORD.size : start], "big")
    end = start + ((count + 1) // 2 if halves else count)
    return count, record[start:end], record[end:]


def plain_answers(records: Sequence[bytes], items: int) -> bytes | None:
    """Return the packed answers of several attempt records of one layout, if each has just `items` answers and no tail; else None."""
    layout = records[0][0]
    width, limit = (1, _HALVES_LIMIT) if layout == HALVES else (2, _WHOLES_LIMIT)
    head = _RECORD.size + width
    if items > limit or set(map(len, records)) != {head + packed_size(layout, items)}:
        return None
    announced = items.to_bytes(width, "big")
    if any(record[_RECORD.size : head] != announced for record in records):
        return None
    return b"".join([record[head:] for record in records])


def packed_size(layout: int, items: int) -> int:
    """Return the bytes that the answers to so many items take."""
    return (items + 1) // 2 if layout == HALVES else items


def unpack_answers(layout: int, packed: bytes) -> bytes:
    """Return the codes of packed answers, of one attempt or several; in halves an odd number of items leaves one code too many each."""
    return hexlify(packed).translate(_TO_CODES) if layout == HALVES else packed


def _check_layout(layout: int) -> None:
    if layout not in (WHOLES, HALVES):
        raise CorruptRecordError(f"an attempt record has layout {layout}; this version reads layouts {WHOLES} and {HALVES}")


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
