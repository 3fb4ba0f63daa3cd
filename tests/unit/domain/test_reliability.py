"""Reliability from data: each figure beside its definition computed the long way; parts merged are the whole."""

import math
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stanine.domain.statistics.moments import Covariances, Moments
from stanine.domain.statistics.reliability import (
    ItemData,
    Reliability,
    analyse,
    cronbach_alpha,
    feldt_interval,
)

#: People by items, answers from 1 to 5, some missing.
TABLES = st.integers(2, 5).flatmap(
    lambda items: st.lists(
        st.lists(st.sampled_from([1, 2, 3, 4, 5, None]), min_size=items, max_size=items),
        min_size=3,
        max_size=40,
    )
)


def array(rows: Any) -> Any:
    return np.array([[math.nan if x is None else float(x) for x in row] for row in rows])


def figures(rows: Any, parts: int = 1, level: float = 0.95) -> Reliability:
    table = array(rows)
    data = ItemData.nothing(table.shape[1])
    for part in np.array_split(table, parts):
        complete = ~np.isnan(part).any(axis=1)
        data = data.merged(ItemData.of(part, np.where(complete, part.sum(axis=1), np.nan)))
    return analyse(data, tuple(f"i{at}" for at in range(table.shape[1])), level)


def covariance(rows: Any, one: int, other: int) -> float:
    both = [
        (row[one], row[other]) for row in rows if row[one] is not None and row[other] is not None
    ]
    return statistics.covariance([x for x, _ in both], [y for _, y in both])


def alpha_of(rows: Any) -> float | None:
    """Return alpha by its definition; each covariance over the people who have both."""
    k = len(rows[0])
    matrix = [[covariance(rows, one, other) for other in range(k)] for one in range(k)]
    total = sum(map(sum, matrix))
    return (
        None if total < 1e-9 else k / (k - 1) * (1 - sum(matrix[at][at] for at in range(k)) / total)
    )


def approx(x: float | None) -> Any:
    return None if x is None else pytest.approx(x, rel=1e-9, abs=1e-9)


@given(TABLES, st.integers(1, 4))
def test_every_figure_is_what_its_definition_says(rows: Any, parts: int) -> None:
    k = len(rows[0])
    complete = [row for row in rows if None not in row]
    assume(len(complete) >= 2)
    found = figures(rows, parts)
    assert (found.k, found.n_listwise, found.n) == (k, len(complete), len(complete))
    alpha = alpha_of(complete)
    assert found.alpha_listwise == approx(alpha)
    assert found.alpha_pairwise == approx(alpha_of(rows))
    sums = [sum(row) for row in complete]
    assert found.mean == approx(statistics.fmean(sums))
    assert found.sd == approx(statistics.stdev(sums))
    assert found.sem == approx(
        None if alpha is None else statistics.stdev(sums) * math.sqrt(1 - alpha)
    )
    for at, (name, item) in enumerate(found.items.items()):
        own = [row[at] for row in rows if row[at] is not None]
        assert (item.n, item.mean, item.sd) == (
            len(own),
            approx(statistics.fmean(own)),
            approx(statistics.stdev(own)),
        )
        x, rest = [row[at] for row in complete], [sum(row) - row[at] for row in complete]
        varies = len(set(x)) > 1 and len(set(rest)) > 1
        assert item.item_rest_r == approx(statistics.correlation(x, rest) if varies else None)
        assert item.alpha_dropped == approx(
            alpha_of([[*row[:at], *row[at + 1 :]] for row in complete]) if k > 2 else None
        )
        assert (found.item_rest_r[name], found.alpha_dropped[name]) == (
            item.item_rest_r,
            item.alpha_dropped,
        )


def test_what_the_data_do_not_give_is_none() -> None:
    alone = figures([[1], [2], [3]])
    assert (alone.alpha_listwise, alone.alpha_pairwise, alone.interval_listwise, alone.sem) == (
        None,
        None,
        None,
        None,
    )
    assert alone.item_rest_r == {"i0": None}
    equal = figures([[3, 3], [3, 3]])
    assert (equal.n, equal.sd, equal.alpha_listwise) == (2, 0, None)
    one_person = figures([[1, 2]])
    assert (one_person.n, one_person.mean, one_person.sd, one_person.alpha_listwise) == (
        1,
        3,
        None,
        None,
    )
    nobody = figures([[None, None]])
    assert (nobody.n, nobody.mean, nobody.items["i0"].mean) == (0, None, None)
    apart = figures([[1, None], [2, None], [None, 1], [None, 2]])  # no person has both
    assert (apart.n_pairwise, apart.alpha_pairwise) == (0, None)


def test_alpha_may_be_negative() -> None:
    found = figures([[1, 5], [5, 2], [3, 3], [2, 4]])
    assert found.alpha_listwise is not None
    assert found.alpha_listwise < 0
    assert found.sem is not None
    assert found.sd is not None
    assert found.sem > found.sd


def test_the_interval_is_that_which_pingouin_documents() -> None:
    # pingouin.cronbach_alpha, example cronbach_wide_missing: 12 people, 11 items
    assert feldt_interval(0.732660835214447, 12, 11, 0.95) == pytest.approx(
        (0.435, 0.909), abs=0.0005
    )


def test_a_wider_level_makes_a_wider_interval() -> None:
    inner, outer = feldt_interval(0.8, 100, 10, 0.9), feldt_interval(0.8, 100, 10, 0.99)
    assert inner is not None
    assert outer is not None
    assert outer[0] < inner[0] < 0.8 < inner[1] < outer[1] < 1


@given(TABLES, st.integers(1, 6))
def test_merged_parts_are_the_whole_far_from_zero_too(rows: Any, parts: int) -> None:
    table = array(rows)
    moments, covariances = Moments.nothing(table.shape[1]), Covariances.nothing(table.shape[1])
    for part in np.array_split(table + 1e9, parts):
        moments, covariances = (
            moments.merged(Moments.of(part)),
            covariances.merged(Covariances.of(part)),
        )
    near, whole = Moments.of(table), Covariances.of(table)
    np.testing.assert_array_equal(moments.n, near.n)
    np.testing.assert_allclose(moments.sd, near.sd, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(covariances.n, whole.n)
    np.testing.assert_allclose(covariances.matrix, whole.matrix, rtol=1e-6, atol=1e-6)


def test_alpha_of_parallel_items_is_spearman_and_brown_s() -> None:
    r, k = 0.3, 7
    matrix = np.full((k, k), r) + np.eye(k) * (1 - r)
    assert cronbach_alpha(matrix) == pytest.approx(k * r / (1 + (k - 1) * r))
