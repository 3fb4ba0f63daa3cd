"""What must hold of a form (attributes, response sets, items) beyond its types. Called by `instrument.parse_instrument`.

Works on records that may hold neutral values where a fault is known already: what touches such a place is passed over.
"""

import re
from collections.abc import Iterator

from stanine.domain.errors import Faults
from stanine.domain.records import Option, Spec, Value
from stanine.domain.structure import quote, several

#: Ids that are columns of a file of responses, or words of a formula.
RESERVED = frozenset((
    "key", "attempt", "participant", "revision",
    "and", "or", "not", "if", "else", "True", "False", "None", "min", "max", "abs", "sum", "mean", "count", "round",
))  # fmt: skip
#: What a file of responses writes for a missing answer, so no option can be called so.
MISSING_TEXT = "NA"
#: A decimal number as a file of responses writes it.
DECIMAL = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)


def check(spec: Spec, faults: Faults) -> None:
    """Note what is wrong with what people answer."""
    _check_ids(spec, faults)
    _check_attributes(spec, faults)
    _check_response_sets(spec, faults)
    _check_items(spec, faults)


def identity(value: Value) -> Value:
    """Return what a value reads as in a file of responses: texts that look like numbers are the number."""
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        return float(value)
    return value


def _check_ids(spec: Spec, faults: Faults) -> None:
    taken: dict[str, str] = {}
    for place, one in _named(spec):
        if not one:
            continue
        if one in RESERVED:
            faults.add(f"{place}.id", "ReservedId", f'"{one}" is taken: it is a column of response files or a word of formulas')
        elif one in taken:
            faults.add(
                f"{place}.id", "DuplicateId", f'"{one}" is the id of {taken[one]} already; attributes, items and scales share their ids'
            )
        else:
            taken[one] = place


def _named(spec: Spec) -> Iterator[tuple[str, str]]:
    for index, attribute in enumerate(spec.attributes):
        yield f"spec.attributes[{index}]", attribute.id
    for index, item in enumerate(spec.items):
        yield f"spec.items[{index}]", item.id
    for index, scale in enumerate(spec.scales):
        yield f"spec.scales[{index}]", scale.id


def _check_attributes(spec: Spec, faults: Faults) -> None:
    for index, attribute in enumerate(spec.attributes):
        place = f"spec.attributes[{index}]"
        if faults.at(place) or faults.touches(f"{place}.type") or faults.touches(f"{place}.values"):
            continue
        if (attribute.type is None) == (attribute.values is None):
            faults.add(place, "Contradiction", "say either a type (Integer, Number, Text) or a list of values")
        for at, value in enumerate(attribute.values or ()):
            _check_value(value, attribute.values or (), at, f"{place}.values[{at}]", faults)


def _check_response_sets(spec: Spec, faults: Faults) -> None:
    taken: dict[str, int] = {}
    for index, one in enumerate(spec.response_sets):
        place = f"spec.responseSets[{index}]"
        if one.name and one.name in taken:
            faults.add(f"{place}.name", "DuplicateId", f'"{one.name}" is the name of spec.responseSets[{taken[one.name]}] already')
        taken.setdefault(one.name, index)
        _check_options(one.options, f"{place}.options", faults)


def _check_items(spec: Spec, faults: Faults) -> None:
    sets = [one.name for one in spec.response_sets]
    default = spec.defaults.responses
    _check_set_name(default, sets, "spec.defaults.responses", faults)
    for index, item in enumerate(spec.items):
        place = f"spec.items[{index}]"
        _check_set_name(item.responses, sets, f"{place}.responses", faults)
        if item.options is not None:
            _check_options(item.options, f"{place}.options", faults)
        if faults.at(place) or any(faults.touches(f"{place}.{field}") for field in ("type", "responses", "options")):
            continue
        if item.responses is not None and item.options is not None:
            faults.add(place, "Contradiction", "it names responses and has options of its own; leave one out")
        if item.responses is None and item.options is None and default is None and not faults.touches("spec.defaults.responses"):
            faults.add(place, "MissingField", "it has no options: name responses, write options, or set spec.defaults.responses")


def _check_set_name(name: str | None, sets: list[str], place: str, faults: Faults) -> None:
    if name and name not in sets and "" not in sets:
        known = f"the form has {several(sets)}" if sets else "the form has none"
        faults.add(place, "UnknownReference", f'there is no response set "{name}"; {known}')


def _check_options(options: tuple[Option, ...], place: str, faults: Faults) -> None:
    values = tuple(option.value for option in options)
    for index, value in enumerate(values):
        _check_value(value, values, index, f"{place}[{index}].value", faults)
    if options and all(option.missing for option in options) and not faults.touches(place):
        faults.add(place, "Contradiction", "every option is marked missing; there is nothing to answer")


def _check_value(value: Value, values: tuple[Value, ...], index: int, place: str, faults: Faults) -> None:
    if value == "":
        return
    if isinstance(value, str) and (value != value.strip() or not value.isprintable()):
        faults.add(place, "WrongText", f"{quote(value)} begins or ends with a space or holds an unprintable character")
    elif value == MISSING_TEXT:
        faults.add(place, "WrongText", f'"{MISSING_TEXT}" is how files of responses write a missing answer; use another value')
    elif (first := [identity(one) for one in values[:index]]) and identity(value) in first:
        other = values[first.index(identity(value))]
        faults.add(place, "DuplicateValue", f"the value {quote(value)} reads the same as {quote(other)}, which stands before it")
