"""Checks the text of a formula or condition against the names it may use. Called by the checks of a document, when it is published."""

from stanine.domain.errors import Faults
from stanine.domain.formulas.names import Names
from stanine.domain.formulas.tree import Condition, Formula


def check_formula(text: str, names: Names, place: str, faults: Faults) -> Formula | None:
    """Return the checked formula, or None and all its errors in `faults`, each at `place` with its position in the text."""
    raise NotImplementedError


def check_condition(text: str, names: Names, place: str, faults: Faults) -> Condition | None:
    """Return the checked condition of a `when`, or None and all its errors in `faults`; `names` has items and attributes only."""
    raise NotImplementedError
