"""Layout of a block: a hash with 32 attempts, or their results, by arrival number.

Called by every module that reads attempts or results by arrival number; the functions in `functions/` write and read
blocks in the same layout.

A record is stored in the field of its slot ("0" to "31"). If one call writes the records of all slots, they are stored
in the field RUN_FIELD instead (a run), which takes the server a quarter of the time. A block of attempts also has
IDS_FIELD with the random parts of its ids, concatenated. Layout of a run (big-endian):

    bytes of the head 1 | head | bytes of a record without its head 3 | the records without their heads

The head is the common prefix of the records: the arrival time of attempts, empty for results. If the lengths of the
records differ, the 3 bytes are 0 and are followed by the end offset of each slot's record, in 3 bytes each.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence

from stanine.store.keys import BLOCK_SIZE

#: Field with the random parts of the ids.
IDS_FIELD = "i"
#: Field with the records of all slots.
RUN_FIELD = "w"
#: Maximum bytes of records in a run: reading one record reads the whole run.
RUN_LIMIT = 16_384
#: Number of requested fields from which the whole block is read: Redis finds a field of a listpack by linear search.
WHOLE_BLOCK_FROM = 12

_IDS, _RUN = IDS_FIELD.encode(), RUN_FIELD.encode()
_SLOTS = [b"%d" % slot for slot in range(BLOCK_SIZE)]
_ENDS = struct.Struct(">" + "BH" * BLOCK_SIZE)


def run_records(run: bytes) -> list[bytes]:
    """Return the records of a run by slot. A damaged run yields truncated or missing records."""
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
    """Return the fields to request (HMGET) for the records of some slots.

    Parse them with `read_fields`.
    """
    return [_IDS, _RUN, *[_SLOTS[slot] for slot in slots]]


def read_fields(
    values: Sequence[bytes | None], slots: Sequence[int]
) -> tuple[bytes, list[bytes | None]]:
    """Return the random parts of a block's ids and the records of slots.

    `values`: the values of the fields that `fields_of` returned.
    """
    ids, run, *records = values
    if run is not None:
        return ids or b"", _chosen(run_records(run), slots)
    return ids or b"", records


def read_block(
    found: Mapping[bytes, bytes], slots: Sequence[int]
) -> tuple[bytes, list[bytes | None]]:
    """Return the same as `read_fields` from all fields of a block (HGETALL)."""
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
    """Return the slots of a block that have records, from its field names (HKEYS)."""
    names = set(fields)
    return set(range(BLOCK_SIZE)) if _RUN in names else {int(field) for field in names - {_IDS}}


def _chosen(records: Sequence[bytes], slots: Sequence[int]) -> list[bytes | None]:
    return [records[slot] if slot < len(records) else None for slot in slots]
