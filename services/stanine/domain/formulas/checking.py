"""Checks a formula or condition against the names it may use.

Called by the document checks at publication.
"""

from stanine.domain.errors import Code, Faults
from stanine.domain.formulas.lexing import FormulaError, position
from stanine.domain.formulas.names import Names
from stanine.domain.formulas.parsing import parse
from stanine.domain.formulas.tree import Condition, Formula, Node
from stanine.domain.formulas.tree_building import Allowance, TreeBuilder

#: Maximum of errors up to which an unknown name is compared with all known ones: milliseconds for a long form.
_HINTS = 10


def check_formula(
    text: str, names: Names, place: str, faults: Faults, allowance: Allowance | None = None
) -> Formula | None:
    """Return the checked formula, or None and add all errors to `faults`.

    Each fault has `place` and, in its message, the position in the text.
    """
    checked = _check(text, names, place, faults, allowance, condition=False)
    if checked is None:
        return None
    builder, tree = checked
    kinds = builder.uses
    return Formula(
        tree=tree,
        names=tuple(kinds),
        items=tuple(name for name in kinds if name.partition(".")[0] in names.items),
        numbers=tuple(name for name, use in kinds.items() if "Number" in use),
        values=tuple(name for name, use in kinds.items() if "Value" in use),
        answered=tuple(name for name, use in kinds.items() if "Answered" in use),
        scores=tuple(name for name in kinds if name.partition(".")[0] in names.scales),
        tables=tuple(builder.tables),
    )


def check_condition(
    text: str, names: Names, place: str, faults: Faults, allowance: Allowance | None = None
) -> Condition | None:
    """Return the checked condition of a `when`, or None; errors go to `faults`.

    Scales in `names` are rejected with the reason that a condition uses items and attributes only.
    """
    checked = _check(text, names, place, faults, allowance, condition=True)
    return None if checked is None else Condition(checked[1], tuple(checked[0].uses))


def _check(
    text: str,
    names: Names,
    place: str,
    faults: Faults,
    allowance: Allowance | None,
    *,
    condition: bool,
) -> tuple[TreeBuilder, Node] | None:
    def note(at: int, code: Code, detail: str) -> None:
        faults.add(place, code, f"{position(text, at)}: {detail}")

    builder = TreeBuilder(
        names, allowance or Allowance(), condition=condition, hints=_HINTS - faults.count
    )
    try:
        syntax = parse(text)
    except FormulaError as error:
        note(error.at, error.code, error.detail)
        return None
    try:
        typed = builder.check(syntax)
        tree = builder.number(typed)
    except FormulaError as error:  # too large to expand
        builder.errors.append(error)
    for one in sorted(builder.errors, key=lambda one: one.at):
        note(one.at, one.code, one.detail)
    return None if builder.errors else (builder, tree)
