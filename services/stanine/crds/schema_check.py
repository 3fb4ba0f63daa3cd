"""Check plain data against a CRD's schema, as the API server would. Called by `judging`.

Unknown fields are rejected, as by `kubectl apply` with strict field validation. As for the API server, null and
absent are equal for known fields. tests/integration/resources compares the results with a real API server.
"""

import functools
import re
from typing import Any

from stanine.crds.schema import Schema
from stanine.domain.errors import Faults
from stanine.domain.instruments.decoding import member, not_one_of, quote

_PRESERVE = "x-kubernetes-preserve-unknown-fields"


def check(plain: object, schema: Schema, faults: Faults, place: str = "") -> None:
    """Report everything that the schema rejects; rules between fields are not evaluated."""
    kind = schema.get("type")
    if kind is None:
        return  # any value is valid
    if not _is_of(plain, kind):
        faults.add(place, "WrongType", f"{_found(plain)} stands where {_NOUNS[kind]} belongs")
    elif isinstance(plain, dict):
        _check_object(plain, schema, faults, place)
    elif isinstance(plain, list):
        _check_list(plain, schema, faults, place)
    elif isinstance(plain, str):
        _check_text(plain, schema, faults, place)
    elif not isinstance(plain, bool) and isinstance(plain, int | float):
        _check_number(plain, schema, faults, place)


def _check_object(plain: dict[str, Any], schema: Schema, faults: Faults, place: str) -> None:
    properties, more = schema.get("properties", {}), schema.get("additionalProperties")
    for name, value in plain.items():
        at = member(place, name)
        if name in properties:
            if value is not None or properties[name].get("type") is None:
                check(value, properties[name], faults, at)
        elif more is not None:
            if value is not None:
                check(value, more, faults, at)
        elif not schema.get(_PRESERVE):
            faults.add(
                at,
                "UnknownField",
                f"there is no such field; known are {', '.join(sorted(properties))}",
            )
    for name in schema.get("required", ()):
        if plain.get(name) is None:
            faults.add(member(place, name), "MissingField", f"{name} is missing")
    if len(plain) > schema.get("maxProperties", len(plain)):
        faults.add(
            place,
            "TooMany",
            f"{len(plain)} members stand here; at most {schema['maxProperties']} are allowed",
        )


def _check_list(plain: list[Any], schema: Schema, faults: Faults, place: str) -> None:
    if len(plain) > schema.get("maxItems", len(plain)):
        faults.add(
            place, "TooMany", f"{len(plain)} stand here; at most {schema['maxItems']} are allowed"
        )
        return
    if len(plain) < schema.get("minItems", 0):
        faults.add(place, "TooFew", f"at least {schema['minItems']} belongs here")
    keys = schema.get("x-kubernetes-list-map-keys")
    taken: dict[tuple[Any, ...], int] = {}
    for index, one in enumerate(plain):
        at = f"{place}[{index}]"
        check(one, schema["items"], faults, at)
        if keys and isinstance(one, dict) and not faults.touches(at):
            key = tuple(one.get(name) for name in keys)
            if key in taken:
                faults.add(
                    at,
                    "DuplicateId",
                    f"{', '.join(keys)} {quote(key[0])} stands in {place}[{taken[key]}] already",
                )
            taken.setdefault(key, index)


def _check_text(plain: str, schema: Schema, faults: Faults, place: str) -> None:
    if (words := schema.get("enum")) is not None:
        if plain not in words:
            faults.add(place, "WrongText", not_one_of(plain, words))
    elif len(plain) > schema.get("maxLength", len(plain)):
        faults.add(
            place,
            "TooLong",
            f"the text has {len(plain)} characters; at most {schema['maxLength']} are allowed",
        )
    elif len(plain) < schema.get("minLength", 0):
        faults.add(place, "TooShort", "the text is empty")
    elif (pattern := schema.get("pattern")) is not None and not _pattern(pattern).fullmatch(plain):
        faults.add(place, "WrongText", f"{quote(plain)} does not match {pattern}")


def _check_number(plain: float, schema: Schema, faults: Faults, place: str) -> None:
    low, high = schema.get("minimum"), schema.get("maximum")
    if (low is not None and plain < low) or (high is not None and plain > high):
        faults.add(place, "OutOfRange", f"{quote(plain)} is outside {low} to {high}")


def _is_of(plain: object, kind: str) -> bool:
    match kind:
        case "integer":
            return not isinstance(plain, bool) and (
                isinstance(plain, int) or (isinstance(plain, float) and plain.is_integer())
            )
        case "number":
            return not isinstance(plain, bool) and isinstance(plain, int | float)
    return isinstance(plain, _TYPES[kind])


def _found(plain: object) -> str:
    if plain is None:
        return "null"
    if isinstance(plain, bool):
        return "a boolean (a bare Yes, No, on, off, y or n is one: text goes in quotes)"
    if isinstance(plain, int | float):
        return f"the number {quote(plain)}"
    return next(
        noun
        for kind, noun in ((str, "text"), (list, "a list"), (dict, "a mapping"))
        if isinstance(plain, kind)
    )


_TYPES: dict[str, type] = {"string": str, "boolean": bool, "array": list, "object": dict}
_NOUNS = {
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "integer": "a whole number",
    "number": "a number",
}


@functools.cache
def _pattern(pattern: str) -> "re.Pattern[str]":
    return re.compile(pattern)
