"""The fields of a block: 32 attempts, or their results, one after the other by arrival number.

Called by every module that reads attempts or results by arrival number; the functions in `functions/` write blocks, and read them likewise.

A block is a hash. A record lies in the field of its slot ("0" to "31"). If one call wrote the records of all slots, they lie in the field
RUN_FIELD instead, a run: that takes the server a fourth of the time. A block of attempts also has the field IDS_FIELD: the random parts of
all its ids, one after the other. Layout of a run (numbers are big-endian):

    bytes of the head 1 | head | bytes of a record without its head 3 | the records without their heads

The head is what all its records begin with: the time of arrival of attempts, nothing for results. If the records differ in length, the 3
bytes are 0, and before the records stands for each slot where it ends among them, in 3 bytes.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence

from stanine.store.keys import BLOCK_SIZE

#: The field of a block that holds the random parts of the ids.
IDS_FIELD = "i"
#: The field of a block that holds the records of all its slots.
RUN_FIELD = "w"
#: Bytes of records in a run at most: to read one of them, all are read.
RUN_LIMIT = 16_384
#: Fields that must be wanted of a block for the whole of it to be read: one field is found by looking at those before it.
WHOLE_BLOCK_FROM = 12

_IDS, _RUN = IDS_FIELD.encode(), RUN_FIELD.encode()
_SLOTS = [b"%d" % slot for slot in range(BLOCK_SIZE)]
_ENDS = struct.Struct(">" + "BH" * BLOCK_SIZE)


def run_records(run: bytes) -> list[bytes]:
    """Return the records in a run, by slot. Of a damaged run, records are cut short, which their readers notice, or missing."""
    if not run:
        return []
    start = 1 + run[0]
    head, size = run[1:start], int.from_bytes(run[start : start + 3], "big")
    start += 3
    if size:
        return [
            head + run[place : place + size]
            for place in range(start, start + BLOCK_SIZE * size, size)
        ]
    if len(run) < start + _ENDS.size:
        return []
    parts = _ENDS.unpack_from(run, start)
    start += _ENDS.size
    ends = [high << 16 | low for high, low in zip(parts[::2], parts[1::2], strict=True)]
    return [
        head + run[start + begin : start + end]
        for begin, end in zip([0, *ends], ends, strict=False)
    ]


def fields_of(slots: Sequence[int]) -> list[bytes]:
    """Return the fields of a block to ask for (HMGET) in order to read the records of some slots; see `read_fields`."""
    return [_IDS, _RUN, *[_SLOTS[slot] for slot in slots]]


def read_fields(
    values: Sequence[bytes | None], slots: Sequence[int]
) -> tuple[bytes, list[bytes | None]]:
    """Return the random parts of a block's ids, and the records of slots, from the values of the fields that `fields_of` named."""
    ids, run, *records = values
    if run is not None:
        return ids or b"", _chosen(run_records(run), slots)
    return ids or b"", records


def read_block(
    found: Mapping[bytes, bytes], slots: Sequence[int]
) -> tuple[bytes, list[bytes | None]]:
    """Return the same from all fields of a block (HGETALL)."""
    run = found.get(_RUN)
    records = (
        [found.get(_SLOTS[slot]) for slot in slots]
        if run is None
        else _chosen(run_records(run), slots)
    )
    return found.get(_IDS, b""), records


def block_records(found: Mapping[bytes, bytes]) -> dict[int, bytes]:
    """Return all records of a block by slot, from all its fields (HGETALL)."""
    records = dict(enumerate(run_records(found.get(_RUN, b""))))
    return records | {
        int(field): record for field, record in found.items() if field not in (_IDS, _RUN)
    }


def block_slots(fields: Iterable[bytes]) -> set[int]:
    """Return the slots of a block that have records, from the names of all its fields (HKEYS)."""
    names = set(fields)
    return set(range(BLOCK_SIZE)) if _RUN in names else {int(field) for field in names - {_IDS}}


def _chosen(records: Sequence[bytes], slots: Sequence[int]) -> list[bytes | None]:
    if len(slots) == len(records):
        return list(records)
    return [records[slot] if slot < len(records) else None for slot in slots]
