"""Explanations: their figures are those of the kernel, on random documents with every feature."""

import math
import random
import struct
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from tests.unit.domain.formula_engine import batch_of, checked
from tests.unit.domain.formula_engine import result as result_of
from tests.unit.domain.formula_generator import random_formula, random_person, write
from tests.unit.domain.rich_documents import Drawn, drawn
from tests.unit.domain.test_exact import score

from stanine.domain.formulas.evaluation import evaluate
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.explanation import Explainer, ReaderRights
from stanine.domain.scoring.explanation_formula import FAILED, Inputs
from stanine.domain.scoring.explanation_formula import evaluate as evaluate_one
from stanine.domain.scoring.explanation_records import Explanation, ScaleExplanation
from stanine.domain.scoring.result import ScaleResult

ALL = ReaderRights(answers=True, formulas=True)


def explained(one: Drawn, reader: ReaderRights = ALL) -> list[tuple[Explanation, Any]]:
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
    if step.formula is not UNSET and step.rounding is UNSET:
        assert step.formula.value == step.raw
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


@settings(max_examples=30, deadline=None)
@given(drawn())
def test_a_sum_is_that_of_its_terms_in_exact_fractions(one: Drawn) -> None:
    for explanation, _ in explained(one):
        for step in explanation.scales:
            if step.sum is UNSET:
                continue
            its = [*(step.terms or ()), *(step.parts or ())]
            total = sum((Fraction(term.adds) for term in its if term.adds is not None), Fraction())
            assert abs(step.sum.sum - float(total)) <= 1e-9 * max(1.0, abs(float(total)))


@settings(max_examples=30, deadline=None)
@given(drawn())
def test_an_explanation_survives_json(one: Drawn) -> None:
    for explanation, _ in explained(one):
        data = msgspec.json.encode(explanation)
        assert msgspec.json.decode(data, type=Explanation) == explanation


@settings(max_examples=30, deadline=None)
@given(drawn())
def test_without_the_right_to_answers_no_answer_attribute_or_formula_is_shown(one: Drawn) -> None:
    for explanation, _ in explained(one, ReaderRights(answers=False, formulas=False)):
        shown = msgspec.to_builtins(explanation)
        for step in shown["scales"]:
            assert all("answer" not in term for term in step.get("terms", ()))
            formula = step.get("formula", {"names": []})
            assert "text" not in formula
            assert all("text" not in name for name in formula["names"])
            for part in (step.get("norm", {}), step.get("band", {})):
                for group in part.get("groups", ()):
                    assert all("value" not in clause for clause in group["clauses"])


@settings(max_examples=600, deadline=None)
@given(st.integers(0, 2**64), st.booleans())
def test_a_formula_comes_to_the_same_bits_one_by_one_as_in_a_batch(
    seed: int, pass_over: bool
) -> None:
    rng = random.Random(seed)
    formula = checked(write(random_formula(rng), rng))
    people = [random_person(rng) for _ in range(8)]
    batch = batch_of(people)
    outcome = evaluate(formula, batch, 0 if pass_over else None)
    for row in range(len(people)):

        def look_up(x: float) -> float | None:
            found = float(batch.lookups["mood"](np.array([x]))[0])
            return None if math.isnan(found) else found

        inputs = Inputs(
            {
                name: None if one.null[row] else float(one.values[row])
                for name, one in batch.numbers.items()
            },
            {
                name: None if one.null[row] else one.values[one.codes[row]]
                for name, one in batch.values.items()
            },
            {name: bool(one[row]) for name, one in batch.answered.items()},
            {"mood": look_up},
        )
        found = evaluate_one(formula.tree, inputs, pass_over=pass_over)
        wanted = result_of(outcome, row)
        if isinstance(wanted, float):
            assert isinstance(found, float)
            assert struct.pack("<d", found) == struct.pack("<d", wanted), formula
        else:
            assert {"null": None, "failed": FAILED}[wanted] is found, formula
