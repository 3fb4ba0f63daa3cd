"""The report of a re-scoring: merging summaries in any order and division gives one report, which is exact."""

import sys
from fractions import Fraction
from statistics import fmean

from hypothesis import given
from hypothesis import strategies as st

from stanine.domain.scoring.result import ProfileResult, Result, ScaleResult
from stanine.domain.statistics.rescoring import (
    ResultChanges,
    changes_of,
    decode_changes,
    encode_changes,
    merge_changes,
    report_of,
)

_numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9)
_scales = st.builds(
    ScaleResult,
    _numbers,
    st.integers(0, 3),
    st.just(3),
    st.sampled_from(["Scored", "TooFewAnswers"]),
    st.just((0.0, 9.0)),
    t=_numbers,
    band=st.sampled_from([None, "low", "high"]),
)
_profiles = st.builds(
    ProfileResult, st.just("Scored"), st.sampled_from([("a",), ("b",)]), st.booleans()
)
_results = st.builds(
    Result,
    st.dictionaries(st.sampled_from(["mood", "load"]), _scales),
    st.dictionaries(st.just("style"), _profiles),
)
_pairs = st.tuples(_results, _results)
_counts = st.integers(0, 5)
_summaries = st.builds(
    lambda pairs, *counts: merge_changes(changes_of(pairs), ResultChanges(*counts)),
    st.lists(_pairs, max_size=5), _counts, _counts, _counts, _counts, _counts, _counts, _counts,
)  # fmt: skip


@given(_summaries, _summaries, _summaries)
def test_merging_is_associative_and_commutative_bit_for_bit(
    one: ResultChanges, two: ResultChanges, three: ResultChanges
) -> None:
    left = merge_changes(merge_changes(one, two), three)
    assert left == merge_changes(one, merge_changes(two, three))
    assert left == merge_changes(three, merge_changes(two, one))
    assert merge_changes(one, ResultChanges()) == one


@given(st.lists(_pairs, max_size=12), st.integers(1, 5))
def test_a_report_does_not_depend_on_the_division_into_steps(
    pairs: list[tuple[Result, Result]], size: int
) -> None:
    merged = ResultChanges()
    for start in range(0, len(pairs), size):
        stored = encode_changes(merge_changes(merged, changes_of(pairs[start : start + size])))
        merged = decode_changes(stored)
    assert report_of(merged) == report_of(changes_of(pairs))


@given(st.lists(_pairs, max_size=12))
def test_figures_equal_those_of_all_changes_at_once(pairs: list[tuple[Result, Result]]) -> None:
    found = report_of(changes_of(pairs)).scales
    for scale in ("mood", "load"):
        both = [(a.scales.get(scale), b.scales.get(scale)) for a, b in pairs]
        changed = [pair for pair in both if pair[0] != pair[1]]
        assert (scale in found) == bool(changed)
        if not changed:
            continue
        assert found[scale].changed == len(changed)
        raws = [(a.raw if a else None, b.raw if b else None) for a, b in changed]
        assert found[scale].became_null == sum(a is not None and b is None for a, b in raws)
        assert found[scale].ceased_null == sum(a is None and b is not None for a, b in raws)
        by = [abs(b - a) for a, b in raws if a is not None and b is not None and a != b]
        if not by:
            continue
        by = [min(each, sys.float_info.max) for each in by]
        value = found[scale].values["raw"]
        assert value.changed == len(by)
        assert value.largest == max(by)
        assert value.mean == float(sum(map(Fraction, by)) / len(by))


def test_the_mean_of_many_small_changes_has_no_rounding_error() -> None:
    pairs = [
        (Result({"s": ScaleResult(0.0, 1, 1, "Scored")}), Result({"s": ScaleResult(x, 1, 1, "Scored")}))
        for x in (0.1, 1e16, 0.1, 3.0)
    ]  # fmt: skip
    assert report_of(changes_of(pairs)).scales["s"].values["raw"].mean == fmean(
        [0.1, 1e16, 0.1, 3.0]
    )
