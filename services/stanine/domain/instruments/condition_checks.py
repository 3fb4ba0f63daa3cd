"""Parses the conditions of items and sections against earlier items and attributes.

Used by `form_checks`, `instrument` and `index_entry`.
"""

from stanine.domain import limits
from stanine.domain.errors import Faults
from stanine.domain.formulas.checking import check_condition
from stanine.domain.formulas.tree import Condition
from stanine.domain.instruments.formula_names import EarlierNames
from stanine.domain.instruments.item_forms import resolve
from stanine.domain.instruments.records import Spec


def check(spec: Spec, faults: Faults) -> None:
    """Check conditions, unless the items or attributes that they may name have faults."""
    if any(
        faults.touches(f"spec.{part}")
        for part in ("items", "attributes", "responseSets", "sections", "defaults.responses")
    ):
        return
    names: EarlierNames | None = None
    named = 0
    for before, text, place in written(spec):
        names = names or EarlierNames(spec, resolve(spec))
        condition = check_condition(text, names.before(before), place, faults)
        named += len(condition.names) if condition is not None else 0
        if named > limits.MAX_TERMS:
            detail = f"the conditions up to this one name {named} items in all; at most {limits.MAX_TERMS} are allowed"
            faults.add(place, "TooMany", detail)
            return


def written(spec: Spec) -> list[tuple[str, str, str]]:
    """Yield every condition of a form: the item that follows it, its text, its place."""
    found = [
        (item.id, item.when, f"spec.items[{index}].when") for index, item in enumerate(spec.items)
    ]
    found += [
        (section.items[0], section.when, f"spec.sections[{index}].when")
        for index, section in enumerate(spec.sections)
    ]
    return [(before, text, place) for before, text, place in found if text is not None]


def conditions_of(spec: Spec) -> dict[str, tuple[Condition, ...]]:
    """Return the conditions of each item of a checked form: its section's, then its own.

    All must hold.
    """
    if not written(spec):
        return {}
    names = EarlierNames(spec, resolve(spec))
    found: dict[str, tuple[Condition, ...]] = {}
    for section in spec.sections:
        if section.when is not None:
            found |= dict.fromkeys(section.items, (_parsed(names, section.items[0], section.when),))
    for item in spec.items:
        if item.when is not None:
            found[item.id] = (*found.get(item.id, ()), _parsed(names, item.id, item.when))
    return found


def _parsed(names: EarlierNames, before: str, text: str) -> Condition:
    condition = check_condition(text, names.before(before), "", Faults())
    assert condition is not None
    return condition
