"""What must hold of a value that people answer with, so that files can tell it apart. Used by the checks of forms and norm groups."""

import re

from stanine.domain.errors import Faults
from stanine.domain.instruments.decoding import quote
from stanine.domain.instruments.records import Option, Value

#: What a file of responses writes for a missing answer, so no option can be called so.
MISSING_TEXT = "NA"
#: A decimal number as a file of responses writes it.
DECIMAL = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)


def identity(value: Value) -> Value:
    """Return what a value reads as in a file of responses: texts that look like numbers are the number."""
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        return float(value)
    return value


def check_options(options: tuple[Option, ...], place: str, faults: Faults) -> None:
    """Note what is wrong with a list of options."""
    values = tuple(option.value for option in options)
    for index, value in enumerate(values):
        check_value(value, values, index, f"{place}[{index}].value", faults)
    if options and all(option.missing for option in options) and not faults.touches(place):
        faults.add(
            place, "Contradiction", "every option is marked missing; there is nothing to answer"
        )


def check_value(
    value: Value, values: tuple[Value, ...], index: int, place: str, faults: Faults
) -> None:
    """Note what is wrong with one of several values."""
    if value == "":
        return
    if isinstance(value, str) and (value != value.strip() or not value.isprintable()):
        faults.add(
            place,
            "WrongText",
            f"{quote(value)} begins or ends with a space or holds an unprintable character",
        )
    elif value == MISSING_TEXT:
        faults.add(
            place,
            "WrongText",
            f'"{MISSING_TEXT}" is how files of responses write a missing answer; use another value',
        )
    elif (first := [identity(one) for one in values[:index]]) and identity(value) in first:
        other = values[first.index(identity(value))]
        faults.add(
            place,
            "DuplicateValue",
            f"the value {quote(value)} reads the same as {quote(other)}, which stands before it",
        )
