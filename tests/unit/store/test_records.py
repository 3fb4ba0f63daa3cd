"""The bytes of attempts and results: what is written reads back, and what is damaged says so."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.store.errors import CorruptRecordError
from stanine.store.records import (
    START_BYTES,
    answers_of,
    arrived_at,
    attempt_parts,
    encode_tail,
    packed_size,
    participant_of,
    plain_answers,
    random_of,
    read_attempt,
    read_id,
    read_result,
    read_start,
    result_start,
    token,
    unpack_answers,
)

TEXT = st.text(max_size=20)
RANDOM = b"0123456789ab"
TIME = (1_700_000_000_000).to_bytes(6, "big")


def record(codes: bytes = b"\x01\x02", key: str | None = None, participant: str | None = None, **attributes: int | float | str) -> bytes:
    start, rest = attempt_parts(7, 3, RANDOM, codes, encode_tail(key, participant, attributes))
    return start + TIME + rest


#: Such as half a byte holds, and any.
CODES = st.lists(st.integers(0, 12) | st.integers(253, 255), max_size=300).map(bytes) | st.binary(max_size=300)


@given(codes=CODES, key=st.none() | TEXT, participant=st.none() | TEXT, arrival=st.integers(0, 2**32 - 1))
def test_an_attempt_reads_back_as_it_was_written(codes: bytes, key: str | None, participant: str | None, arrival: int) -> None:
    data = record(codes, key, participant, age=31)
    attempt = read_attempt(data, RANDOM + arrival.to_bytes(4, "big"))
    assert attempt is not None
    assert attempt == read_attempt(data, arrival)
    assert (attempt.number, attempt.revision, attempt.submitted_at) == (7, 3, 1_700_000_000_000)
    assert (attempt.codes, attempt.key, attempt.participant, attempt.attributes) == (codes, key, participant, {"age": 31})
    count, packed, tail = answers_of(data)
    assert (participant_of(tail), random_of(data), arrived_at(data)) == (participant, RANDOM, attempt.submitted_at)
    assert (count, len(packed)) == (len(codes), packed_size(data[0], len(codes)))
    assert unpack_answers(data[0], packed)[:count] == codes
    assert read_start(data[:START_BYTES]) == (7, 3)


def test_an_attempt_without_key_participant_and_attributes_has_no_tail() -> None:
    assert answers_of(record()) == (2, b"\x12", b"")


@pytest.mark.parametrize(
    ("codes", "size"),
    [(b"\x00" * 50, 25), (b"\x0c\xfd\xfe\xff" * 10 + b"\x01", 21), (b"\x0d" + b"\x00" * 49, 51), (b"\x01" * 256, 257)],
    ids=["usual", "odd", "an option beyond half a byte", "more items than one byte counts"],
)
def test_the_usual_answers_take_half_a_byte_each(codes: bytes, size: int) -> None:
    assert len(record(codes)) == 26 + size


@given(many=st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3).map(bytes), min_size=1, max_size=4), whole=st.booleans())
def test_plain_records_are_read_together(many: list[bytes], whole: bool) -> None:
    codes = [b"\x20" + each[1:] if whole else each for each in many]
    records = [record(each) for each in codes]
    packed = plain_answers(records, 3)
    assert packed == b"".join(answers_of(each)[1] for each in records)
    for items in (2, 4, 259, 65539):
        assert plain_answers(records, items) is None
    for other in (record(codes[0], key="k"), record(codes[0] + b"\x00"), records[0][:-1]):
        assert plain_answers([*records, other], 3) is None


def test_another_attempts_id_reads_nothing() -> None:
    assert read_attempt(record(), b"x" * 16) is None


@given(codes=CODES.filter(bool), cut=st.integers(1, 400))
def test_a_record_that_is_cut_short_is_corrupt(codes: bytes, cut: int) -> None:
    data = record(codes)[:-cut]
    with pytest.raises(CorruptRecordError):
        read_attempt(data, 0)
    count, packed, tail = answers_of(data)
    assert (count, tail) == (-1, b"") or len(packed) < packed_size(data[0], count)


@given(data=st.binary(max_size=60))
def test_reading_any_bytes_as_a_record_raises_nothing_else(data: bytes) -> None:
    for read in (lambda: read_attempt(data, 0), lambda: read_result(data), lambda: read_start(data[:START_BYTES])):
        with contextlib.suppress(CorruptRecordError):
            read()


def test_a_result_of_an_unknown_kind_is_corrupt() -> None:
    with pytest.raises(CorruptRecordError, match="unknown kind 9"):
        read_result(b"\x09" + result_start(1, 1)[1:])


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "G" * 32, "A" * 32, "0 " * 16, "٣" * 32])
def test_only_32_lower_case_hexadecimal_digits_are_an_id(text: str) -> None:
    assert read_id(text) is None


def test_an_ids_token_depends_on_the_secret_and_the_whole_id() -> None:
    first = bytes(16)
    assert read_id(first.hex()) == first
    assert len({token(b"a", first), token(b"b", first), token(b"a", first[:-1] + b"\x01")}) == 3
