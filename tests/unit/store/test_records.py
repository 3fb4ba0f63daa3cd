"""Attempt and result records round-trip, and damaged ones are detected."""

import contextlib
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.store.digests import (
    FINGERPRINT_BYTES,
    KEY_SPACE_BYTES,
    key_fingerprint,
    key_scope,
    key_space_digest,
    participant_fingerprint,
    token,
)
from stanine.store.errors import CorruptRecordError
from stanine.store.keys import BLOCK_SIZE
from stanine.store.records import (
    EXTRAS,
    KEY_KIND_STEP,
    KEY_TEXT,
    KEY_UUID,
    NO_KEY,
    RANDOM_BYTES,
    START_BYTES,
    START_PLACE,
    TIME_BYTES,
    WITHOUT_KEY,
    answers_of,
    arrival_of,
    arrived_at,
    attempt_record,
    encode_extras,
    encode_key,
    id_random,
    is_at,
    number_of_record,
    packed_size,
    participant_of,
    participant_of_record,
    place,
    plain_answers,
    random_at,
    read_attempt,
    read_id,
    read_start,
    unpack_answers,
)
from stanine.store.result_layout import read_result, result_start

TEXT = st.text(max_size=20)
SPACE = b"key-spac"
ID = b"random-part" + (70_000_000_000).to_bytes(5, "big")
TIME = (1_700_000_000_000).to_bytes(TIME_BYTES, "big")
#: The longest key: 64 characters of four bytes each.
LONGEST = "\U0001f9e0" * 64


def key_of(key: str | None) -> tuple[int, bytes]:
    return WITHOUT_KEY if key is None else encode_key(SPACE, key.encode())


def record(
    codes: bytes = b"\x01\x02",
    key: str | None = None,
    participant: str | None = None,
    **attributes: int | float | str,
) -> bytes:
    return TIME + attempt_record(
        7,
        3,
        codes,
        encode_extras(participant, attributes),
        WITHOUT_KEY if key is None else encode_key(SPACE, key.encode()),
    )


#: Codes that fit half a byte, and any codes.
CODES = st.lists(st.integers(0, 12) | st.integers(253, 255), max_size=300).map(bytes) | st.binary(
    max_size=300
)
KEYS = st.text(min_size=1, max_size=64) | st.uuids().map(str) | st.just(LONGEST)


@given(
    codes=CODES,
    key=st.none() | KEYS,
    participant=st.none() | TEXT,
    attributes=st.dictionaries(TEXT, st.integers(-9, 9) | TEXT, max_size=3),
)
def test_attempts_round_trip(
    codes: bytes, key: str | None, participant: str | None, attributes: dict[str, int | float | str]
) -> None:
    data = TIME + attempt_record(
        7,
        3,
        codes,
        encode_extras(participant, attributes),
        WITHOUT_KEY if key is None else encode_key(SPACE, key.encode()),
    )
    attempt = read_attempt(data, ID)
    assert (attempt.id, attempt.number, attempt.revision, attempt.submitted_at) == (
        ID,
        7,
        3,
        1_700_000_000_000,
    )
    assert (attempt.codes, attempt.key, attempt.participant, attempt.attributes) == (
        codes,
        key,
        participant,
        attributes,
    )
    layout = data[TIME_BYTES]
    count, packed, rest = answers_of(data)
    assert (participant_of(layout, rest), participant_of_record(data), arrived_at(data)) == (
        participant,
        participant,
        attempt.submitted_at,
    )
    assert (count, len(packed)) == (len(codes), packed_size(layout, len(codes)))
    assert unpack_answers(layout, packed)[:count] == codes
    assert read_start(data[START_PLACE]) == (7, 3)
    assert number_of_record(data) == 7
    assert bool(layout & EXTRAS) == (participant is not None or bool(attributes))


@given(
    participant=st.none() | TEXT,
    attributes=st.dictionaries(TEXT, st.integers(-9, 9) | TEXT, max_size=3),
    language=st.none() | st.sampled_from(["en", "pt-BR"]),
    seconds=st.none() | st.integers(0, 2**53) | st.floats(0, 2**53),
)
def test_language_and_seconds_read_back_and_add_nothing_to_records_without_them(
    participant: str | None,
    attributes: dict[str, int | float | str],
    language: str | None,
    seconds: float | None,
) -> None:
    extras = encode_extras(participant, attributes, language, seconds)
    attempt = read_attempt(TIME + attempt_record(7, 3, b"\x01", extras), ID)
    assert (attempt.language, attempt.seconds) == (language, seconds)
    assert (attempt.participant, attempt.attributes) == (participant, attributes)
    if language is None and seconds is None:
        assert extras in (b"", msgspec.msgpack.encode([participant, attributes]))
        assert encode_extras(participant, attributes) == extras


def test_an_attempt_without_key_participant_and_attributes_has_nothing_after_its_answers() -> None:
    assert answers_of(record()) == (2, b"\x12", b"")


@pytest.mark.parametrize(
    ("codes", "size"),
    [
        (b"\x00" * 50, 25),
        (b"\x0c\xfd\xfe\xff" * 10 + b"\x01", 21),
        (b"\x0d" + b"\x00" * 49, 51),
        (b"\x01" * 256, 257),
    ],
    ids=["usual", "odd", "an option beyond half a byte", "more items than one byte counts"],
)
def test_common_answers_take_half_a_byte_each(codes: bytes, size: int) -> None:
    assert len(record(codes)) == 14 + size


@pytest.mark.parametrize(
    ("key", "kind", "size"),
    [
        (None, NO_KEY, 0),
        ("k", KEY_TEXT, 2),
        (LONGEST, KEY_TEXT, 257),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", KEY_UUID, 16),
        ("0F8FAD5B-D9CB-469F-A165-70867728950E", KEY_TEXT, 37),
        ("0f8fad5bd9cb469fa16570867728950e", KEY_TEXT, 33),
        ("{0f8fad5b-d9cb-469f-a165-7086772895}", KEY_TEXT, 37),
        ("0f8fad5b-d9cb-469f-a165-70867728950g", KEY_TEXT, 37),
    ],
    ids=[
        "none",
        "shortest",
        "longest",
        "UUID",
        "upper case",
        "without dashes",
        "braces",
        "not hexadecimal",
    ],
)
def test_keys_are_stored_once_and_uuids_in_16_bytes(key: str | None, kind: int, size: int) -> None:
    data = record(key=key)
    assert len(data) == len(record()) + (KEY_SPACE_BYTES + size if size else 0)
    assert data[TIME_BYTES] // KEY_KIND_STEP % 4 == kind
    assert read_attempt(data, ID).key == key
    assert read_attempt(record(key=key, age=31), ID).key == key


@given(
    many=st.lists(
        st.lists(st.integers(0, 3), min_size=3, max_size=3).map(bytes), min_size=1, max_size=4
    ),
    whole=st.booleans(),
)
def test_plain_records_are_read_together(many: list[bytes], whole: bool) -> None:
    codes = [b"\x20" + each[1:] if whole else each for each in many]
    for keys in (
        ["k", LONGEST, "key-17"],
        [str(uuid.UUID(int=number)) for number in range(3)],
        [None],
    ):
        records = [record(each, keys[index % len(keys)]) for index, each in enumerate(codes)]
        packed = plain_answers(records, 3)
        assert packed == b"".join(answers_of(each)[1] for each in records)
        for items in (2, 4, 259, 65539):
            assert plain_answers(records, items) is None
        for other in (record(codes[0] + b"\x00", keys[0]), records[0][:-1], records[0] + b"\x00"):
            assert plain_answers([*records, other], 3) is None
        for extras in (record(codes[0], keys[0], "p"), record(codes[0], keys[0], age=31)):
            assert plain_answers([extras, extras], 3) is None


@given(
    codes=CODES.filter(bool),
    key=st.none() | st.text("ABCxyz\u00e9", min_size=1, max_size=20) | st.uuids().map(str),
    cut=st.integers(1, 400),
)
def test_a_truncated_record_is_corrupt(codes: bytes, key: str | None, cut: int) -> None:
    data = record(codes, key)
    data = data[: max(0, len(data) - cut)]
    with pytest.raises(CorruptRecordError):
        read_attempt(data, ID)
    count, packed, rest = answers_of(data)
    assert (
        key is not None
        or (count, rest) == (-1, b"")
        or len(packed) < packed_size(data[TIME_BYTES], count)
    )


@given(
    random=st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES),
    arrival=st.integers(0, 2**40 - 1),
    ids=st.binary(max_size=11 * 32),
)
def test_an_attempt_is_identified_by_its_whole_id(random: bytes, arrival: int, ids: bytes) -> None:
    attempt_id = id_random(random) + arrival.to_bytes(5, "big")
    assert attempt_id[0] & 0x0F == 0, "the partition"
    assert (arrival_of(attempt_id), place(arrival)) == (arrival, divmod(arrival, BLOCK_SIZE))
    start = arrival % BLOCK_SIZE * RANDOM_BYTES
    block = ids[:start].ljust(start) + attempt_id[:RANDOM_BYTES] + ids[start:]
    assert is_at(block, attempt_id)
    assert random_at(block, arrival) == attempt_id[:RANDOM_BYTES]
    for bit in (0x10, 0x80):
        assert not is_at(block, bytes([attempt_id[0] ^ bit]) + attempt_id[1:])
    assert not is_at(block[: start + RANDOM_BYTES - 1], attempt_id)
    assert not is_at(None, attempt_id)


def test_a_fingerprint_depends_on_key_space_instrument_and_key() -> None:
    one, other = key_space_digest("ward"), key_space_digest("clinic")
    found = {
        key_fingerprint(key_scope(space, number), key)
        for space, number, key in ((one, 1, b"k"), (other, 1, b"k"), (one, 2, b"k"), (one, 1, b"l"))
    }
    assert len(found) == 4
    assert {len(each) for each in (*found, participant_fingerprint("p"))} == {FINGERPRINT_BYTES}
    assert bytes(FINGERPRINT_BYTES) not in found


@given(data=st.binary(max_size=60))
def test_reading_arbitrary_bytes_raises_only_corrupt_record_errors(data: bytes) -> None:
    for read in (
        lambda: read_attempt(data, ID),
        lambda: read_result(data),
        lambda: read_start(data[:START_BYTES]),
    ):
        with contextlib.suppress(CorruptRecordError):
            read()


def test_a_result_of_an_unknown_kind_is_corrupt() -> None:
    with pytest.raises(CorruptRecordError, match="unknown kind 9"):
        read_result(b"\x09" + result_start(1, 1, b"cccc")[1:])


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "G" * 32, "A" * 32, "0 " * 16, "٣" * 32])
def test_only_32_lower_case_hexadecimal_digits_are_an_id(text: str) -> None:
    assert read_id(text) is None


def test_an_ids_token_depends_on_the_secret_and_the_whole_id() -> None:
    first = bytes(16)
    assert read_id(first.hex()) == first
    assert len({token(b"a", first), token(b"b", first), token(b"a", first[:-1] + b"\x01")}) == 3
