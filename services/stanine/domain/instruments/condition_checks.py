"""Parses the conditions of items and sections against what stands before them. Used by `form_checks`, `instrument` and `index`."""

from stanine.domain.errors import Faults
from stanine.domain.formulas.checking import check_condition
from stanine.domain.formulas.tree import Condition
from stanine.domain.instruments.formula_names import names_before
from stanine.domain.instruments.item_forms import ItemForm, resolve
from stanine.domain.instruments.records import Spec


def check(spec: Spec, faults: Faults) -> None:
    """Note what is wrong with conditions; nothing, as long as the items or attributes that they may name hold faults."""
    if not any(item.when for item in spec.items) and not any(
        section.when for section in spec.sections
    ):
        return
    if any(
        faults.touches(f"spec.{part}")
        for part in ("items", "attributes", "responseSets", "sections", "defaults.responses")
    ):
        return
    forms = resolve(spec)
    for index, item in enumerate(spec.items):
        if item.when is not None:
            _parse(spec, forms, item.id, item.when, f"spec.items[{index}].when", faults)
    for index, section in enumerate(spec.sections):
        if section.when is not None:
            _parse(
                spec, forms, section.items[0], section.when, f"spec.sections[{index}].when", faults
            )


def conditions_of(spec: Spec) -> dict[str, tuple[Condition, ...]]:
    """Return the conditions of each item of a checked form that has any: its section's, then its own. All must hold."""
    forms = resolve(spec)
    found: dict[str, tuple[Condition, ...]] = {}
    for section in spec.sections:
        if section.when is not None:
            condition = _parsed(spec, forms, section.items[0], section.when)
            found |= dict.fromkeys(section.items, (condition,))
    for item in spec.items:
        if item.when is not None:
            found[item.id] = (*found.get(item.id, ()), _parsed(spec, forms, item.id, item.when))
    return found


def _parse(
    spec: Spec, forms: dict[str, ItemForm], before: str, text: str, place: str, faults: Faults
) -> Condition | None:
    return check_condition(text, names_before(spec, forms, before), place, faults)


def _parsed(spec: Spec, forms: dict[str, ItemForm], before: str, text: str) -> Condition:
    condition = _parse(spec, forms, before, text, "", Faults())
    assert condition is not None
    return condition
