"""Attempts: strict reading, one meaning whatever the writing, packing against a form and back."""

# ruff: noqa: E501 - a table reads best with one case a line

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.domain.documents import documents_with_answers

from stanine.domain.attempts.explain import explain
from stanine.domain.attempts.response import (
    Attempt,
    Packer,
    decode_attempt,
    meaning,
    unpack_answers,
)
from stanine.domain.errors import InvalidAttempt
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.limits import MAX_ATTEMPT_BYTES
from stanine.domain.scoring.index import build_entry

DOCUMENT: dict[str, Any] = {
    "apiVersion": "stanine.dev/v1alpha1",
    "kind": "Instrument",
    "metadata": {"name": "mood"},
    "spec": {
        "title": "Mood",
        "attributes": [
            {"id": "sex", "values": ["female", "male"]},
            {"id": "group", "values": [1, 2.5]},
            {"id": "age", "type": "Integer"},
            {"id": "height", "type": "Number"},
            {"id": "town", "type": "Text"},
        ],
        "items": [
            {
                "id": "a",
                "text": "a",
                "options": [
                    {"value": 1},
                    {"value": 2},
                    {"value": 2.5},
                    {"value": "na", "missing": True},
                ],
            },
            {"id": "b", "text": "b", "options": [{"value": "x"}, {"value": "1"}, {"value": "1e2"}]},
        ],
        "scales": [{"id": "s", "items": ["a"], "score": "Sum"}],
    },
}


def entry() -> Any:
    return build_entry(
        parse_instrument(copy.deepcopy(DOCUMENT)), number=1, revision=1, form=1, digest=""
    )


def faults_of(call: Any, *args: Any) -> set[tuple[str, str]]:
    with pytest.raises(InvalidAttempt) as caught:
        call(*args)
    return {(fault.place, fault.code) for fault in caught.value.faults}


def sent(**members: Any) -> bytes:
    return json.dumps({"answers": {"one": 1}, **members}).encode()


def test_an_attempt_is_read_without_its_nulls() -> None:
    text = b'{"key": "k:1", "revision": 2, "participant": null, "answers": {"a": 2.0, "b": null, "r": ["x", "y"]}, "attributes": {"age": 31.0}}'
    assert decode_attempt(text) == Attempt({"a": 2, "r": ["x", "y"]}, "k:1", 2, None, {"age": 31})
    assert type(decode_attempt(text).answers["a"]) is int


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (b"", {("1:1", "Syntax")}),
        (b'{"answers": {"a": 1}', {("1:21", "Syntax")}),
        (b"[]", {("", "WrongType")}),
        (b"null", {("", "WrongType")}),
        (b"{}", {("/answers", "MissingField")}),
        (b'{"answers": null}', {("/answers", "MissingField")}),
        (b'{"answers": [1]}', {("/answers", "WrongType")}),
        (
            b'{"answers": {"a": true, "b": {"c": 1}, "d": [[1]], "e": [true], "f": [1, "a"]}}',
            {
                ("/answers/a", "WrongType"),
                ("/answers/b", "WrongType"),
                ("/answers/d", "WrongType"),
                ("/answers/e", "WrongType"),
            },
        ),
        (b'{"answers": {"a": 1, "a": 2}}', {("/answers/a", "DuplicateKey")}),
        (b'{"answers": {}, "answers": {"a": 1}}', {("/answers", "DuplicateKey")}),
        (b'{"answers": {"a/b~": NaN}}', {("/answers/a~1b~0", "NumberOutOfRange")}),
        (b'{"answers": {"a": 1e999}}', {("/answers/a", "NumberOutOfRange")}),
        (b'{"answers": {"a": 9007199254740993}}', {("/answers/a", "NumberOutOfRange")}),
        (b'{"answers": {"a": -1e300}}', {("/answers/a", "NumberOutOfRange")}),
        (b'{"answers": {"a": ' + b"9" * 10_000 + b"}}", {("/answers/a", "NumberOutOfRange")}),
        (b'{"answers": {"a": ' + b"[" * 50_000, {("1:49", "TooDeep")}),
        (b'{"answers": {"a": "\\ud800"}}', {("/answers/a", "Encoding")}),
        (b'{"answers": {"a": "\xff"}}', {("", "Encoding")}),
        (b'{"answers": {}}', {("/answers", "TooFew")}),
        (
            b'{"answers": {"a": null, "b": null}, "key": ""}',
            {("/answers", "TooFew"), ("/key", "TooShort")},
        ),
        (
            b'{"answers": {"a": 1}, "scores": {"a": 1}, "x": 1}',
            {("/scores", "UnknownField"), ("/x", "UnknownField")},
        ),
        (sent(key=""), {("/key", "TooShort")}),
        (sent(key="k" * 65), {("/key", "TooLong")}),
        (sent(key=5), {("/key", "WrongType")}),
        (sent(key="a\nb"), {("/key", "WrongText")}),
        (sent(participant="p" * 129), {("/participant", "TooLong")}),
        (sent(participant="\u202e"), {("/participant", "WrongText")}),
        (sent(revision=0), {("/revision", "OutOfRange")}),
        (sent(revision=1.5), {("/revision", "WrongType")}),
        (sent(revision=True), {("/revision", "WrongType")}),
        (sent(revision=2**32), {("/revision", "OutOfRange")}),
        (sent(seconds=-1), {("/seconds", "OutOfRange")}),
        (sent(seconds="9"), {("/seconds", "WrongType")}),
        (sent(language="_"), {("/language", "WrongText")}),
        (
            sent(attributes={"a": "x" * 257, "b": False}),
            {("/attributes/a", "TooLong"), ("/attributes/b", "WrongType")},
        ),
        (sent(attributes=[1]), {("/attributes", "WrongType")}),
        (b" " * (MAX_ATTEMPT_BYTES + 1), {("", "TooLarge")}),
    ],
)
def test_what_is_no_attempt_is_refused_with_all_its_faults(
    text: bytes, faults: set[tuple[str, str]]
) -> None:
    assert faults_of(decode_attempt, text) == faults


def test_a_refusal_without_a_fault_of_the_slow_reader_is_reported() -> None:
    refusal = explain(sent(), ValueError("a reason of the decoder"))
    (fault,) = refusal.faults
    assert (fault.place, fault.code) == ("", "Syntax")
    assert "a reason of the decoder" in fault.detail


def test_texts_that_need_more_bytes_than_an_attempt_has_are_refused() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["spec"]["items"] += [
        {"id": f"t{n}", "text": "t", "type": "Text", "maxLength": 10_000} for n in range(7)
    ]
    form = build_entry(parse_instrument(document), number=1, revision=1, form=1, digest="")
    answers: dict[str, Any] = {f"t{n}": "x" * 10_000 for n in range(7)}
    assert faults_of(Packer(form).pack, Attempt(answers)) == {("/answers", "TooLarge")}
    del answers["t6"]
    Packer(form).pack(Attempt(answers))


def test_the_edges_of_every_limit_are_within() -> None:
    attempt = decode_attempt(
        sent(
            key="k" * 64,
            participant="p" * 128,
            revision=2**32 - 1,
            answers={"a": 2**53 - 1},
            attributes={"t": "x" * 256},
        )
    )
    assert attempt.revision == 2**32 - 1


def test_faults_beyond_the_first_hundred_are_counted() -> None:
    with pytest.raises(InvalidAttempt) as caught:
        decode_attempt(sent(answers={f"i{n}": True for n in range(300)}))
    assert (len(caught.value.faults), caught.value.count) == (100, 300)


def test_no_text_of_an_error_quotes_an_answer() -> None:
    for text in (
        sent(
            answers={"a": "secret", "b": "secret", "zz": "secret"},
            attributes={"sex": "secret", "nn": "secret"},
        ),
    ):
        with pytest.raises(InvalidAttempt) as caught:
            Packer(entry()).pack(decode_attempt(text))
        assert "secret" not in str(caught.value)
        assert all("secret" not in str(fault) for fault in caught.value.faults)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8
)  # fmt: skip
NAMES = st.sampled_from(["key", "revision", "participant", "answers", "attributes", "other"])


@settings(max_examples=500, deadline=None)
@given(
    st.binary(max_size=60)
    | st.dictionaries(NAMES, JSON).map(lambda plain: json.dumps(plain).encode())
    | st.text(alphabet=st.sampled_from('{}[]",:\\u0d8e1+-. akeynswr'), max_size=50).map(
        lambda text: b'{"answers":{' + text.encode() + b"}}"
    )
)
def test_reading_raises_nothing_but_invalid_attempt_whatever_the_bytes(text: bytes) -> None:
    try:
        attempt = decode_attempt(text)
    except InvalidAttempt:
        return
    assert len(meaning(attempt)) == 16
    json.dumps(
        [attempt.key, attempt.participant, attempt.answers, attempt.attributes], ensure_ascii=False
    ).encode()  # every text can be written
    with contextlib.suppress(InvalidAttempt):
        Packer(entry()).pack(attempt)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=4),
        st.integers(-9, 9)
        | st.sampled_from([0.5, "x", None])
        | st.lists(st.sampled_from("ab"), max_size=2),
    ).map(lambda answers: {"": 1, **answers}),
    st.randoms(),
)
def test_the_meaning_is_that_of_the_content_not_of_its_writing(
    answers: dict[str, Any], random: Any
) -> None:
    names = list(answers)
    random.shuffle(names)
    again = {
        name: float(answers[name]) if isinstance(answers[name], int) else answers[name]
        for name in names
    }
    again["absent"] = None
    one, other = (
        decode_attempt(sent(key="k", answers=answers)),
        decode_attempt(sent(attributes={}, answers=again, key="k", revision=None)),
    )
    assert meaning(one) == meaning(other)


def test_each_part_of_an_attempt_counts_for_its_meaning() -> None:
    parts: list[dict[str, Any]] = [{}, {"answers": {"a": 1}}, {"answers": {"a": "1"}}, {"answers": {"b": 1}}, {"attributes": {"a": 1}}, {"revision": 1}, {"participant": "p"}, {"key": "p"}]  # fmt: skip
    assert len({meaning(decode_attempt(sent(**part))) for part in parts}) == len(parts)


@settings(max_examples=150, deadline=None)
@given(documents_with_answers())
def test_packed_answers_are_unpacked_as_they_were(drawn: tuple[Any, list[dict[str, Any]]]) -> None:
    document, people = drawn
    form = build_entry(parse_instrument(document), number=1, revision=1, form=1, digest="")
    packer = Packer(form)
    for answers in people:
        codes = packer.pack(Attempt(answers))
        assert len(codes) == len(form.items)
        assert {
            name: value for name, value in unpack_answers(form, codes).items() if value is not None
        } == answers


def test_an_answer_is_the_value_of_an_option_and_a_number_is_no_text() -> None:
    packer = Packer(entry())
    assert packer.pack(Attempt({"a": 2.0, "b": "1"})) == bytes([1, 1])
    assert packer.pack(Attempt({"a": "na"})) == bytes([3, 255])
    faulty: tuple[Any, ...] = (
        {"a": "2"},
        {"a": 3},
        {"a": True},
        {"a": float("nan")},
        {"a": ["x"]},
        {"a": 10**30},
    )
    for wrong in faulty:
        assert faults_of(packer.pack, Attempt(wrong)) == {("/answers/a", "NotAnAnswer")}
    assert faults_of(packer.pack, Attempt({"b": 1})) == {("/answers/b", "NotAnAnswer")}


def test_all_that_does_not_fit_the_form_is_told_at_once() -> None:
    attempt = Attempt({"a": 9, "b": "y", "c": 1}, attributes={"sex": "f", "age": 1.5, "shoe": 42})
    assert faults_of(Packer(entry()).pack, attempt) == {
        ("/answers/a", "NotAnAnswer"), ("/answers/b", "NotAnAnswer"), ("/answers/c", "UnknownItem"),
        ("/attributes/sex", "NotAValue"), ("/attributes/age", "NotAValue"), ("/attributes/shoe", "UnknownAttribute"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("sex", ["female"], ["f", 1, True]),
        ("group", [1, 1.0, 2.5], [True, "1", 2]),
        ("age", [31, 31.0, -1], [31.5, "31", True]),
        ("height", [1.8, 2], ["1.8", True, float("nan"), float("inf")]),
        ("town", ["Ulm", ""], [1, True, "a\nb"]),
    ],
)
def test_an_attribute_is_of_its_declared_type_or_values(
    name: str, good: list[Any], bad: list[Any]
) -> None:
    packer = Packer(entry())
    for value in good:
        packer.pack(Attempt({}, attributes={name: value}))
    for value in bad:
        assert faults_of(packer.pack, Attempt({}, attributes={name: value})) == {
            (f"/attributes/{name}", "NotAValue")
        }, value


def test_codes_that_cannot_be_of_the_form_are_refused() -> None:
    for wrong in (b"", b"\x00", b"\x00\x00\x00", bytes([4, 0]), bytes([0, 252])):
        with pytest.raises(ValueError, match=r"codes belong|no answer"):
            unpack_answers(entry(), wrong)
