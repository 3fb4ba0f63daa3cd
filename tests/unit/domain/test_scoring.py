"""The engine against the slow scorer, bit for bit, whatever the batch; and the cases of DESIGN 4.1 by hand."""

import itertools
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.domain import reference_scorer
from tests.unit.domain.documents import documents_with_answers

from stanine.domain.attempts.response import Attempt, Packer
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring import kernel_sums as kernel_module
from stanine.domain.scoring.bands import smallest_beyond
from stanine.domain.scoring.compiler import NOT_SHOWN, OMITTED
from stanine.domain.scoring.index import build_entry
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import ScaleResult, decode_result


def entry_of(document: Any) -> Any:
    return build_entry(parse_instrument(document), number=1, revision=1, form=1, digest="")


def code_matrix(entry: Any, people: list[dict[str, Any]]) -> Any:
    packer = Packer(entry)
    return np.frombuffer(
        b"".join(packer.pack(Attempt(answers)) for answers in people), np.uint8
    ).reshape(len(people), -1)


def bits(number: float | None) -> bytes | None:
    return None if number is None else struct.pack("<d", number)


def score_one(spec: dict[str, Any], answers: dict[str, Any]) -> dict[str, ScaleResult]:
    document = {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": "x"},
        "spec": {"title": "X", **spec},
    }
    entry = entry_of(document)
    return decode_result(
        Kernel(entry.plan).score(code_matrix(entry, [answers])).packed()[0], entry
    ).scales


@settings(max_examples=400, deadline=None)
@given(documents_with_answers())
def test_the_engine_gives_the_scores_of_the_slow_scorer_bit_for_bit(
    drawn: tuple[Any, list[dict[str, Any]]],
) -> None:
    document, people = drawn
    entry = entry_of(document)
    bodies = Kernel(entry.plan).score(code_matrix(entry, people)).packed()
    for answers, body in zip(people, bodies, strict=True):
        expected = reference_scorer.score(document, answers)
        for name, given_ in decode_result(body, entry).scales.items():
            raw, valid, status, band = expected[name]
            assert (bits(given_.raw), given_.valid, given_.status) == (bits(raw), valid, status), (
                name
            )
            assert (given_.band or None) == band, name


@settings(max_examples=150, deadline=None)
@given(documents_with_answers(), st.data())
def test_an_attempt_has_the_same_bytes_in_whatever_batch_it_falls(
    drawn: tuple[Any, list[dict[str, Any]]], data: st.DataObject
) -> None:
    document, people = drawn
    entry = entry_of(document)
    codes = np.tile(code_matrix(entry, people), (3, 1))
    alone = [Kernel(entry.plan).score(row[None, :]).packed()[0] for row in codes]
    order = data.draw(st.permutations(range(len(codes))))
    kernel = Kernel(entry.plan)
    kernel._chunk = data.draw(st.integers(1, 7))
    together = kernel.score(
        np.asfortranarray(codes[order]) if data.draw(st.booleans()) else codes[order]
    ).packed()
    assert together == [alone[row] for row in order]


@settings(max_examples=60, deadline=None)
@given(documents_with_answers(), st.sampled_from([1, 3, 40, 700]))
def test_how_terms_are_grouped_changes_no_bit(
    drawn: tuple[Any, list[dict[str, Any]]], states: int
) -> None:
    document, people = drawn
    entry = entry_of(document)
    codes = code_matrix(entry, people)
    with pytest.MonkeyPatch.context() as patch:
        expected = Kernel(entry.plan).score(codes).packed()
        patch.setattr(kernel_module, "GROUP_STATES", states)
        assert Kernel(entry.plan).score(codes).packed() == expected
        patch.setattr(kernel_module, "_SUM_BITS", 0)  # nothing counts as whole: every sum in order
        assert Kernel(entry.plan).score(codes).packed() == expected


@pytest.mark.parametrize("method", ["Mean", "Sum", "Percent"])
def test_with_odd_numbers_every_step_is_rounded_in_the_stated_order(method: str) -> None:
    numbers = [[0.1, 0.7, 1 / 3], [0.3, 1.1, -0.7], [2.3, 1e-3, 0.9], [5.1, 0.2, 0.6]]
    items = [
        {"id": f"i{n}", "text": "t", "options": [{"value": x} for x in its]}
        for n, its in enumerate(numbers)
    ]
    weights = {"i0": 0.7, "i1": 1 / 3, "i2": 1.9, "i3": 0.1}
    scale = {
        "id": "s",
        "items": [item["id"] for item in items],
        "weights": weights,
        "minValid": 1,
        "score": method,
        "multiply": 0.3,
        "constant": 0.7,
    }
    document = {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": "x"},
    }
    document["spec"] = {"title": "X", "items": items, "scales": [scale]}
    choices = [[None, *its] for its in numbers]
    people = [
        {f"i{n}": x for n, x in enumerate(answers) if x is not None}
        for answers in itertools.product(*choices)
    ]
    entry = entry_of(document)
    raws = [
        bits(decode_result(body, entry).scales["s"].raw)
        for body in Kernel(entry.plan).score(code_matrix(entry, people)).packed()
    ]
    assert raws == [bits(reference_scorer.score(document, answers)["s"][0]) for answers in people]


def test_a_score_on_the_very_start_of_a_band_lies_in_it_and_the_next_below_does_not() -> None:
    start = smallest_beyond(10.0, inclusive=True)
    assert 9.9999999 < start < 10
    bands = [{"id": "low"}, {"id": "high", "from": 10}]
    for raw, band in ((start, "high"), (math.nextafter(start, 0), "low")):
        result = score_scale(
            {"a": 1}, points={"a": [0, 1, 2, 3, 4, None]}, score="Sum", constant=raw, bands=bands
        )
        assert (result.raw, result.band) == (raw, band)


OPTIONS = [
    {"value": 1},
    {"value": 2},
    {"value": 3},
    {"value": 4},
    {"value": 5},
    {"value": "na", "missing": True},
]
FORM: dict[str, Any] = {
    "responseSets": [{"name": "five", "options": OPTIONS}],
    "defaults": {"responses": "five"},
    "items": [{"id": name, "text": "t"} for name in "abcd"],
}


def score_scale(answers: dict[str, Any], **scale: Any) -> ScaleResult:
    return score_one({**FORM, "scales": [{"id": "s", **scale}]}, answers)["s"]


def test_a_missing_answer_is_never_zero() -> None:
    result = score_scale({"a": 4}, items=["a", "b"], score="Mean")
    assert (result.raw, result.valid, result.items, result.status) == (None, 1, 2, "TooFewAnswers")


def test_a_mean_is_taken_over_the_answered() -> None:
    assert (
        score_scale(
            {"a": 4, "b": "na", "c": 1}, items=["a", "b", "c"], minValid=2, score="Mean"
        ).raw
        == 2.5
    )


def test_a_sum_with_gaps_is_prorated_by_one_division_at_the_end() -> None:
    assert (
        score_scale(
            {"a": 5, "b": 1, "c": 2}, items=["a", "b", "c", "d"], minValid=3, score="Sum"
        ).raw
        == (4 * 8) / 3
    )


def test_weights_multiply_and_constant_apply_in_that_order() -> None:
    result = score_scale(
        {"a": 5, "b": 2},
        items=["a", "-b"],
        weights={"a": 2},
        score="Mean",
        multiply=10,
        constant=-1,
    )
    assert result.raw == (2 * 5 + 4) / 3 * 10 - 1


def test_a_missing_answer_takes_the_points_of_unanswered_whether_left_out_or_chosen_as_a_missing_option() -> (
    None
):
    result = score_scale(
        {"a": 3, "b": "na", "c": "na", "d": "na"},
        key=dict.fromkeys("abcd", 3),
        unanswered=0,
        score="Sum",
    )
    assert (result.raw, result.valid) == (1, 1)
    assert (
        score_scale(
            {"a": 3, "b": "na"}, key=dict.fromkeys("abcd", 3), unanswered=0, score="Sum"
        ).raw
        == 1
    )


def test_with_unanswered_one_answer_is_enough_and_none_is_not() -> None:
    assert score_scale({}, key={"a": 3}, unanswered=0, score="Sum").status == "TooFewAnswers"


def test_a_percentage_is_of_what_the_answered_items_allow() -> None:
    result = score_scale(
        {"a": 5, "b": 2}, items=["a", "b", "c"], weights={"a": 3}, minValid=2, score="Percent"
    )
    assert result.raw == 100 * (3 * 4 + 1) / (3 * 4 + 4)


def test_a_percentage_of_nothing_is_a_division_by_zero() -> None:
    result = score_scale({"a": 5}, points={"a": [2, 2, 2, 2, 2, None]}, score="Percent")
    assert (result.raw, result.valid, result.status) == (None, 1, "DivisionByZero")


def test_negative_weights_make_a_difference_score() -> None:
    assert score_scale({"a": 5, "b": 2}, items=["a", "b"], weights={"b": -1}, score="Sum").raw == 3


def test_no_score_is_minus_zero() -> None:
    assert bits(
        score_scale({"a": 1}, points={"a": [0, 1, 2, 3, 4, None]}, score="Sum", multiply=-1).raw
    ) == bytes(8)


def test_the_order_in_which_a_scale_names_its_items_changes_no_bit() -> None:
    form = {
        "items": [
            {"id": n, "text": "t", "options": [{"value": v}, {"value": 0}]}
            for n, v in (("a", 0.1), ("b", 0.2), ("c", 0.3), ("d", 1e9))
        ]
    }
    one, other = (
        score_one(
            {**form, "scales": [{"id": "s", "items": order, "score": "Sum"}]},
            {"a": 0.1, "b": 0.2, "c": 0.3, "d": 1e9},
        )["s"].raw
        for order in (["a", "b", "c", "d"], ["d", "c", "b", "a"])
    )
    assert bits(one) == bits(other) == bits(0.1 + 0.2 + 0.3 + 1e9)


def test_answers_not_shown_are_missing_and_take_the_points_of_unanswered() -> None:
    items = [{"id": name, "text": "t", "options": [{"value": 1}, {"value": 2}]} for name in "ab"]
    spec = {
        "title": "X",
        "items": items,
        "scales": [{"id": "s", "key": {"a": 1, "b": 2}, "unanswered": 1, "score": "Sum"}],
    }
    entry = entry_of(
        {
            "apiVersion": "stanine.dev/v1alpha1",
            "kind": "Instrument",
            "metadata": {"name": "x"},
            "spec": spec,
        }
    )
    codes = np.array([[1, 1], [1, OMITTED], [1, NOT_SHOWN], [0, NOT_SHOWN]], np.uint8)
    scores = [
        decode_result(body, entry).scales["s"] for body in Kernel(entry.plan).score(codes).packed()
    ]
    assert [(score.raw, score.valid) for score in scores] == [
        (1.0, 2),
        (1.0, 1),
        (1.0, 1),
        (2.0, 1),
    ]


def test_codes_that_no_item_has_are_found_and_never_scored_as_answers() -> None:
    document = {**FORM, "scales": [{"id": "s", "items": ["a"], "score": "Sum"}]}
    entry = entry_of(
        {
            "apiVersion": "stanine.dev/v1alpha1",
            "kind": "Instrument",
            "metadata": {"name": "x"},
            "spec": {"title": "X", **document},
        }
    )
    codes = np.array([[0, 255, 254, 253], [6, 0, 0, 0], [5, 5, 5, 5], [0, 0, 0, 252]], np.uint8)
    kernel = Kernel(entry.plan)
    assert kernel.unreadable(codes) == [1, 3]
    assert (
        decode_result(kernel.score(codes).packed()[1], entry).scales["s"].status == "TooFewAnswers"
    )


def test_codes_of_another_shape_or_type_are_refused() -> None:
    document = {**FORM, "scales": [{"id": "s", "items": ["a"], "score": "Sum"}]}
    entry = entry_of(
        {
            "apiVersion": "stanine.dev/v1alpha1",
            "kind": "Instrument",
            "metadata": {"name": "x"},
            "spec": {"title": "X", **document},
        }
    )
    shapes: list[Any] = [np.zeros((1, 3), np.uint8), np.zeros((1, 4), np.int64)]
    for wrong in shapes:
        with pytest.raises(ValueError, match="4 items"):
            Kernel(entry.plan).score(wrong)


def test_an_empty_batch_has_no_results() -> None:
    document = {**FORM, "scales": [{"id": "s", "items": ["a"], "score": "Sum"}]}
    entry = entry_of(
        {
            "apiVersion": "stanine.dev/v1alpha1",
            "kind": "Instrument",
            "metadata": {"name": "x"},
            "spec": {"title": "X", **document},
        }
    )
    assert Kernel(entry.plan).score(np.zeros((0, 4), np.uint8)).packed() == []


@pytest.mark.parametrize("options", [3, 12], ids=["one byte", "several bytes"])
def test_a_chosen_missing_option_gives_a_formula_no_number(options: int) -> None:
    """Seen to fail: of a Multiple with 8 options or more, `m.a` was 0."""
    values = [{"value": f"v{n}"} for n in range(options)]
    item: dict[str, Any] = {"id": "m", "text": "t", "type": "Multiple"}
    item["options"] = [*values, {"value": "unknown", "missing": True}]
    spec = {"title": "t", "items": [item], "scales": [{"id": "s", "formula": "m.v0"}]}
    found = [
        score_one(spec, {"m": chosen})["s"] for chosen in (["unknown"], ["v1"], ["v0", "v1"], [])
    ]
    assert [(one.status, one.raw, one.valid) for one in found] == [
        ("MissingValue", None, 0),
        ("Scored", 0, 1),
        ("Scored", 1, 1),
        ("Scored", 0, 1),
    ]
