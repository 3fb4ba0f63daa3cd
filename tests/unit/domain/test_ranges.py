"""The range of a scale against all its answers tried one by one, and tables against all raw scores that can be reached."""

import copy
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.domain.rich_documents import item, item_scale

from stanine.domain.errors import InvalidDocument
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.instruments.item_forms import resolve
from stanine.domain.instruments.reachable_scores import Effort, reachable
from stanine.domain.scoring.compiler import NOT_SHOWN, OMITTED
from stanine.domain.scoring.index import build_entry
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import Status
from stanine.domain.scoring.scale_ranges import ranged_items
from stanine.domain.scoring.scale_terms import terms_of
from stanine.domain.scoring.selections import Candidate, cheapest

#: Answers to all items together that are tried.
_TRIED = 20_000


def document(items: list[dict[str, Any]], scale: dict[str, Any]) -> dict[str, Any]:
    spec = {
        "title": "X",
        "items": items,
        "scales": [scale],
        "attributes": [{"id": "years", "type": "Integer"}],
    }
    return {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": "x"},
        "spec": spec,
    }


@st.composite
def small(draw: st.DrawFn) -> dict[str, Any]:
    items = []
    for n in range(draw(st.integers(1, 4))):
        one = draw(item(f"i{n}").filter(lambda one: one["type"] not in ("Text", "Date")))
        if draw(st.booleans()):
            one["when"] = "years > 3"
        items.append(one)
    scale = draw(item_scale("s", items))
    return document(
        items,
        {
            name: value
            for name, value in scale.items()
            if name not in ("norms", "lookup", "bands", "report", "standard", "interval")
        },
    )


def every_answer(entry: Any) -> Any:
    """Return all rows of codes; None where they are too many, or an answer takes several bytes."""
    choices = []
    for cell, one in zip(entry.plan.cells, entry.items, strict=True):
        if cell.kind != "Code":
            return None
        codes = [*range(cell.count), OMITTED, *([NOT_SHOWN] if one.conditions else [])]
        if one.type == "Multiple":  # those that may be chosen
            codes = [code for code in codes if code >= cell.count or _may_choose(entry, one, code)]
        choices.append(codes)
    if np.prod([len(codes) for codes in choices]) > _TRIED:
        return None
    return np.array(list(itertools.product(*choices)), np.uint8)


def _may_choose(entry: Any, one: Any, code: int) -> bool:
    options = entry.option_sets[one.options]
    chosen = [place for place in range(len(options)) if code >> place & 1]
    if any(options[place].exclusive or options[place].missing for place in chosen):
        return len(chosen) == 1
    return bool(one.min_chosen <= len(chosen) <= one.max_chosen)


@settings(max_examples=400, deadline=None)
@given(small())
def test_a_range_is_from_the_lowest_to_the_highest_score_of_all_answers(
    plain: dict[str, Any],
) -> None:
    entry = build_entry(parse_instrument(plain), number=1, revision=1, form=1, digest="")
    rows = every_answer(entry)
    if rows is None:
        return
    scores = Kernel(entry.plan).score(rows).table
    raws = scores["raw"][scores["status"] == Status.SCORED]
    found = entry.plan.scales[0].range
    if len(raws) == 0:
        return
    assert found is not None
    scale = plain["spec"]["scales"][0]
    several_of_one = any("." in name and name.endswith(".b") for name in scale.get("items", []))
    # With excluded items that weigh differently, are made up for, or have several terms, the range is a safe bound.
    exact = not (
        entry.plan.scales[0].excludes and ({"weights", "unanswered"} & set(scale) or several_of_one)
    )
    if exact:
        assert found == pytest.approx((raws.min(), raws.max()), rel=1e-12, abs=1e-12)
    assert found[0] - 1e-9 <= raws.min()
    assert raws.max() <= found[1] + 1e-9


@settings(max_examples=200, deadline=None)
@given(small(), st.data())
def test_a_table_is_taken_exactly_if_no_score_that_can_be_reached_misses_it(
    plain: dict[str, Any], data: st.DataObject
) -> None:
    entry = build_entry(parse_instrument(plain), number=1, revision=1, form=1, digest="")
    rows = every_answer(entry)
    if rows is None:
        return
    scores = Kernel(entry.plan).score(rows).table
    raws = sorted(
        {round(float(raw), 9) + 0.0 for raw in scores["raw"][scores["status"] == Status.SCORED]}
    )
    if not raws or len(raws) > 200:
        return
    whole = copy.deepcopy(plain)
    whole["spec"]["scales"][0]["lookup"] = [{"raw": raw, "score": 1} for raw in raws]
    parse_instrument(whole)
    gone = data.draw(st.integers(0, len(raws) - 1))
    del whole["spec"]["scales"][0]["lookup"][gone]
    whole["spec"]["scales"][0]["lookup"].append({"raw": 12345, "score": 1})
    with pytest.raises(InvalidDocument) as caught:
        parse_instrument(whole)
    assert [fault.code for fault in caught.value.faults] == ["RangesGap"]


def test_the_range_of_a_formula_with_min_valid_includes_lists_that_lack_answers() -> None:
    """Seen to fail: the range of sum(a, b) was [2, 6], so Percent of one answer of 1 was -25."""
    options = [{"value": x} for x in (1, 2, 3)]
    items = [{"id": name, "text": "t", "options": options} for name in "ab"]
    plain = document(items, {"id": "s", "formula": "sum(a, b)", "minValid": 1})
    plain["spec"]["scales"].append({"id": "c", "items": ["s"], "score": "Percent"})
    entry = build_entry(parse_instrument(plain), number=1, revision=1, form=1, digest="")
    assert [scale.range for scale in entry.plan.scales] == [(0, 6), (0, 100)]
    scores = Kernel(entry.plan).score(np.array([[0, OMITTED]], np.uint8)).table
    assert scores["raw"][0].tolist() == [1, pytest.approx(100 / 6)]
    plain["spec"]["scales"][0] |= {"round": "HalfUp", "lookup": [{"from": 2, "score": 1}]}
    with pytest.raises(InvalidDocument) as caught:
        parse_instrument(plain)
    assert [fault.code for fault in caught.value.faults] == ["RangesGap"]


def test_the_terms_of_an_item_are_answered_together_in_a_range() -> None:
    """Seen to fail: the range ended at 7.1, but 4 + 2.5 of 2.25 from 2.55 is 7.37."""
    ranking = {"id": "r", "text": "t", "type": "Ranking", "options": [{"value": x} for x in "ab"]}
    number = {"id": "n", "text": "t", "type": "Number", "min": 0, "max": 10, "integer": True}
    choice = {"id": "c", "text": "t", "options": [{"value": x} for x in "wxyz"]}
    scale = {
        "id": "s",
        "items": ["r.a", "-r.b", "-n"],
        "points": {"c": [1.5, 0.5, 1.5, 2]},
        "score": "Sum",
        "minValid": 3,
        "weights": {"n": 0.25, "c": 0.3},
    }
    entry = build_entry(
        parse_instrument(document([number, ranking, choice], scale)),
        number=1,
        revision=1,
        form=1,
        digest="",
    )
    assert entry.plan.scales[0].range == pytest.approx((2.15, 2.55 * 6.5 / 2.25))
    rows = every_answer(entry)
    scores = Kernel(entry.plan).score(rows).table
    raws = scores["raw"][scores["status"] == Status.SCORED]
    assert entry.plan.scales[0].range == pytest.approx((raws.min(), raws.max()))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 6), st.integers(1, 4)), min_size=1, max_size=8),
    st.integers(0, 12),
)
def test_the_cheapest_selection_is_that_of_all_selections(
    items: list[tuple[int, int]], needed: int
) -> None:
    candidates = [Candidate(cost, place, terms) for place, (cost, terms) in enumerate(items)]
    selections = [
        those
        for count in range(len(items) + 1)
        for those in itertools.combinations(candidates, count)
        if sum(one.terms for one in those) >= needed
    ]
    found = cheapest(candidates, needed)
    assert found is not None
    assert len(set(found)) == len(found)
    if not selections:
        assert sorted(found) == list(range(len(items)))
        return
    assert sum(items[place][1] for place in found) >= needed
    lowest = min(sum(one.cost for one in those) for those in selections)
    assert sum(items[place][0] for place in found) == lowest


def test_a_range_with_too_many_combinations_is_a_safe_bound() -> None:
    candidates = [Candidate(1.0, place, 1 + place % 5) for place in range(200)]
    assert cheapest(candidates, 300) is None
    assert cheapest(candidates, 0) == []


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(-5, 105), min_size=1, max_size=6, unique=True),
    st.lists(
        st.sampled_from([("below", "from"), ("to", "above"), ("below", "above")]),
        min_size=6,
        max_size=6,
    ),
)
def test_a_table_of_rounded_scores_misses_the_steps_that_no_row_contains(
    tenths: list[int], kinds: list[tuple[str, str]]
) -> None:
    cuts = [(x / 10, *kind) for x, kind in zip(sorted(tenths), kinds, strict=False)]
    rows = [
        {begins: low, ends: high, "score": 1}
        for (low, _, begins), (high, ends, _) in itertools.pairwise(cuts)
    ]
    rows.append({cuts[-1][2]: cuts[-1][0], "score": 1})

    def has(row: dict[str, Any], x: float) -> bool:
        return (
            x >= row.get("from", x)
            and x <= row.get("to", x)
            and ("above" not in row or x > row["above"])
            and ("below" not in row or x < row["below"])
        )

    missed = [x / 10 for x in range(101) if not any(has(row, x / 10) for row in rows)]
    number = {"id": "n", "text": "t", "type": "Number", "min": 0, "max": 10}
    scale = {"id": "s", "formula": "n", "round": {"mode": "Down", "decimals": 1}, "lookup": rows}
    if not missed:
        parse_instrument(document([number], scale))
        return
    with pytest.raises(InvalidDocument) as caught:
        parse_instrument(document([number], scale))
    (fault,) = caught.value.faults
    assert fault.code == "RangesGap"
    named = ", ".join(f"{x:.10g}" for x in missed[:3]) + (", …" if len(missed) > 3 else "")
    assert fault.detail.endswith(f": {named}")


def test_a_table_of_a_wide_range_needs_no_row_between_two_steps() -> None:
    number = {"id": "n", "text": "t", "type": "Number", "min": 0, "max": 1_000_000_000}
    rows = [{"to": 5.00000001, "score": 1}, {"from": 5.00000002, "score": 2}]
    scale = {
        "id": "s",
        "formula": "n",
        "round": {"mode": "HalfUp", "decimals": 8},
        "lookup": rows,
    }
    parse_instrument(document([number], scale))
    rows[1]["from"] = 5.00000003
    with pytest.raises(InvalidDocument) as caught:
        parse_instrument(document([number], scale))
    assert "no row: 5.00000002" in str(caught.value.faults[0])


def test_the_enumeration_of_raw_scores_is_bounded_for_a_whole_document() -> None:
    """Seen to fail: 500 such scales kept a process busy for minutes."""
    options = [{"value": x} for x in range(11)]
    names = [f"i{n}" for n in range(30)]
    items = [{"id": name, "text": "t", "options": options} for name in names]
    plain = document(items, {})

    def scores(effort: Effort, weights: dict[str, Any]) -> list[float] | None:
        scale = {"id": "s", "items": names, "score": "Sum", "weights": weights}
        plain["spec"]["scales"] = [scale]
        spec = parse_instrument(plain).spec
        forms = resolve(spec)
        terms = terms_of(spec.scales[0], forms)
        return reachable(ranged_items(spec.scales[0], spec, forms, terms), terms, effort)

    odd: dict[str, Any] = {name: 1 + place / 7 for place, name in enumerate(names)}
    effort = Effort(200_000)
    assert scores(effort, {}) == list(range(301))
    assert scores(effort, odd) is None
    assert effort.left < 0
    assert scores(effort, {}) == list(range(301))
