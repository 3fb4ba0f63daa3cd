"""Runs the engine on the formulas and people of `formula_generator`, and judges it by `formula_reference`."""

import math
import struct
from typing import Any

import numpy as np

from stanine.domain.errors import Faults
from stanine.domain.formulas.checking import check_formula
from stanine.domain.formulas.columns import Batch, NumberColumn, ValueColumn
from stanine.domain.formulas.evaluation import Outcome, evaluate
from stanine.domain.formulas.names import Names
from stanine.domain.formulas.tree import Formula

from . import formula_generator as generator
from . import formula_reference as reference
from .formula_generator import NAMES, is_answered, seen

People = list[dict[str, Any]]


def checked(text: str, names: Names = NAMES) -> Formula:
    faults = Faults()
    formula = check_formula(text, names, "formula", faults)
    assert formula is not None, [str(fault) for fault in faults.kept]
    return formula


def errors(text: str, names: Names = NAMES) -> list[str]:
    faults = Faults()
    assert check_formula(text, names, "formula", faults) is None
    assert all(fault.place == "formula" for fault in faults.kept)
    return [fault.detail for fault in faults.kept]


def table(x: Any) -> Any:
    return np.array([generator.TABLE.get(round(one, 9), math.nan) for one in x.tolist()])


def batch_of(people: People) -> Batch:
    def is_null(known: Any) -> bool:
        return known is None or isinstance(known, tuple) or known == generator.HIDDEN

    def numbers(name: str) -> NumberColumn:
        found = [seen(person, name) for person in people]
        return NumberColumn(
            np.array([math.nan if is_null(x) else float(x) for x in found]),
            np.array([is_null(x) for x in found], dtype=bool),
        )

    def values(name: str, of: tuple[Any, ...]) -> ValueColumn:
        found = [seen(person, name) for person in people]
        codes = [255 if is_null(x) else of.index(x) for x in found]
        return ValueColumn(
            np.array(codes, dtype=np.uint8), of, np.array([is_null(x) for x in found], dtype=bool)
        )

    return Batch(
        len(people),
        {name: numbers(name) for name in (*generator.NUMBERS, *generator.SCORES)},
        {
            "c1": values("c1", ("a", "b", "dk")),
            "x1": values("x1", (1, 2, "other", "dk")),
            "sex": values("sex", ("female", "male")),
            "city": values("city", ("Kiel", "Bonn")),
        },
        {
            item: np.array([is_answered(person, item) for person in people], dtype=bool)
            for item in generator.ITEMS
        },
        {"mood": table},
    )


def result(outcome: Outcome, row: int) -> Any:
    if outcome.too_few[row]:
        return "few"
    if outcome.null[row]:
        return "null"
    return "failed" if outcome.division[row] else float(outcome.values[row])


def judge(tree: Any, text: str, people: People, *, pass_over: bool) -> int:
    """Compare the engine with the slow evaluator; return how many people could be judged."""
    outcome = evaluate(checked(text), batch_of(people), 0 if pass_over else None)
    judged = 0
    for row, person in enumerate(people):
        try:
            expected = reference.evaluate(tree, person, pass_over=pass_over)
        except reference.Doubtful:
            continue
        judged += 1
        found = result(outcome, row)
        if isinstance(expected, str):
            assert found == expected, (text, person)
        elif expected.exact:
            assert struct.pack("<d", found) == struct.pack("<d", float(expected.value)), (
                text,
                person,
            )
        else:
            assert isinstance(found, float), (text, person)
            assert math.isclose(found, expected.value, rel_tol=1e-9, abs_tol=1e-9), (text, person)
    return judged
