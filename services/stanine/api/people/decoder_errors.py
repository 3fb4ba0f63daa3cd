"""States the errors of the body decoder in plain words, without quoting the input. Used by `body_reading`."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec.inspect

from stanine.domain.attempts.explain import pointer
from stanine.domain.errors import Fault

_TYPES = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "array": "a list",
    "object": "an object",
    "datetime": "a time such as 2026-11-30T08:00:00Z",
    "null": "null",
}
_EXPECTED = re.compile(r"Expected `([^`]*)`, got `(\w+)`")
_LENGTH = re.compile(r"Expected `str` of length (>=|<=) (\d+)")
_LIMIT = re.compile(r"Expected `int` (>=|<=) (\d+)")
_LIMITS = {">=": "at least", "<=": "at most"}
_FIELD = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)


def fault_of(message: str, record: type) -> Fault:
    """Return the error of msgspec's message for a body of a record type; the place is a JSON pointer."""
    sentence, _, path = message.partition(" - at `$")
    place = _as_pointer(path)
    if field := _FIELD.fullmatch(sentence):
        if field[1] == "missing required":
            return Fault(pointer(place, field[2]), "MissingField", "this member is missing")
        known = ", ".join(each.encode_name for each in msgspec.structs.fields(record))
        return Fault(pointer(place, field[2]), "UnknownField", f"the body has {known}")
    for pattern, code, describe in _RULES:
        if found := pattern.fullmatch(sentence):
            return Fault(place, code, describe(found))
    if sentence.startswith("Invalid enum value"):
        return Fault(place, "NotAValue", f"one of {', '.join(_values(record, place))} belongs here")
    return Fault(place, "WrongType", sentence)


def _types(found: re.Match[str]) -> str:
    words = [_TYPES.get(one, one) for one in found[1].split(" | ")]
    given = "a number with decimals" if found[2] == "float" else _TYPES.get(found[2], found[2])
    return f"{' or '.join(words)} belongs here, not {given}"


def _length(found: re.Match[str]) -> str:
    plural = "" if found[2] == "1" else "s"
    return f"a text of {_LIMITS[found[1]]} {found[2]} character{plural} belongs here"


def _limit(found: re.Match[str]) -> str:
    return f"a number of {_LIMITS[found[1]]} {found[2]} belongs here"


_RULES: Sequence[tuple[re.Pattern[str], str, Callable[[re.Match[str]], str]]] = (
    (_EXPECTED, "WrongType", _types),
    (_LENGTH, "WrongText", _length),
    (_LIMIT, "OutOfRange", _limit),
    (
        re.compile("Invalid RFC3339 encoded datetime"),
        "WrongText",
        lambda _: f"{_TYPES['datetime']} belongs here",
    ),
)


def _values(record: type, place: str) -> list[str]:
    """Return the values that a member of a record may have, as texts; the member is at the top."""
    for field in msgspec.structs.fields(record):
        if f"/{field.encode_name}" == place:
            found: Any = msgspec.inspect.type_info(field.type)
            kinds = found.types if isinstance(found, msgspec.inspect.UnionType) else (found,)
            return [
                str(value)
                for kind in kinds
                if isinstance(kind, msgspec.inspect.LiteralType)
                for value in kind.values
            ]
    return []


def _as_pointer(path: str) -> str:
    """Convert msgspec's `.answers[...]` to a JSON pointer.

    It lacks the names of a mapping's members.
    """
    return (
        path.rstrip("`").replace("[...]", "").replace(".", "/").replace("[", "/").replace("]", "")
    )
