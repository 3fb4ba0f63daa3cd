"""Checks of answer and attribute values, so that response files can distinguish them.

Used by the checks of forms and norm groups.
"""

import re

from stanine.domain.errors import Faults
from stanine.domain.instruments.decoding import quote
from stanine.domain.instruments.records import Option, Value

#: The text of a missing answer in a response file; no option may have this value.
MISSING_TEXT = "NA"
#: A decimal number as written in a response file.
DECIMAL = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)


def identity(value: Value) -> Value:
    """Return a value as read from a response file: a text in the form of a number is that number."""
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        return float(value)
    return value


def check_options(options: tuple[Option, ...], place: str, faults: Faults) -> None:
    """Check a list of options."""
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
    """Check one of several values."""
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
