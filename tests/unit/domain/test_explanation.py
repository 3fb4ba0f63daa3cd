"""Explanations: their figures are those of the kernel, on random documents with every feature."""

from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given, settings
from msgspec import UNSET
from tests.unit.domain.rich_documents import Drawn, drawn
from tests.unit.domain.test_exact import score

from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.explanation import Explainer, Reader
from stanine.domain.scoring.explanation_records import Explanation, ScaleExplanation
from stanine.domain.scoring.result import ScaleResult

ALL = Reader(answers=True, formulas=True)


def explained(one: Drawn, reader: Reader = ALL) -> list[tuple[Explanation, Any]]:
    _, packed, bodies, results = score(one)
    explainer = Explainer(parse_instrument(one.document))
    return [
        (explainer.explain(row, attributes, body, reader), result)
        for row, body, (_, attributes), result in zip(
            packed, bodies, one.people, results, strict=True
        )
    ]


def figures_agree(step: ScaleExplanation, found: ScaleResult) -> None:
    assert step.agrees, step
    assert (step.raw, step.status, step.valid, step.items) == (
        found.raw,
        found.status,
        found.valid,
        found.items,
    )
    if step.raw is not None and step.sum is not UNSET and step.rounding is UNSET:
        assert step.sum.before_rounding == step.raw
    for unit in ("z", "t", "sten", "stanine", "percentile"):
        value = getattr(found, unit)
        if value is not UNSET and step.standard is not UNSET:
            assert step.standard.get(unit.title(), value) == value
    if step.lookup is not UNSET:
        assert step.lookup.score == found.score
    if step.norm is not UNSET:
        assert step.norm.group == found.norm
        assert [one.matches for one in step.norm.groups].count(True) == (found.norm is not None)
    if step.band is not UNSET:
        assert step.band.band == found.band
    if step.error is not UNSET:
        assert (step.error.se, step.error.low, step.error.high) == (found.se, found.low, found.high)


@settings(max_examples=400, deadline=None)
@given(drawn())
def test_every_step_leads_to_the_score_of_the_kernel(one: Drawn) -> None:
    for explanation, result in explained(one):
        steps = {step.id: step for step in explanation.scales}
        assert all(step.agrees for step in steps.values())
        for name, found in result.scales.items():
            figures_agree(steps[name], found)
        for profile in explanation.profiles:
            found = result.profiles[profile.id]
            code = None if found.code is None else list(found.code)
            assert (profile.status, profile.code, profile.tied) == (found.status, code, found.tied)


@settings(max_examples=100, deadline=None)
@given(drawn())
def test_a_sum_is_that_of_its_terms_in_exact_fractions(one: Drawn) -> None:
    for explanation, _ in explained(one):
        for step in explanation.scales:
            if step.sum is UNSET:
                continue
            its = [*(step.terms or ()), *(step.parts or ())]
            total = sum((Fraction(term.adds) for term in its if term.adds is not None), Fraction())
            assert abs(step.sum.sum - float(total)) <= 1e-9 * max(1.0, abs(float(total)))


@settings(max_examples=100, deadline=None)
@given(drawn())
def test_an_explanation_survives_json(one: Drawn) -> None:
    for explanation, _ in explained(one):
        data = msgspec.json.encode(explanation)
        assert msgspec.json.decode(data, type=Explanation) == explanation


@settings(max_examples=100, deadline=None)
@given(drawn())
def test_without_the_right_to_answers_no_answer_attribute_or_formula_is_shown(one: Drawn) -> None:
    for explanation, _ in explained(one, Reader(answers=False, formulas=False)):
        shown = msgspec.to_builtins(explanation)
        for step in shown["scales"]:
            assert all("answer" not in term for term in step.get("terms", ()))
            formula = step.get("formula", {"names": []})
            assert "text" not in formula
            assert all("text" not in name for name in formula["names"])
            for part in (step.get("norm", {}), step.get("band", {})):
                for group in part.get("groups", ()):
                    assert all("value" not in clause for clause in group["clauses"])
