"""Properties of scores that hold for every scale: reversal, missing answers, order; and answers that no form allows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stanine.domain.attempts.response import Attempt, Packer
from stanine.domain.errors import InvalidAttempt
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import build_entry
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import ScaleResult, decode_result

METHODS = st.sampled_from(["Sum", "Mean", "Percent"])
#: Answers of a person to up to six items of 0 to 4; None: missing.
ANSWERS = st.lists(st.none() | st.integers(0, 4), min_size=2, max_size=6)
BANDS = [{"id": "a"}, {"id": "b", "from": 35.5}, {"id": "c", "above": 50}, {"id": "d", "from": 71}]


def entry_of(spec: dict[str, Any]) -> Any:
    document = {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": "x"},
        "spec": {"title": "X", **spec},
    }
    return build_entry(parse_instrument(document), number=1, revision=1, form=1, digest="")


def spec_of(count: int, values: list[float], **scale: Any) -> dict[str, Any]:
    options = [{"value": value} for value in values]
    items = [{"id": f"i{place}", "text": "t", "options": options} for place in range(count)]
    names = [one["id"] for one in items]
    return {"items": items, "scales": [{"id": "s", "items": names, "minValid": 1, **scale}]}


def score(spec: dict[str, Any], answers: list[float | None]) -> ScaleResult:
    entry = entry_of(spec)
    given_: dict[str, Any] = {
        f"i{place}": one for place, one in enumerate(answers) if one is not None
    }
    packed = Packer(entry).pack(Attempt(given_))
    codes = np.frombuffer(packed[: entry.plan.row_bytes], np.uint8)[None, :]
    kernel = Kernel(entry.plan)
    return decode_result(kernel.score(codes, kernel.columns([{}])).packed()[0], entry).scales["s"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(-20, 20), min_size=1, max_size=5, unique=True),
    st.integers(-40, 40),
    st.data(),
    METHODS,
)
def test_reversing_twice_is_identity(
    half: list[int], ends: int, data: st.DataObject, method: str
) -> None:
    """The reversed scale of the reversed answers is the plain scale of the answers, bit for bit."""
    values = sorted({*half, *(ends - value for value in half)})
    if len(values) < 2:
        return
    answers = data.draw(st.lists(st.none() | st.sampled_from(values), min_size=1, max_size=5))
    mirrored = [None if one is None else values[0] + values[-1] - one for one in answers]
    numbers: list[float] = [*values]
    plain = spec_of(len(answers), numbers, score=method)
    reverse = [f"-i{place}" for place in range(len(answers))]
    twice = spec_of(len(answers), numbers, score=method, items=reverse)
    assert score(plain, [*answers]) == score(twice, [*mirrored])


@settings(max_examples=200, deadline=None)
@given(ANSWERS, st.integers(0, 4))
def test_a_missing_answer_never_acts_as_zero(answers: list[int | None], constant: int) -> None:
    """Who gives one answer throughout has the score of that answer, whatever is missing."""
    given_ = [None if one is None else constant for one in answers]
    for method, expected in (
        ("Sum", constant * len(answers)),
        ("Mean", constant),
        ("Percent", 25 * constant),
    ):
        found = score(spec_of(len(answers), [0, 1, 2, 3, 4], score=method), [*given_])
        assert found.raw == (None if set(given_) == {None} else expected)
    declared = score(spec_of(len(answers), [0, 1, 2, 3, 4], score="Sum", unanswered=0), [*given_])
    some = [one for one in given_ if one is not None]
    assert declared.raw == (sum(some) if some else None)


@settings(max_examples=200, deadline=None)
@given(ANSWERS, METHODS, st.data())
def test_a_higher_answer_never_gives_a_lower_score(
    answers: list[int | None], method: str, data: st.DataObject
) -> None:
    raised = data.draw(st.sampled_from(range(len(answers))))
    if answers[raised] in (None, 4):
        return
    names = [f"i{place}" for place in range(len(answers))]
    reversed_ = data.draw(st.booleans())
    if reversed_:
        names[raised] = f"-i{raised}"
    scale: dict[str, Any] = {
        "score": method,
        "items": names,
        "round": data.draw(st.sampled_from(["Up", "Down", "HalfUp", "HalfEven"])),
        "norms": {
            "all": {"mean": data.draw(st.integers(0, 9)), "sd": data.draw(st.integers(1, 4))}
        },
        "standard": ["Z", "T", "Sten", "Stanine", "Percentile"],
        "report": "T",
        "bands": BANDS,
    }
    spec = {**spec_of(len(answers), [0, 1, 2, 3, 4], **scale), "normGroups": [{"id": "all"}]}
    higher = [one if place != raised else (one or 0) + 1 for place, one in enumerate(answers)]
    low, high = score(spec, [*answers]), score(spec, [*higher])
    if reversed_:
        low, high = high, low
    for field in ("raw", "z", "t", "sten", "stanine", "percentile"):
        assert getattr(low, field) <= getattr(high, field), field
    assert str(low.band) <= str(high.band)


@settings(max_examples=200, deadline=None)
@given(st.data(), METHODS)
def test_the_order_of_a_scale_s_items_changes_nothing(data: st.DataObject, method: str) -> None:
    values = sorted(
        one / 7
        for one in data.draw(st.sets(st.integers(-10_000_000, 10_000_000), min_size=2, max_size=4))
    )
    answers = data.draw(st.lists(st.none() | st.sampled_from(values), min_size=2, max_size=6))
    names = [f"i{place}" for place in range(len(answers))]
    shuffled = data.draw(st.permutations(names))
    plain = spec_of(len(answers), values, score=method)
    assert score(plain, answers) == score({**plain, "scales": [{**plain["scales"][0], "items": shuffled}]}, answers)  # fmt: skip


REFUSING: dict[str, Any] = {
    "items": [
        {"id": "a", "text": "t", "options": [{"value": 0}, {"value": 1}]},
        {"id": "b", "text": "t", "options": [{"value": 0}, {"value": 1}], "when": "a == 1"},
        {"id": "most", "text": "t", "options": [{"value": "x"}, {"value": "y"}]},
        {"id": "least", "text": "t", "options": [{"value": "x"}, {"value": "y"}], "distinctFrom": "most"},
    ],
    "scales": [{"id": "s", "items": ["a"], "score": "Sum"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "place", "code", "words"),
    [
        ({"a": 0, "b": 1}, "/answers/b", "NotShown", "this item was not shown"),
        ({"a": 0, "most": "x", "least": "x"}, "/answers/least", "NotDistinct", "the same option as the answer to most"),
    ],
)  # fmt: skip
def test_an_answer_that_the_form_excludes_is_refused_with_its_reason(
    answers: dict[str, Any], place: str, code: str, words: str
) -> None:
    with pytest.raises(InvalidAttempt) as caught:
        Packer(entry_of(REFUSING)).pack(Attempt(answers))
    (fault,) = caught.value.faults
    assert (fault.place, fault.code) == (place, code)
    assert words in fault.detail
    Packer(entry_of(REFUSING)).pack(Attempt({"a": 1, "b": 1, "most": "x", "least": "y"}))
