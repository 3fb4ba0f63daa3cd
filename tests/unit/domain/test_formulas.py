"""Formulas: what they come to, beside the slow evaluator; how they bind; how null and failure spread."""

import random
import re
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stanine.domain.errors import Faults
from stanine.domain.formulas.bounds import bounds
from stanine.domain.formulas.checking import check_condition, check_formula
from stanine.domain.formulas.columns import Batch, NumberColumn, ValueColumn
from stanine.domain.formulas.conditions import compile_condition
from stanine.domain.formulas.dependencies import order
from stanine.domain.formulas.evaluation import evaluate
from stanine.domain.formulas.names import Named, Names
from stanine.domain.formulas.tree import Formula, Match, Null, Number, Reference, Text

from . import formula_generator as generator
from . import formula_reference as reference
from .formula_engine import batch_of, checked, judge, result
from .formula_generator import NAMES, random_formula, random_person, write

DOCUMENTATION = Path(__file__).parents[3] / "docs/reference/formulas.md"


def come_to(
    text: str, person: dict[str, Any] | None = None, min_valid: int | None = None, **known: Any
) -> Any:
    """Return what a formula comes to for one person: a number, "null", "failed" or "few"."""
    everyone = random_person(random.Random(0)) | dict.fromkeys(
        (*generator.ITEMS, *generator.ATTRIBUTES, *generator.SCORES)
    )
    outcome = evaluate(checked(text), batch_of([everyone | (person or {}) | known]), min_valid)
    return result(outcome, 0)


@settings(max_examples=400)
@given(st.integers(0, 2**64), st.booleans())
def test_random_formulas_come_to_what_the_slow_evaluator_says(seed: int, pass_over: bool) -> None:
    rng = random.Random(seed)
    tree = random_formula(rng)
    judge(tree, write(tree, rng), [random_person(rng) for _ in range(8)], pass_over=pass_over)


@pytest.mark.slow
def test_a_hundred_thousand_more_random_formulas_do() -> None:
    rng = random.Random(1)
    judged = 0
    for _ in range(10_000):
        tree = random_formula(rng, 5)
        text = write(tree, rng)
        if len(text) <= 4096 and generator.depth_of(text) <= 32:
            judged += judge(
                tree, text, [random_person(rng) for _ in range(20)], pass_over=rng.random() < 0.5
            )
    assert judged > 100_000


@given(st.integers(0, 2**64), st.booleans())
def test_a_person_s_bits_are_the_same_in_any_batch(seed: int, pass_over: bool) -> None:
    rng = random.Random(seed)
    formula = checked(write(random_formula(rng), rng))
    people = [random_person(rng) for _ in range(9)]
    min_valid = 1 if pass_over else None
    together = evaluate(formula, batch_of(people), min_valid)
    for row, person in enumerate(people):
        alone = evaluate(formula, batch_of([person]), min_valid)
        assert [column[0].tobytes() for column in alone] == [
            column[row].tobytes() for column in together
        ]


@given(st.integers(0, 2**64))
def test_a_formula_stays_within_its_bounds(seed: int) -> None:
    rng = random.Random(seed)
    formula = checked(write(random_formula(rng), rng))
    pass_over = rng.random() < 0.5
    its_bounds = {
        "p1": (0, 3),
        "p2": (0, 3),
        "p3": (0, 3),
        "p4": (-1, 1.5),
        "n1": (0, 40),
        "m1.a": (0, 1),
        "m1.b": (0, 1),
        "r1.f": (1, 2),
    }
    found = bounds(
        formula,
        its_bounds | {"mood": (0, 7), "years": (0, 40)},
        {"mood": (21.5, 61)},
        pass_over=pass_over,
    )  # mood.t: unbounded
    if found is None:
        return
    outcome = evaluate(
        formula, batch_of([random_person(rng) for _ in range(20)]), 0 if pass_over else None
    )
    values = outcome.values[~outcome.null & ~outcome.division]
    assert ((found[0] <= values) & (values <= found[1])).all()


def test_bounds_are_those_of_the_operation() -> None:
    known = {"p1": (0, 3), "p2": (0, 3)}
    for text, expected in [
        ("p1 - p2", (-3, 3)),
        ("p1 * -p2", (-9, 0)),
        ("p1 / (p2 + 1)", (0, 3)),
        ("p1 / p2", None),
        ("if(p1 > 1, 10, null)", (10, 10)),
        ("count(p1, p2 >= 2)", (0, 2)),
        ("mean(p1, p2)", (0, 3)),
        ("round(p1 / 2, Up)", (0, 2)),
        ("abs(p1 - 2)", (0, 2)),
        ("max(p1, 2)", (2, 3)),
        ("years", None),
        ("null", None),
        ("p1 and p2", (0, 1)),
    ]:
        assert bounds(checked(text), known) == expected, text


# How they bind ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("10 - 3 - 2", 5),
        ("12 / 3 / 2", 2),
        ("12 / (3 / 2)", 8),
        ("2 * -3 + 1", -5),
        ("- 2 * 3", -6),
        ("--3 - -+3", 6),
        ("1 + 1 == 2", 1),
        ("not 1 == 2", 1),
        ("not 0 and 0", 0),
        ("not (0 and 0)", 1),
        ("1 or 1 and 0", 1),
        ("(1 or 1) and 0", 0),
        ("not not 5", 1),
        ("not not not 5", 0),
        ("1 > 0 and 2 > 1 or 1 / 0", 1),
        ("(1 < 2) + (2 < 3)", 2),
        (".5 + 5.", 5.5),
        ("count(1, 2, 3 >= 1 + 1)", 2),
        ("count((1 > 0), 0 == 1)", 1),
        ("0.1 + 0.2 == 0.3", 1),
        ("if(0.1 + 0.2 - 0.3, 1, 2)", 2),
        ("1 / 3 == 0.333333333", 1),
        ("0.0000000004 == 0", 1),
        ("0.0000000006 == 0", 0),
        ("round(2.5, HalfUp)", 3),
        ("round(2.5, HalfEven)", 2),
        ("round(-2.5, HalfUp)", -2),
        ("round(-2.5, Up)", -2),
        ("round(-2.5, Down)", -3),
        ("round(0.3 / 0.1, Down)", 3),
        ("round(1.005, HalfUp, 2)", 1.01),
        ("round(12.25, Up, 1)", 12.3),
        ("-0", 0),
        ("if(1, 2, 3)", 2),
        ("lookup(1 + 1, mood)", 60),
        ("max(1, 3, 2) - min(4, 2)", 1),
        ("mean(1, 2) + sum(1, 2)", 4.5),
        ("\n\t 1\r\n+ 1 ", 2),
    ],
)
def test_operators_bind_as_the_contract_says(text: str, value: float) -> None:
    assert come_to(text) == value
    assert struct.pack("<d", come_to(text)) == struct.pack("<d", float(value))  # no -0.0


# Null, failure and short circuit ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("p1 + 1", "null"),
        ("null", "null"),
        ("p1 == null", "null"),
        ("p1 and 0", 0),
        ("0 and p1", 0),
        ("p1 and 1", "null"),
        ("p1 or 1", 1),
        ("p1 or 0", "null"),
        ("not p1", "null"),
        ("if(1, 2, p1)", 2),
        ("if(0, p1, 2)", 2),
        ("if(p1, 2, 2)", "null"),
        ("count(p1, p2 >= 2)", "null"),
        ("mean(p1, p2)", "null"),
        ("answered(p1, p2, note)", 1),
        ("answered(p1..note)", 2),
        ("answered(p2, p2, p2..p3)", 1),
        ("lookup(7, mood)", "null"),
        ("lookup(0.5, mood)", "null"),
        ("1 / 0", "failed"),
        ("0 / 0", "failed"),
        ("1 / (p2 - 2)", "failed"),
        ("if(p2 == 2, 5, 1 / (p2 - 2))", 5),
        ("if(p2 == 2, 1 / (p2 - 2), 5)", "failed"),
        ("if(p2 == 1, 1 / (p2 - 2), 5)", 5),
        ("0 and 1 / 0", 0),
        ("1 or 1 / 0", 1),
        ("1 / 0 and 0", "failed"),
        ("1 and 1 / 0", "failed"),
        ("p1 + 1 / 0", "null"),
        ("1 / 0 + p1", "null"),
        ("if(1 / 0, p1, p1)", "failed"),
        ("c1 == 'a'", 0),
        ("c1 != 'a'", 1),
        ("sex == 'male'", "null"),
        ("x1 == 'other'", "null"),
    ],
)
def test_null_and_failure_go_as_far_as_the_contract_says(text: str, value: Any) -> None:
    assert come_to(text, p2=2, c1="b", x1=("missing", "dk")) == value


def test_a_number_that_is_not_finite_is_a_division_by_zero() -> None:
    huge = "9" * 300
    assert come_to(f"{huge} * {huge}") == "failed"
    assert come_to(f"1 / ({huge} * {huge})") == "failed"
    assert come_to(f"if(1, 3, {huge} * {huge})") == 3


def test_with_min_valid_lists_pass_over_what_is_missing() -> None:
    for text, value in [
        ("sum(p1..p3)", 3),
        ("mean(p1..p3)", 1.5),
        ("min(p1..p3)", 1),
        ("max(p1..p3)", 2),
        ("count(p1..p3 >= 2)", 1),
        ("p1 + p2 + p3", "null"),
        ("count(p1..p3 >= p2)", "null"),
        ("sum(p2, p4) + p1 + p3", "few"),
    ]:
        assert come_to(text, min_valid=2 if "p4" not in text else 3, p1=1, p3=2) == value, text
    assert come_to("sum(p1, p2)", min_valid=0) == "null", "nothing at all is no zero"
    assert come_to("sum(p1..p3) + years", min_valid=2, p1=1, years=30) == "few", (
        "an attribute is no item"
    )


def test_what_counts_as_valid_is_given_with_the_column() -> None:
    formula = checked("sum(p1, p2, p2) + years + answered(m1)")
    assert (formula.names, formula.items) == (("p1", "p2", "years", "m1"), ("p1", "p2", "m1"))
    ones, no, yes = np.ones(1), np.array([False]), np.array([True])
    batch = Batch(
        1,
        {
            "p1": NumberColumn(ones, no, no),
            "p2": NumberColumn(ones, no),
            "years": NumberColumn(ones, no),
        },
        {},
        {"m1": yes},
    )
    outcome = evaluate(formula, batch, 3)
    assert (outcome.valid[0], outcome.too_few[0], outcome.values[0]) == (3, True, 5)


def test_the_criteria_of_the_design_come_to_what_it_says() -> None:
    names = Names(items={"s1": Named("Number"), "s2": Named("Number")})
    formula = checked("count(s1..s2 >= 2) >= 1 and s1 >= 1", names)
    no, yes = np.array([False, False]), np.array([True, False])
    batch = Batch(
        2,
        {
            "s1": NumberColumn(np.array([2.0, 2.0]), no),
            "s2": NumberColumn(np.array([np.nan, 0.0]), yes),
        },
    )
    outcome = evaluate(formula, batch)
    assert [result(outcome, row) for row in range(2)] == ["null", 1]
    assert (outcome.valid.tolist(), len(formula.names)) == ([1, 2], 2)
    assert bounds(formula, {"s1": (0, 3), "s2": (0, 3)}) == (0, 1)


def test_the_examples_of_the_documentation_come_to_what_it_says() -> None:
    examples = re.findall(
        r"^\| `(.+)` \| (\S+) \|$",
        DOCUMENTATION.read_text().partition("## Examples")[2],
        re.MULTILINE,
    )
    assert len(examples) == 14
    names = Names(
        items={f"s{at}": Named("Number") for at in (1, 2, 3)},
        attributes={"sex": Named("Text", ("female", "male"))},
    )
    no, yes = np.array([False]), np.array([True])
    numbers = {
        name: NumberColumn(np.array([float(x)]), null)
        for name, x, null in [("s1", 2, no), ("s2", 0, no), ("s3", 9, yes)]
    }
    known = Batch(
        1,
        numbers,
        {"sex": ValueColumn(np.array([0]), ("female", "male"), no)},
        {"s1": yes, "s2": yes, "s3": no},
    )
    statuses = {"null": "MissingValue", "failed": "DivisionByZero"}
    for text, expected in examples:
        found = result(evaluate(checked(text, names), known), 0)
        assert (
            statuses.get(found, f"{found:g}" if isinstance(found, float) else found) == expected
        ), text


def test_each_row_takes_its_own_branch() -> None:
    people = [random_person(random.Random(0)) | {"p1": p1} for p1 in (0, 1, 2, None)]
    outcome = evaluate(checked("if(p1 == 0, 10, 6 / p1)"), batch_of(people))
    assert [result(outcome, row) for row in range(4)] == [10, 6, 3, "null"]


def test_no_formula_within_the_limits_is_too_deep_for_the_machine() -> None:
    def work(level: str, end: str) -> None:
        text = level * 32 + "p1" + end * 32
        formula, condition = checked(text), check_condition(text, NAMES, "when", Faults())
        again = msgspec.msgpack.decode(msgspec.msgpack.encode(formula), type=Formula)
        assert again == formula
        assert come_to(text, p1=1) in (0, 1)
        bounds(formula, {"p1": (0, 1)})
        assert condition is not None
        assert compile_condition(condition)({"p1": 1}) in (True, False)

    def beneath(frames: int, *arguments: str) -> None:
        """Work with a stack that is used already: a server's or a worker's is about a hundred frames deep."""
        if frames:
            beneath(frames - 1, *arguments)
        else:
            work(*arguments)

    for level, end in [
        ("abs(", ")"),
        ("if(1, 1, ", ")"),
        ("sum(1, ", ")"),
        ("(", ")"),
        ("count(", " > 1)"),
    ]:
        beneath(
            230,
            "0 or 1 and not not 2 > 1 + 1 * -" + level if level != "count(" else "1 * -count(",
            end,
        )
    for row in ("not " * 1_000, "-" * 4_000, "+-" * 2_000):
        assert checked(row + "p1")


@settings(max_examples=500)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text(alphabet="()+-*/<>=!.,' \n019pcmx1and_ornot", max_size=60),
        st.lists(
            st.sampled_from(
                [
                    *"()+-*/,<>",
                    "==",
                    "..",
                    "p1",
                    "c1",
                    "m1.a",
                    "mood",
                    "sum(",
                    "count(",
                    "if(",
                    "'a'",
                    "1",
                    "not",
                    "and",
                    "Up",
                ]
            ),
            max_size=25,
        ).map(" ".join),
    )
)
def test_any_text_is_a_formula_or_has_an_error_with_a_position(text: str) -> None:
    faults = Faults()
    formula = check_formula(text, NAMES, "formula", faults)
    assert (formula is None) == (faults.count > 0)
    assert all(fault.detail.startswith(("character ", "line ")) for fault in faults.kept)
    if formula is not None:
        evaluate(formula, batch_of([random_person(random.Random(0))]))


def test_the_same_meaning_is_the_same_record() -> None:
    assert checked("( p1+p2 )  *3").tree == checked("(p1 + p2) * 3").tree
    assert checked("sum(p1..p3)") == checked("sum(p1, (p2), p3)")
    assert checked("c1 == 'a'").tree == Match("==", Reference("c1"), Text("a"))
    assert checked("-3").tree == Number(-3.0)
    assert checked("null").tree == Null()


def test_a_formula_says_what_it_needs() -> None:
    formula = checked(
        "if(sex == 'male', mood.t, mood) + m1.a + count(x1, p1 == p2) + lookup(answered(note, c1), mood)"
    )
    assert formula.numbers == ("mood.t", "mood", "m1.a", "p1", "p2")
    assert formula.values == ("sex", "x1")
    assert formula.answered == ("note", "c1")
    assert formula.scores == ("mood.t", "mood")
    assert formula.tables == ("mood",)
    assert formula.items == ("m1.a", "x1", "p1", "p2", "note", "c1")


# Dependencies -----------------------------------------------------------------------------------------------------------------------------


def test_scales_come_after_their_parts_and_cycles_are_named() -> None:
    assert order({"a": ("b", "c"), "b": (), "c": ("b",), "d": ()}).order == ("b", "c", "a", "d")
    assert order({"a": ("a",)}) == ((), (("a",),))
    assert order({"x": ("b",), "a": ("b",), "b": ("c",), "c": ("a",), "d": ()}) == (
        ("d",),
        (("a", "b", "c"),),
    )
    long = {f"s{place}": (f"s{place + 1}",) for place in range(5_000)}
    assert order(long).order[-1] == "s0"


@given(st.dictionaries(st.integers(0, 8), st.sets(st.integers(0, 8), max_size=4), max_size=9))
def test_an_order_has_every_scale_that_reaches_no_cycle(graph: dict[int, set[int]]) -> None:
    parts = {str(scale): tuple(str(part) for part in its) for scale, its in graph.items()}
    found = order(parts)
    done: set[str] = set()
    for scale in found.order:
        assert {part for part in parts[scale] if part in parts} <= done
        done.add(scale)
    rest = set(parts) - done
    assert all(any(part in rest for part in parts[scale]) for scale in rest), (
        "what is left out depends on what is left out"
    )
    assert bool(found.cycles) == bool(rest)
    for cycle in found.cycles:
        assert all(
            after in parts[before]
            for before, after in zip(cycle, (*cycle[1:], cycle[0]), strict=True)
        )


def test_the_slow_evaluator_rounds_as_the_contract_says() -> None:
    assert reference.rounded(reference.Number(Fraction(5, 2)), "HalfEven", 0).value == 2
