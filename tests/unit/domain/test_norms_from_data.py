"""Norms from data: who belongs to which group, what is left out, and parts that are merged."""

import math
import random
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stanine.domain.scoring.index import FormAttribute
from stanine.domain.statistics import norms as norms_from_data
from stanine.domain.statistics.norms import GroupingError, NormSums, ScoreFrequency, parse_by

ATTRIBUTES = (
    FormAttribute("sex", None, None, ("male", "female")),
    FormAttribute("grade", None, None, (1, 2, -3)),
    FormAttribute("age", None, "Integer", None),
    FormAttribute("weight", None, "Number", None),
    FormAttribute("city", None, "Text", None),
)


def groups_of(by: str, people: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    sums = NormSums(parse_by(by, ATTRIBUTES) if by else (), ["s"])
    sums.add(people, np.ones((len(people), 1)))
    return {one.group.id: one.group.where for one in sums.norms(1).groups}


def test_groups_say_whom_they_hold_in_the_order_of_their_values() -> None:
    assert groups_of("", [{}]) == {"everyone": {}}
    assert groups_of("sex", [{"sex": "female"}, {"sex": "male"}]) == {
        "male": {"sex": "male"},
        "female": {"sex": "female"},
    }
    assert groups_of("sex,age:10", [{"sex": "male", "age": 30}, {"sex": "male", "age": 29}]) == {
        "male_age_20_29": {"sex": "male", "age": [20, 29]},
        "male_age_30_39": {"sex": "male", "age": [30, 39]},
    }
    assert groups_of("age", [{"age": 31}]) == {"age_31": {"age": [31, 31]}}
    assert groups_of("age:5", [{"age": -1}]) == {"age_minus_5_minus_1": {"age": [-5, -1]}}
    assert groups_of("grade", [{"grade": -3}, {"grade": 2}]) == {
        "grade_2": {"grade": 2},
        "grade_minus_3": {"grade": -3},
    }
    assert groups_of("weight:2.5", [{"weight": 7.4999}, {"weight": 7.5}]) == {
        "weight_5_7_499999999": {"weight": [5, 7.499999999]},
        "weight_7_5_9_999999999": {"weight": [7.5, 9.999999999]},
    }


@given(
    st.integers(-99_999, 99_999).map(lambda x: x / 100),
    st.sampled_from(["0.01", "0.1", "0.3", "0.7", "2.5", "10"]),
)
@example(19.9, "0.1")
def test_a_class_holds_the_people_that_were_counted_in_it(weight: float, width: str) -> None:
    """Seen to fail: 19.9 in classes of 0.1 was in the class from 19.900000000000002."""
    ((low, high),) = [
        where["weight"] for where in groups_of(f"weight:{width}", [{"weight": weight}]).values()
    ]
    assert low <= weight <= high
    assert high - low == pytest.approx(float(width), abs=1e-8)
    assert round(low, 9) == low


def test_an_id_is_one_whatever_the_texts_are() -> None:
    cities = ["Köln", "K_ln", "2nd", "x" * 100, "'; no"]
    found = groups_of("city", [{"city": city} for city in cities])
    assert len(found) == 5
    assert all(
        name[0].isalpha()
        and name.replace("_", "a").isalnum()
        and name.isascii()
        and len(name) <= 64
        for name in found
    )


@pytest.mark.parametrize(
    ("by", "about"),
    [
        ("size", "no attribute"),
        ("", "no attribute"),
        ("sex,", "no attribute"),
        ("sex,sex", "twice"),
        ("sex:2", "no classes"),
        ("city:2", "no classes"),
        ("weight", "weight:10"),
        ("age:0", "above 0"),
        ("age:-5", "above 0"),
        ("age:x", "above 0"),
        ("age:nan", "above 0"),
        ("age:2.5", "whole"),
        ("weight:1e-7", "0.000001"),
        ("weight:1e300", "1000000000"),
        ("age:", "above 0"),
    ],
)
def test_what_people_cannot_be_grouped_by_is_refused(by: str, about: str) -> None:
    with pytest.raises(GroupingError, match=about):
        parse_by(by, ATTRIBUTES)


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_parts_come_to_what_all_people_come_to(seed: int, parts: int) -> None:
    rng = random.Random(seed)
    people = [
        {"sex": rng.choice(["male", "female"])} if rng.random() < 0.9 else {} for _ in range(40)
    ]
    scores = [rng.choice([0, 1, 2.5, math.nan]) for _ in people]
    sums = NormSums(parse_by("sex", ATTRIBUTES), ["s"])
    for part in np.array_split(np.arange(40), parts):
        other = NormSums(parse_by("sex", ATTRIBUTES), ["s"])
        other.add([people[at] for at in part], np.array([[scores[at]] for at in part]))
        sums.merge(other)
    found = sums.norms(5)
    assert found.without_attribute == sum(not one for one in people)
    for one in found.groups:
        own = [
            x
            for x, who in zip(scores, people, strict=True)
            if who.get("sex") == one.group.id and not math.isnan(x)
        ]
        assert one.size == sum(who.get("sex") == one.group.id for who in people)
        assert ("s" in one.scales) == (len(own) >= 5)
        if len(own) >= 5:
            its = one.scales["s"]
            assert its.n == len(own)
            assert its.mean == pytest.approx(statistics.fmean(own))
            assert its.sd == pytest.approx(statistics.stdev(own))
            assert its.frequencies == tuple(
                ScoreFrequency(x, own.count(x)) for x in sorted(set(own))
            )


def test_small_groups_are_named_and_not_shown() -> None:
    sums = NormSums(parse_by("sex", ATTRIBUTES), ["s", "t"])
    sums.add([{"sex": "male"}] * 3 + [{"sex": "female"}], np.array([[1, math.nan]] * 3 + [[2, 2]]))
    found = sums.norms(2)
    assert found.too_small == ("female",)
    assert [(one.group.id, list(one.scales)) for one in found.groups] == [("male", ["s"])]


def test_memory_is_bounded_in_groups_and_frequencies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(norms_from_data, "MAX_GROUPS", 3)
    monkeypatch.setattr(norms_from_data, "MAX_FREQUENCIES", 3)
    sums = NormSums((), ["s"])
    sums.add([{}] * 5, np.arange(5.0).reshape(-1, 1))
    sums.add([{}], np.array([[0.0]]))
    (one,) = sums.norms(1).groups
    assert (one.scales["s"].n, one.scales["s"].frequencies) == (6, None)
    assert one.scales["s"].mean == pytest.approx(10 / 6)
    by_age = NormSums(parse_by("age", ATTRIBUTES), ["s"])
    with pytest.raises(GroupingError, match="wider classes"):
        by_age.add([{"age": age} for age in range(4)], np.ones((4, 1)))


def test_equal_scores_count_as_one_to_nine_decimals() -> None:
    sums = NormSums((), ["s"])
    sums.add([{}] * 3, np.array([[0.3], [0.1 + 0.2], [-0.0]]))
    (one,) = sums.norms(1).groups
    assert one.scales["s"].frequencies == (ScoreFrequency(0.0, 1), ScoreFrequency(0.3, 2))


def test_figures_that_only_rounding_errors_keep_from_zero_are_stated_as_zero() -> None:
    """Seen to fail: a mean of 9e-18 was printed to be pasted, which a document cannot have."""

    def stated(*scores: float) -> tuple[float, float] | None:
        sums = NormSums((), ["s"])
        sums.add([{} for _ in scores], np.array(scores)[:, None])
        return sums.norms(1).groups[0].scales["s"].stated

    found = stated(-0.3, 0.1, 0.2, 0.2, 0.1, -0.3)
    assert found is not None
    assert found[0] == 0
    assert found[1] == pytest.approx(0.2366, abs=1e-4)
    assert stated(0.3, 0.1 + 0.2, 0.3) is None
    assert stated(1, 3) == (2, 2**0.5)
    assert stated(1) is None
