import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stanine.api.intake.fast_path import FormReader, Packed
from stanine.domain.attempts.response import Packer, decode_attempt, meaning
from stanine.domain.errors import InvalidAttempt
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import IndexEntry, build_entry


def entry_of(*items: dict[str, Any]) -> IndexEntry:
    document = {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": "x"},
        "spec": {
            "title": "X",
            "responseSets": [
                {
                    "name": "five",
                    "options": [{"value": value} for value in (1, 2, 3, 4, 5)]
                    + [{"value": "na", "missing": True}],
                },
                {
                    "name": "words",
                    "options": [{"value": value} for value in ("yes", "no", "class", "1")],
                },
            ],
            "items": list(items),
            "scales": [{"id": "s", "items": ["B2"], "score": "Sum"}],
        },
    }
    return build_entry(parse_instrument(document), number=7, revision=3, form=2, digest="d")


ENTRY = entry_of(
    {"id": "B2", "text": "t", "responses": "five"},
    {"id": "lambda", "text": "t", "responses": "words"},
    {"id": "a1", "text": "t", "responses": "five"},
    {"id": "A10", "text": "t", "responses": "words"},
    {"id": "A2", "text": "t", "responses": "five"},
)
READER, PACKER = FormReader(ENTRY), Packer(ENTRY)
#: All items have the same small integers: the fastest path.
PLAIN = entry_of(
    *(
        {"id": name, "text": "t", "options": [{"value": value} for value in (3, 0, 255, 7)]}
        for name in ("B2", "z", "A")
    )
)

answers = st.dictionaries(
    st.sampled_from([item.id for item in ENTRY.items]) | st.sampled_from(["B3", "", "key"]),
    st.sampled_from([1, 2, 3, 5, "na", "yes", "class", "1"])
    | st.sampled_from([None, 6, 2.0, 1.5, True, "x", [], 1e300, "é:"]),
    max_size=6,
)
texts = st.none() | st.sampled_from(
    ["k", "", "a:b", "Zoë", "\u200b", "k" * 64, "k" * 65, "k" * 200, 3]
)
members = st.fixed_dictionaries(
    {"answers": answers},
    optional={
        "key": texts,
        "participant": texts,
        "revision": st.sampled_from([1, 2, 3, 4, None, "2", True, 2.0]),
        "attributes": st.just({}),
        "more": st.just(1),
    },
)


def slowly(text: bytes, packer: Packer = PACKER) -> Packed | None:
    try:
        attempt = decode_attempt(text)
        return Packed(
            attempt.key,
            attempt.revision,
            attempt.participant,
            packer.pack(attempt),
            meaning(attempt),
        )
    except InvalidAttempt:
        return None


@given(members)
def test_the_fast_path_agrees_with_the_domain(attempt: dict[str, Any]) -> None:
    text = json.dumps(attempt).encode()
    short = READER.read(text)
    assert short is None or short == slowly(text)
    assert short is None or short.revision in {None, 2, 3}


@given(
    st.permutations(["B2", "lambda", "a1", "A10", "A2"]),
    st.integers(1, 5),
    st.sets(st.sampled_from(["B2", "A10"])),
    st.fixed_dictionaries(
        {},
        optional={
            "key": st.sampled_from([None, "k-1"]),
            "participant": st.sampled_from([None, "p"]),
            "revision": st.sampled_from([None, 2, 3]),
        },
    ),
)
def test_the_usual_attempt_uses_the_fast_path(
    order: list[str], answered: int, null: set[str], more: dict[str, Any]
) -> None:
    assume(set(order[:answered]) - null)  # without answers it is refused by the slow path
    values = {"B2": 1, "lambda": "class", "a1": "na", "A10": "1", "A2": 5} | dict.fromkeys(null)
    attempt: dict[str, Any] = {"answers": {name: values[name] for name in order[:answered]}, **more}
    text = json.dumps(attempt).encode()
    assert READER.read(text) is not None
    assert READER.read(text) == slowly(text)


@given(
    st.dictionaries(
        st.sampled_from(["B2", "z", "A"]),
        st.sampled_from([0, 3, 7, 255, 1, 254, 256, -1, None]),
        max_size=3,
    )
)
def test_the_path_for_uniform_integers_agrees_with_the_domain(answers: dict[str, Any]) -> None:
    text = json.dumps({"answers": answers}).encode()
    short = FormReader(PLAIN).read(text)
    if {None} < {None, *answers.values()} <= {0, 3, 7, 255, None}:
        assert short is not None
        assert short == slowly(text, Packer(PLAIN))
    else:
        assert short is None


@pytest.mark.parametrize(
    "text",
    [
        b'{"answers":{}}',
        b'{"answers":{"B2":null,"A10":null}}',
        b'{"answers":{"B2":1,"B2":2}}',
        b'{"answers":{"B2":1},"answers":{}}',
        b'{"answers":{},"key":"a","key":"b"}',
        b'{"answers":{"B2":1}} x',
        b'{"answers":{"B2":\xff}}',
        b'{"answers":{},"key":"\xff"}',
        b"[" * 100_000,
        b"",
    ],
)
def test_unusual_attempts_are_left_to_the_domain(text: bytes) -> None:
    assert READER.read(text) is None


def test_a_form_with_other_options_has_no_fast_path() -> None:
    with pytest.raises(ValueError, match="fast path"):
        FormReader(
            entry_of(
                {"id": "B2", "text": "t", "options": [{"value": 1.5}, {"value": 2}]},
                {"id": "C", "text": "t", "responses": "five"},
            )
        )
    with pytest.raises(ValueError, match="fast path"):
        FormReader(entry_of({"id": "B2", "text": "t", "responses": "five"}))
