"""Layout of attempt records in Redis, and of the ids that locate them.

Called by every module of the store. Numbers are big-endian. Layouts:

    id        random 11 (the low half of the first byte is the partition) | arrival 5: 4 + 84 + 40 bits
    attempt   arrived (ms) 6 | layout 1 | instrument number 3 | revision answered 3 | items 1 or 2 | answers | extras | key
    layout    low half: WHOLES or HALVES; 16 x what the key is (none, text, UUID); 64: there are extras
    answers   in the form's order. WHOLES: the number of items in 2, a byte an item. HALVES, for the usual form of at most 255 items with at
              most 13 options each: the number in 1, half a byte an item, the first item in the upper half of the first byte
    extras    MessagePack [participant, attributes]; with language or seconds [participant, attributes, language, seconds]
    key       digest of its key space 8 | as text: the key, its length less one in 1; as a UUID in its usual notation: 16
    erased    the empty record; its result is of the kind ERASED
    result    see `result_layout`

The function `submit` prepends the arrival time by the server's clock. The constants are inserted into the functions'
source.
"""

import hmac
import struct
import uuid
from binascii import hexlify, unhexlify
from collections.abc import Mapping, Sequence

import msgspec

from stanine.messages import ATTEMPT_ID_BYTES
from stanine.store.digests import KEY_SPACE_BYTES
from stanine.store.errors import CorruptRecordError
from stanine.store.keys import BLOCK_SIZE

#: Packing of the answers: one byte or half a byte per item. Smaller numbers were never released.
WHOLES, HALVES = 4, 5
#: Kind of an attempt's key, times KEY_KIND_STEP in the layout byte.
NO_KEY, KEY_TEXT, KEY_UUID = 0, 1, 2
KEY_KIND_STEP = 16
#: Flag in the layout byte: extras exist.
EXTRAS = 64
#: Bytes of an id: random part, then arrival number.
RANDOM_BYTES, ARRIVAL_BYTES = 11, 5
#: Bytes of the arrival time.
TIME_BYTES = 6

_START = struct.Struct(">B3s3s")
_RECORD = struct.Struct(f">{TIME_BYTES}sB3s3s")
_COUNT = struct.Struct(">H")

#: Bytes that select the scoring and the packing: layout, instrument and revision.
START_BYTES = _START.size

#: Their position in an attempt's record.
START_PLACE = slice(TIME_BYTES, TIME_BYTES + START_BYTES)

#: Codes that fit half a byte, by their packed digit: the first 13 options and the three codes of missing answers.
_HALF_CODES = bytes([*range(13), 253, 254, 255])
_DIGITS = b"0123456789abcdef"
_TO_DIGITS, _TO_CODES = bytes.maketrans(_HALF_CODES, _DIGITS), bytes.maketrans(_DIGITS, _HALF_CODES)
#: Maximum number of items for a count in one byte and in two bytes.
_HALVES_LIMIT, _WHOLES_LIMIT = 255, 65535
_UUID_LENGTH, _UUID_BYTES = 36, 16


#: Result of `encode_key` without a key.
WITHOUT_KEY = NO_KEY, b""


class Extras(msgspec.Struct, frozen=True, array_like=True):
    """Optional fields of an attempt."""

    participant: str | None = None
    attributes: Mapping[str, int | float | str] = {}
    language: str | None = None
    seconds: int | float | None = None


class StoredAttempt(msgspec.Struct, frozen=True):
    """An attempt as stored, with its packed answers (one byte per item, in the form's order)."""

    id: bytes
    number: int
    revision: int
    submitted_at: int
    codes: bytes
    key: str | None = None
    participant: str | None = None
    attributes: Mapping[str, int | float | str] = {}
    #: Digest of the key's space; empty without a key.
    key_space: bytes = b""
    #: The language that it was answered in, and the seconds that it took.
    language: str | None = None
    seconds: int | float | None = None


def place(arrival: int) -> tuple[int, int]:
    """Return the block and slot of an arrival number (from 0)."""
    return divmod(arrival, BLOCK_SIZE)


def arrival_of(attempt_id: bytes) -> int:
    """Return the arrival number of an id."""
    return int.from_bytes(attempt_id[RANDOM_BYTES:], "big")


def id_random(random: bytes, partition: int = 0) -> bytes:
    """Return the random part of an id, from RANDOM_BYTES random bytes.

    The low half of the first byte is replaced by the partition.
    """
    return bytes([random[0] & 0xF0 | partition]) + random[1:]


def read_id(text: str) -> bytes | None:
    """Parse an id of 32 lower-case hexadecimal digits; return None for any other text."""
    if len(text) != 2 * ATTEMPT_ID_BYTES or text != text.lower():
        return None
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return None
    return data if len(data) == ATTEMPT_ID_BYTES else None


def encode_key(key_space: bytes, key: bytes) -> tuple[int, bytes]:
    """Return the kind of a key and its bytes in a record."""
    if len(key) == _UUID_LENGTH and key[8:24:5] == b"----":
        digits = key.replace(b"-", b"")
        try:
            packed = unhexlify(digits)
        except ValueError:
            pass
        else:
            if (
                len(packed) == _UUID_BYTES and hexlify(packed) == digits
            ):  # the usual notation: lower case
                return KEY_UUID, key_space + packed
    return KEY_TEXT, b"%b%b%c" % (key_space, key, len(key) - 1)


def encode_extras(
    participant: str | None,
    attributes: Mapping[str, int | float | str],
    language: str | None = None,
    seconds: float | None = None,
) -> bytes:
    """Return the extras of an attempt's record: nothing for an attempt that has none of them."""
    if language is not None or seconds is not None:
        return msgspec.msgpack.encode(Extras(participant, dict(attributes), language, seconds))
    if participant is None and not attributes:
        return b""
    return msgspec.msgpack.encode((participant, dict(attributes)))


def attempt_record(
    number: int,
    revision: int,
    codes: bytes,
    extras: bytes = b"",
    key: tuple[int, bytes] = WITHOUT_KEY,
) -> bytes:
    """Return an attempt's record without its arrival time. `key`: the result of `encode_key`."""
    count = len(codes)
    if count <= _HALVES_LIMIT and not codes.translate(None, _HALF_CODES):
        layout, packed = (
            HALVES,
            b"%c%b" % (count, unhexlify(codes.translate(_TO_DIGITS) + b"0" * (count % 2))),
        )
    else:
        layout, packed = WHOLES, _COUNT.pack(count) + codes
    layout += key[0] * KEY_KIND_STEP + (EXTRAS if extras else 0)
    return b"%c%b%b%b%b%b" % (
        layout,
        number.to_bytes(3, "big"),
        revision.to_bytes(3, "big"),
        packed,
        extras,
        key[1],
    )


def read_start(start: bytes) -> tuple[int, int]:
    """Return (instrument number, revision) from the START_BYTES of a record.

    Raise CorruptRecordError.
    """
    try:
        layout, number, revision = _START.unpack(start)
    except struct.error as error:
        raise CorruptRecordError("an attempt record is cut short") from error
    _check_layout(layout)
    return int.from_bytes(number, "big"), int.from_bytes(revision, "big")


def random_at(ids: bytes | None, arrival: int) -> bytes:
    """Return the random part of the id of an attempt; `ids`: those of its block."""
    start = arrival % BLOCK_SIZE * RANDOM_BYTES
    return (ids or b"")[start : start + RANDOM_BYTES]


def is_at(ids: bytes | None, attempt_id: bytes) -> bool:
    """Return whether a block contains the attempt with this id.

    `ids`: the random parts of the block's ids.
    """
    return hmac.compare_digest(random_at(ids, arrival_of(attempt_id)), attempt_id[:RANDOM_BYTES])


def read_attempt(record: bytes, attempt_id: bytes) -> StoredAttempt:
    """Parse an attempt's record; raise CorruptRecordError."""
    try:
        time, layout, number, revision = _RECORD.unpack_from(record)
        _check_layout(layout)
        count, packed, rest = answers_of(record)
        codes = unpack_answers(layout, packed)[:count]
        if len(codes) != count:
            raise CorruptRecordError("an attempt record is cut short")
        key, size = _read_key(layout, rest)
        if not layout & EXTRAS and size != len(rest):
            raise CorruptRecordError("an attempt record does not end with its key")
        extras = (
            msgspec.msgpack.decode(rest[: len(rest) - size], type=Extras)
            if layout & EXTRAS
            else Extras()
        )
    except (struct.error, IndexError, ValueError, msgspec.MsgspecError) as error:
        raise CorruptRecordError("an attempt record cannot be read") from error
    return StoredAttempt(
        attempt_id,
        int.from_bytes(number, "big"),
        int.from_bytes(revision, "big"),
        int.from_bytes(time, "big"),
        codes,
        key,
        extras.participant,
        extras.attributes,
        rest[len(rest) - size :][:KEY_SPACE_BYTES] if size else b"",
        extras.language,
        extras.seconds,
    )


def arrived_at(record: bytes) -> int:
    """Return when an attempt arrived (ms since 1970, by the server's clock)."""
    return int.from_bytes(record[:TIME_BYTES], "big")


def answers_of(record: bytes) -> tuple[int, bytes, bytes]:
    """Return (number of items, packed answers, remainder) of an attempt record.

    In a truncated record the answers are shorter than `packed_size`; the number of items is -1 if it is missing.
    """
    halves = is_halves(record[TIME_BYTES]) if len(record) > TIME_BYTES else True
    start = _RECORD.size + (1 if halves else 2)
    if len(record) < start:
        return -1, b"", b""
    count = int.from_bytes(record[_RECORD.size : start], "big")
    end = start + ((count + 1) // 2 if halves else count)
    return count, record[start:end], record[end:]


def plain_answers(records: Sequence[bytes], items: int) -> bytes | None:
    """Return the packed answers of attempt records with a common start.

    None unless each record has exactly `items` answers and no extras.
    """
    layout = records[0][TIME_BYTES]
    halves, kind = is_halves(layout), layout // KEY_KIND_STEP % 4
    width, limit = (1, _HALVES_LIMIT) if halves else (2, _WHOLES_LIMIT)
    head = _RECORD.size + width
    end = head + packed_size(layout, items)
    if items > limit or layout & EXTRAS:
        return None
    if kind == KEY_TEXT:
        whole = all(
            len(record) > end and len(record) == end + KEY_SPACE_BYTES + record[-1] + 2
            for record in records
        )
    else:
        whole = set(map(len, records)) == {
            end + (KEY_SPACE_BYTES + _UUID_BYTES if kind == KEY_UUID else 0)
        }
    announced = items.to_bytes(width, "big")
    if not whole or any(record[_RECORD.size : head] != announced for record in records):
        return None
    return b"".join([record[head:end] for record in records])


def is_halves(layout: int) -> bool:
    """Return whether the answers of a record with this layout byte take half a byte each."""
    return layout % KEY_KIND_STEP == HALVES


def packed_size(layout: int, items: int) -> int:
    """Return the bytes of a number of packed answers."""
    return (items + 1) // 2 if is_halves(layout) else items


def unpack_answers(layout: int, packed: bytes) -> bytes:
    """Return the codes of packed answers, of one or several attempts.

    In halves an odd number of items yields one surplus code each.
    """
    return hexlify(packed).translate(_TO_CODES) if is_halves(layout) else packed


def _check_layout(layout: int) -> None:
    if layout % KEY_KIND_STEP not in (WHOLES, HALVES):
        raise CorruptRecordError(
            f"an attempt record has layout {layout % KEY_KIND_STEP}; this version reads layouts {WHOLES} and {HALVES}"
        )


def _read_key(layout: int, rest: bytes) -> tuple[str | None, int]:
    """Return the key at the end of a record's remainder, and the bytes that it takes."""
    kind = layout // KEY_KIND_STEP % 4
    if kind == NO_KEY:
        return None, 0
    length = _UUID_BYTES if kind == KEY_UUID else rest[-1] + 2
    if KEY_SPACE_BYTES + length > len(rest):
        raise CorruptRecordError("an attempt record does not end with its key")
    key = rest[-length:]
    return str(uuid.UUID(bytes=key)) if kind == KEY_UUID else key[
        :-1
    ].decode(), KEY_SPACE_BYTES + length


def participant_of(layout: int, rest: bytes) -> str | None:
    """Return the participant in a record's remainder; raise CorruptRecordError."""
    if not layout & EXTRAS:
        return None
    try:
        _, size = _read_key(layout, rest)
        return msgspec.msgpack.decode(rest[: len(rest) - size], type=Extras).participant
    except (IndexError, ValueError, msgspec.MsgspecError) as error:
        raise CorruptRecordError("the extras of an attempt record cannot be read") from error


def number_of_record(record: bytes) -> int:
    """Return the instrument number of an attempt's record.

    0, never assigned, if it is unreadable.
    """
    try:
        return read_start(record[START_PLACE])[0]
    except CorruptRecordError:
        return 0


def participant_of_record(record: bytes) -> str | None:
    """Return the participant of an attempt's record; None also if it is unreadable."""
    try:
        return participant_of(record[TIME_BYTES], answers_of(record)[2])
    except (IndexError, CorruptRecordError):
        return None
