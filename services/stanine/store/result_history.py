"""The earlier results of a re-scored attempt, as stored. Used by the modules that read results.

`functions/rescoring.lua` writes them, in a hash of their own, by block and slot; an attempt that was never re-scored
has none. Layout (big-endian): position of the current result in the instrument's commit log 5 | in the participant's
list of results 5 (all bits set: in none) | for each earlier result, oldest first: replaced at (ms) 6, length 4, record.
"""

import struct

import msgspec

from stanine.store.errors import CorruptRecordError
from stanine.store.records import ARRIVAL_BYTES, TIME_BYTES
from stanine.store.result_layout import StoredResult, read_result

_LENGTH = struct.Struct(">I")
#: Bytes of the two positions, and of an earlier result without its record.
_POSITIONS = 2 * ARRIVAL_BYTES
_EARLIER = TIME_BYTES + _LENGTH.size


class ReplacedResult(msgspec.Struct, frozen=True):
    """An earlier result, and when it was replaced (ms since 1970, by the server's clock)."""

    result: StoredResult
    replaced_at: int


class ResultHistory(msgspec.Struct, frozen=True):
    """Where the current result of a re-scored attempt is listed, and its earlier results, oldest first."""

    #: Position in the instrument's commit log, from 0.
    logged_at: int
    #: Position in the participant's list, from 0; larger than any position without a participant.
    listed_at: int
    earlier: tuple[ReplacedResult, ...]


def read_history(data: bytes) -> ResultHistory:
    """Parse a stored history; raise CorruptRecordError."""
    earlier, at = [], _POSITIONS
    while at < len(data):
        record = at + _EARLIER
        if record > len(data):
            raise CorruptRecordError("a history of results is cut short")
        (length,) = _LENGTH.unpack_from(data, at + TIME_BYTES)
        end = record + length
        if end > len(data):
            raise CorruptRecordError("a history of results is cut short")
        replaced_at = int.from_bytes(data[at : at + TIME_BYTES], "big")
        earlier.append(ReplacedResult(read_result(data[record:end]), replaced_at))
        at = end
    if not earlier:
        raise CorruptRecordError("a history of results has no earlier result")
    return ResultHistory(
        int.from_bytes(data[:ARRIVAL_BYTES], "big"),
        int.from_bytes(data[ARRIVAL_BYTES:_POSITIONS], "big"),
        tuple(earlier),
    )
