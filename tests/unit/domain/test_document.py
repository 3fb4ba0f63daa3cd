"""Texts in, plain data out: YAML as kubectl reads it, strict JSON, canonical JSON."""

# ruff: noqa: E501 - a table reads best with one case a line

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stanine.domain.errors import Fault, InvalidDocument
from stanine.domain.instruments.document import canonical, digest, read_json, read_yaml
from stanine.domain.limits import MAX_TEXT_BYTES

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-(2**53) + 1, 2**53 - 1)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


def first_fault(read: Any, text: bytes) -> Fault:
    with pytest.raises(InvalidDocument) as caught:
        read(text)
    return caught.value.faults[0]


# What `kubectl label --local -o json` makes of each word; found with kubectl 1.x over 1,400 random words, of which these are the kinds.
@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("y", True), ("Y", True), ("Yes", True), ("on", True), ("TRUE", True), ("n", False), ("N", False), ("No", False), ("off", False),
        ("yEs", "yEs"), ("~", None), ("null", None), ("NULL", None), ("nULL", "nULL"),
        ("1e3", 1000.0), ("1E3", 1000.0), ("1.", 1.0), (".5", 0.5), ("-.5", -0.5), ("1_000", 1000), ("._5", "._5"), ("1e999", "1e999"), (".", "."),
        ("010", 8), ("0o17", 15), ("017", 15), ("08", 8.0), ("0x1F", 31), ("-0b11", -3), ("+5", 5), ("0_10", 8), ("0xG", "0xG"),
        ("1:30", "1:30"), ("190:20:30", "190:20:30"), ("2001-01-01", "2001-01-01"), ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("=", "="), ("-A1", "-A1"), ("na", "na"), ("NA", "NA"), ("nan", "nan"), ("Infinity", "Infinity"), ('"Yes"', "Yes"), ("'010'", "010"),
        ("!!str 010", "010"), ("!!float 2", 2.0), ("! Yes", "Yes"),
    ],
)  # fmt: skip
def test_a_yaml_word_means_what_it_means_to_kubectl(word: str, value: object) -> None:
    read = read_yaml(f"a: [ {word} ]".encode())
    assert read == {"a": [value]}
    assert type(read["a"][0]) is type(value)


@pytest.mark.parametrize(
    ("text", "place", "code", "word"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "4:3", "DuplicateKey", "line 3"),
        ('a: 1\n"a": 2\n', "2:1", "DuplicateKey", "line 1"),
        ("a: 1\nNo: 2\n", "2:1", "KeyNotText", "quotes"),
        ("a: {1: 2}\n", "1:5", "KeyNotText", "quotes"),
        ("? [a]\n: 1\n", "1:3", "KeyNotText", "text"),
        ("~: 1\n", "1:1", "KeyNotText", "quotes"),
        ("a: 1\n---\nb: 2\n", "2:1", "SeveralDocuments", "own"),
        ("", "1:1", "Syntax", "no document"),
        ("# nothing\n", "1:1", "Syntax", "no document"),
        ("a:\n\t- 1\n", "2:1", "Syntax", "spaces"),
        ("a: [1, 2\n", "2:1", "Syntax", "expected"),
        ("a: b: c\n", "1:5", "Syntax", "mapping"),
        ("a: .nan\n", "1:4", "NumberOutOfRange", "finite"),
        ("a: [-.inf]\n", "1:5", "NumberOutOfRange", "finite"),
        ("a: 9007199254740993\n", "1:4", "NumberOutOfRange", "2**53"),
        ("a: *b\n", "1:4", "Alias", "no anchor"),
        ("a: &b [*b]\n", "1:8", "Alias", "within"),
        ("a: !python/object:os.system x\n", "1:4", "Tag", "remove"),
        ("a: !!binary aGk=\n", "1:4", "Tag", "remove"),
        ("a: \x07\n", "1:4", "Encoding", "U+0007"),
        ('a: "\\ud800"\n', "1:7", "Syntax", "character"),
        ("a: " + "[" * 33 + "]" * 33, "1:35", "TooDeep", "32"),
        ("a: " + "[" * 100_000, "1:35", "TooDeep", "32"),
    ],
)
def test_faulty_yaml_is_refused_at_its_line_and_column(
    text: str, place: str, code: str, word: str
) -> None:
    fault = first_fault(read_yaml, text.encode())
    assert (fault.place, fault.code) == (place, code)
    assert word in fault.detail


def test_an_alias_bomb_is_refused_before_it_is_written_out() -> None:
    lines = ['a0: &a0 "' + "x" * 100 + '"'] + [
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 25)
    ]
    assert first_fault(read_yaml, "\n".join(lines).encode()).code == "TooLarge"


def test_aliases_and_merges_give_what_they_stand_for_and_own_keys_win() -> None:
    read = read_yaml(
        b"a: &x {q: 1, r: [2]}\nb: *x\nc: {<<: *x, r: 5}\nd: {r: 6, <<: [*x, {s: 7}]}\n"
    )
    assert read == {
        "a": {"q": 1, "r": [2]},
        "b": {"q": 1, "r": [2]},
        "c": {"q": 1, "r": 5},
        "d": {"q": 1, "r": 6, "s": 7},
    }


def test_a_byte_order_mark_is_passed_over_and_other_encodings_are_refused() -> None:
    assert read_yaml(b"\xef\xbb\xbfa: 1") == read_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert (
        first_fault(read_yaml, b"a: \xff").code
        == first_fault(read_json, b'"\xff"').code
        == "Encoding"
    )


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet=st.sampled_from("ab:-[]{},&*!|>'\"%@`#?\n \t\\~<01.é\x00\ud800"), max_size=40)
)
def test_reading_yaml_gives_plain_data_or_an_invalid_document_and_nothing_else(text: str) -> None:
    with contextlib.suppress(InvalidDocument):
        read_yaml(text.encode("utf-8", "surrogatepass"))


@given(PLAIN)
def test_json_is_read_back_as_it_was_written(plain: object) -> None:
    assert read_json(json.dumps(plain).encode()) == plain


SIMPLE_TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=0xFFFD, categories=("L", "N", "P", "S", "Z")),
    max_size=20,
)
SIMPLE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | SIMPLE_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SIMPLE_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(SIMPLE)
def test_yaml_reads_json_texts_as_json_does(plain: object) -> None:
    assert read_yaml(json.dumps(plain).encode()) == plain


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ('{"a": {"b": 1, "b": 2}}', "a.b", "DuplicateKey"),
        ('{"a": [1, NaN]}', "a[1]", "NumberOutOfRange"),
        ('{"a": -Infinity}', "a", "NumberOutOfRange"),
        ('{"a": 1e999}', "a", "NumberOutOfRange"),
        ('{"a": 9007199254740993}', "a", "NumberOutOfRange"),
        ('{"a": ' + "9" * 100_000 + "}", "a", "NumberOutOfRange"),
        ('{"a": "\\ud800"}', "a", "Encoding"),
        ('{"a": 1,}', "1:9", "Syntax"),
        ('{"a"\n 1}', "2:2", "Syntax"),
        ("", "1:1", "Syntax"),
        ("[" * 100_000, "1:33", "TooDeep"),
        ('{"a":' * 33 + "1" + "}" * 33, "1:161", "TooDeep"),
        ('"\x01"', "1:2", "Syntax"),
    ],
)
def test_faulty_json_is_refused_with_its_place(text: str, place: str, code: str) -> None:
    fault = first_fault(read_json, text.encode())
    assert (fault.place, fault.code) == (place, code)


def test_all_faults_of_a_json_text_that_parses_are_told_at_once() -> None:
    with pytest.raises(InvalidDocument) as caught:
        read_json(b'{"a": 1, "a": [NaN, "\\udfff"], "b": {"c": 1e999}}')
    assert {(fault.place, fault.code) for fault in caught.value.faults} == {
        ("a", "DuplicateKey"), ("a[0]", "NumberOutOfRange"), ("a[1]", "Encoding"), ("b.c", "NumberOutOfRange"),
    }  # fmt: skip


def test_a_bracket_within_a_text_is_no_nesting() -> None:
    assert read_json(('["' + "[" * 100 + '\\"' + "{" * 100 + '"]').encode()) == [
        "[" * 100 + '"' + "{" * 100
    ]


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=60)
    | st.text(alphabet=st.sampled_from('{}[]",:\\u0d8e1+-. \nNa'), max_size=40).map(str.encode)
)
def test_reading_json_gives_plain_data_or_an_invalid_document_and_nothing_else(text: bytes) -> None:
    with contextlib.suppress(InvalidDocument):
        read_json(text)


@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_a_text_over_the_limit_is_refused_unread(read: Any) -> None:
    assert first_fault(read, b" " * (MAX_TEXT_BYTES + 1)).code == "TooLarge"


def shuffled(plain: object, order: Any) -> object:
    if isinstance(plain, dict):
        names = order.draw(st.permutations(sorted(plain)))
        return {name: shuffled(plain[name], order) for name in names}
    return [shuffled(one, order) for one in plain] if isinstance(plain, list) else plain


@given(PLAIN, st.data())
def test_the_canonical_form_and_its_digest_do_not_depend_on_the_order_of_keys(
    plain: object, order: Any
) -> None:
    assert digest(canonical(plain)) == digest(canonical(shuffled(plain, order)))


def test_the_canonical_form_is_of_the_instrument_alone() -> None:
    bare = {"metadata": {"name": "x"}, "spec": {"title": "X", "scales": [{"constant": 2}]}}
    dressed = {
        "metadata": {"name": "x", "namespace": "n", "labels": {"a": "b"}, "annotations": {}},
        "spec": {
            "title": "X",
            "scales": [{"constant": 2.0, "title": None}],
            "redisConfigRef": {"name": "other"},
            "deletionPolicy": "Delete",
        },
    }
    assert (
        canonical(bare)
        == canonical(dressed)
        == b'{"metadata":{"name":"x"},"spec":{"scales":[{"constant":2}],"title":"X"}}'
    )
