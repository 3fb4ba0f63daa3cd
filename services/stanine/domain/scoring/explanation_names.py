"""The values of a formula's names for one attempt, as `kernel_formula` gives them. Used by `explanation`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from stanine.domain.scoring.explanation_answers import Held, counted, points_of
from stanine.domain.scoring.explanation_records import FormulaStep, NameStep
from stanine.domain.scoring.plan import PlannedInput, PlannedScale

#: Returns a part of a finished scale, by the scale's place; None: it has no value.
Part = Callable[[int, str], float | None]


def formula_step(
    scale: PlannedScale,
    text: str | None,
    items: Sequence[Held],
    attributes: Mapping[str, Any],
    part: Part,
    *,
    shows_answers: bool,
) -> FormulaStep:
    """Return the names of a formula with their values, in the order of the formula."""
    formula = scale.formula
    assert formula is not None
    steps: dict[str, NameStep] = {}
    for one in formula.answered:
        is_answered = items[one.place].state == "Answered"
        steps[one.name] = NameStep(name=one.name, source="Item", has_value=is_answered)
    for one in formula.values:
        steps[one.name] = _value(scale, one, items, attributes, shows_answers=shows_answers)
    for one in formula.numbers:
        steps[one.name] = _number(scale, one, items, attributes, part)
    return FormulaStep(
        names=[steps[name] for name in formula.tree.names],
        text=UNSET if text is None else text,
        min_valid=UNSET if formula.min_valid is None else formula.min_valid,
    )


def _number(
    scale: PlannedScale,
    one: PlannedInput,
    items: Sequence[Held],
    attributes: Mapping[str, Any],
    part: Part,
) -> NameStep:
    if one.source == "Item":
        item = items[one.place]
        x, counts_as = counted(scale, item, points_of(item, one.numbers, one.wide))
        has = counts_as in ("Points", "NotShown")
        return NameStep(name=one.name, source="Item", has_value=has, value=x, counts_as=counts_as)
    if one.source == "Scale":
        x = part(one.place, one.part)
    else:
        given = attributes.get(one.name)
        x = None if given is None or isinstance(given, str) else float(given)
    return NameStep(name=one.name, source=one.source, has_value=x is not None, value=x)


def _value(
    scale: PlannedScale,
    one: PlannedInput,
    items: Sequence[Held],
    attributes: Mapping[str, Any],
    *,
    shows_answers: bool,
) -> NameStep:
    value: Any
    if one.source == "Attribute":
        value = attributes.get(one.name)
        return NameStep(
            name=one.name,
            source="Attribute",
            has_value=value is not None,
            text=_text(value) if shows_answers else UNSET,
        )
    item = items[one.place]
    has = item.state == "Answered"
    x, counts_as = counted(scale, item, 0.0 if has else None)
    value = item.answer if counts_as == "Points" else x
    return NameStep(
        name=one.name,
        source="Item",
        has_value=counts_as in ("Points", "NotShown"),
        text=_text(value) if shows_answers else UNSET,
        counts_as=counts_as,
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
