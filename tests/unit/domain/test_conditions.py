"""Conditions of `when`: what shows an item, beside the slow evaluator; what not-shown items and `missing` options do in them."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stanine.domain.errors import Faults
from stanine.domain.formulas.checking import check_condition, check_formula
from stanine.domain.formulas.conditions import NOT_SHOWN, Missing, compile_condition
from stanine.domain.formulas.names import Named, Names
from stanine.domain.formulas.tree import Condition

from . import formula_generator as generator
from . import formula_reference as reference
from .formula_generator import CONDITION_NAMES, random_formula, random_person, seen, write


def checked(text: str, names: Names = CONDITION_NAMES) -> Condition:
    faults = Faults()
    condition = check_condition(text, names, "when", faults)
    assert condition is not None, [str(fault) for fault in faults.kept]
    return condition


def error(text: str, names: Names = CONDITION_NAMES) -> str:
    faults = Faults()
    assert check_condition(text, names, "when", faults) is None
    return faults.kept[0].detail


def known_of(person: dict[str, Any]) -> dict[str, Any]:
    def known(name: str) -> Any:
        value = seen(person, name)
        if isinstance(value, tuple):
            return Missing(value[1])
        return NOT_SHOWN if value == generator.HIDDEN else value

    return {
        name: known(name) for name in (*generator.NUMBERS, *generator.ITEMS, *generator.ATTRIBUTES)
    }


@settings(max_examples=600)
@given(st.integers(0, 2**64))
def test_random_conditions_show_what_the_slow_evaluator_says(seed: int) -> None:
    rng = random.Random(seed)
    tree = random_formula(rng, condition=True)
    is_shown = compile_condition(checked(write(tree, rng)))
    for _ in range(8):
        person = random_person(rng, hidden=True) | {"condition": True}
        try:
            expected = reference.evaluate(tree, person)
            shown = None if isinstance(expected, str) else reference.is_true(expected)
        except reference.Doubtful:
            continue
        assert is_shown(known_of(person)) is shown


@pytest.mark.parametrize(
    ("text", "known", "shown"),
    [
        ("d1 > 0", {"d1": 1}, True),
        ("d1 > 0", {"d1": 0}, False),
        ("d1 > 0", {}, None),
        ("d1 > 0", {"d1": NOT_SHOWN}, False),
        ("d1 != 0", {"d1": NOT_SHOWN}, False),
        ("not (d1 > 0)", {"d1": NOT_SHOWN}, True),
        ("d1", {"d1": NOT_SHOWN}, None),
        ("d1 + s2 >= 0", {"d1": NOT_SHOWN}, False),
        ("d1 + s2 >= 0", {"d1": NOT_SHOWN, "s2": None}, False),
        ("count(d1, s2 >= 0) == 1", {"d1": NOT_SHOWN, "s2": 3}, True),
        ("count(d1, s2 >= 0) == 1", {"d1": None, "s2": 3}, None),
        ("answered(d1, s2) == 1", {"d1": NOT_SHOWN, "s2": 3}, True),
        ("if(sex == 'male', d1, s2) >= 1", {"sex": "female", "d1": NOT_SHOWN, "s2": 2}, True),
        ("s2 >= 2 or sex == 'other'", {"s2": 0}, None),
        ("s2 >= 2 or sex == 'other'", {"s2": 3}, True),
        ("s2 >= 2 or sex == 'other'", {"sex": "other"}, True),
        ("d1 == 'na'", {"d1": Missing("na")}, True),
        ("d1 == 'na'", {"d1": 1}, False),
        ("d1 == 'na'", {}, None),
        ("d1 != 'na'", {"d1": 1}, True),
        ("'na' == d1", {"d1": NOT_SHOWN}, False),
        ("d1 == 1", {"d1": Missing("na")}, None),
        ("d1 > 0 or d1 == 'na'", {"d1": Missing("na")}, True),
        ("q1 == 'a'", {"q1": Missing("dk")}, False),
        ("count(q1, d1 == 'na')", {"q1": "a", "d1": Missing("na")}, True),
        ("m1.a and answered(m1)", {"m1.a": 1, "m1": ["a"]}, True),
        ("answered(m1)", {"m1": []}, True),
        ("answered(m1)", {"m1": Missing("none")}, False),
        ("1 / d1 > 0", {"d1": 0}, None),
        ("d1 > 0 and 1 / d1 > 0", {"d1": 0}, False),
        ("years >= 16", {"years": 16.0000000001}, True),
        ("years >= 16", {"years": 15.9999999999}, True),
    ],
)
def test_an_item_is_shown_as_the_contract_says(
    text: str, known: dict[str, Any], shown: bool | None
) -> None:
    names = Names(
        items={
            "d1": Named("Number", missing_texts=("na",)),
            "s2": Named("Number"),
            "q1": Named("Text", ("a", "b"), ("dk", "na")),
            "m1": Named("Whole", options=("a",)),
        },
        attributes={"sex": Named("Text", ("female", "male", "other")), "years": Named("Number")},
    )
    assert compile_condition(checked(text, names))(known) is shown


def test_a_condition_uses_earlier_items_and_attributes_only() -> None:
    names = Names(
        items={"d1": Named("Number")},
        scales={"mood": ("t",)},
        tables=frozenset({"mood"}),
        later=frozenset({"d2"}),
    )
    assert (
        error("d1 > 0 and d2 > 0", names)
        == 'character 12: "d2" comes later in the form; a condition uses earlier items only'
    )
    assert "items and attributes only" in error("mood > 3", names)
    assert "items and attributes only" in error("mood.t > 3", names)
    assert "items and attributes only" in error("lookup(d1, mood) > 3", names)
    assert "never equal" in error("d1 == 'na'", names)


def test_a_condition_says_which_names_it_uses() -> None:
    assert checked("count(p1..p3 >= 1) and sex == 'male'").names == ("p1", "p2", "p3", "sex")


def test_a_formula_and_a_condition_of_one_meaning_are_one_tree() -> None:
    formula = check_formula("p1 > 1", generator.NAMES, "", Faults())
    assert formula is not None
    assert formula.tree == checked("(p1)>1").tree
