"""A formula for one attempt: the values of its names, as in `kernel_formula`, and its own value.

Used by `explanation`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from stanine.domain.scoring.explanation_answers import Held, counted, points_of
from stanine.domain.scoring.explanation_formula import FAILED, Inputs, evaluate
from stanine.domain.scoring.explanation_records import FormulaStep, NameStep
from stanine.domain.scoring.intervals import find
from stanine.domain.scoring.plan import PlannedInput, PlannedScale, PlannedTable
from stanine.domain.scoring.result_records import Status

#: Returns a part of a finished scale by the scale's index; None: no value.
Part = Callable[[int, str], float | None]


def formula_step(
    scale: PlannedScale,
    text: str | None,
    items: Sequence[Held],
    attributes: Mapping[str, Any],
    part: Part,
    *,
    shows_answers: bool,
) -> tuple[FormulaStep, Status]:
    """Return a formula with its names in order, and its result."""
    formula = scale.formula
    assert formula is not None
    answered = {one.name: items[one.place].state == "Answered" for one in formula.answered}
    steps = {
        name: NameStep(name=name, source="Item", has_value=has) for name, has in answered.items()
    }
    values: dict[str, Any] = {}
    for one in formula.values:
        values[one.name], steps[one.name] = _value(
            scale, one, items, attributes, shows_answers=shows_answers
        )
    numbers: dict[str, float | None] = {}
    for one in formula.numbers:
        numbers[one.name], steps[one.name] = _number(scale, one, items, attributes, part)
    lookups = {name: _looked_up_in(table) for name, table in formula.tables}
    found = evaluate(
        formula.tree.tree,
        Inputs(numbers, values, answered, lookups),
        pass_over=formula.min_valid is not None,
    )
    valid_items = sum(steps[name].has_value for name in formula.tree.items)
    status = Status.SCORED
    if valid_items < (formula.min_valid or 0):
        status = Status.TOO_FEW_ANSWERS
    elif found is None:
        status = Status.MISSING_VALUE
    elif found is FAILED:
        status = Status.DIVISION_BY_ZERO
    step = FormulaStep(
        names=[steps[name] for name in formula.tree.names],
        value=found if isinstance(found, float) and status is Status.SCORED else None,
        text=UNSET if text is None else text,
        min_valid=UNSET if formula.min_valid is None else formula.min_valid,
    )
    return step, status


def _looked_up_in(table: PlannedTable) -> Callable[[float], float | None]:
    stretches = list(zip(table.starts, table.ends, strict=True))

    def look_up(x: float) -> float | None:
        place = find(stretches, x)
        return None if place is None else float(table.scores[place])

    return look_up


def _number(
    scale: PlannedScale,
    one: PlannedInput,
    items: Sequence[Held],
    attributes: Mapping[str, Any],
    part: Part,
) -> tuple[float | None, NameStep]:
    if one.source == "Item":
        item = items[one.place]
        x, counts_as = counted(scale, item, points_of(item, one.numbers, one.wide))
        has = counts_as in ("Points", "NotShown")
        x = None if x is None else float(x)
        return x, NameStep(
            name=one.name, source="Item", has_value=has, value=x, counts_as=counts_as
        )
    if one.source == "Scale":
        found = part(one.place, one.part)
        x = None if found is None else float(found)
    else:
        given = attributes.get(one.name)
        x = None if given is None or isinstance(given, str) else float(given)
    return x, NameStep(name=one.name, source=one.source, has_value=x is not None, value=x)


def _value(
    scale: PlannedScale,
    one: PlannedInput,
    items: Sequence[Held],
    attributes: Mapping[str, Any],
    *,
    shows_answers: bool,
) -> tuple[Any, NameStep]:
    value: Any
    if one.source == "Attribute":
        value = attributes.get(one.name)
        return value, NameStep(
            name=one.name,
            source="Attribute",
            has_value=value is not None,
            text=_text(value) if shows_answers else UNSET,
        )
    item = items[one.place]
    has = item.state == "Answered"
    x, counts_as = counted(scale, item, 0.0 if has else None)
    value = item.answer if counts_as == "Points" else x
    return value, NameStep(
        name=one.name,
        source="Item",
        has_value=counts_as in ("Points", "NotShown"),
        text=_text(value) if shows_answers else UNSET,
        counts_as=counts_as,
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
