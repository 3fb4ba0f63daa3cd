"""Fields of a block: runs are parsed by their layout, and damaged data is never misread."""

from hypothesis import given
from hypothesis import strategies as st

from stanine.store.blocks import (
    RUN_FIELD,
    block_records,
    block_slots,
    fields_of,
    read_block,
    read_fields,
    run_records,
)
from stanine.store.keys import BLOCK_SIZE

HEAD = b"at six"


def run_of(records: list[bytes], *, uniform: bool) -> bytes:
    """Write a run in the layout of stanine.store.blocks."""
    size, ends, total = (len(records[0]), b"", 0) if uniform else (0, b"", 0)
    for record in records:
        total += len(record)
        ends += b"" if uniform else total.to_bytes(3, "big")
    return bytes([len(HEAD)]) + HEAD + size.to_bytes(3, "big") + ends + b"".join(records)


blocks = st.one_of(
    st.integers(1, 20).flatmap(
        lambda size: st.lists(
            st.binary(min_size=size, max_size=size), min_size=BLOCK_SIZE, max_size=BLOCK_SIZE
        )
    ),
    st.lists(st.binary(max_size=300), min_size=BLOCK_SIZE, max_size=BLOCK_SIZE),
)


@given(
    blocks,
    st.lists(st.integers(0, BLOCK_SIZE - 1), max_size=BLOCK_SIZE)
    | st.permutations(range(BLOCK_SIZE)),
)
def test_records_of_a_run_are_read_by_slot(records: list[bytes], slots: list[int]) -> None:
    run = run_of(records, uniform=len({len(each) for each in records}) == 1 and len(records[0]) > 0)
    whole = [HEAD + each for each in records]
    found = {b"i": b"ids", RUN_FIELD.encode(): run}
    assert block_records(found) == dict(enumerate(whole))
    assert read_block(found, slots) == (b"ids", [whole[slot] for slot in slots])
    assert read_fields([found.get(field) for field in fields_of(slots)], slots) == (
        b"ids",
        [whole[slot] for slot in slots],
    )
    assert block_slots(found) == set(range(BLOCK_SIZE))


@given(blocks, st.integers(0, 10_000))
def test_a_truncated_run_yields_complete_or_shorter_records(records: list[bytes], cut: int) -> None:
    run = run_of(records, uniform=len({len(each) for each in records}) == 1 and len(records[0]) > 0)
    for slot, record in enumerate(run_records(run[: cut % len(run)])):
        assert (HEAD + records[slot]).startswith(record)


@given(st.binary(max_size=200))
def test_reading_a_run_never_fails(run: bytes) -> None:
    run_records(run)


def test_records_in_separate_fields_are_read_by_slot() -> None:
    found = {b"i": b"ids", b"3": b"three", b"31": b"last"}
    assert block_records(found) == {3: b"three", 31: b"last"}
    assert block_slots(found) == {3, 31}
    assert read_block(found, [31, 4]) == (b"ids", [b"last", None])
