"""Text values that users may write as numbers, as in `--set image.tag=9`. Called by `making`.

The schema accepts an integer where its digits are a valid text; the templates convert the values listed in
files/texts.yaml.
"""

import re
from typing import Any

Schema = dict[str, Any]
#: Shape of a value: "text", a mapping by name ("*": any name), a list with the shape of its items, or None (no text).
Shape = str | dict[str, Any] | list[Any] | None

#: Larger integers are inexact in a values file, because Helm reads numbers as floats.
_EXACT = 2**53
#: Integers of every plausible length.
_SAMPLES = ("0", "9", "65", "443", "8080", "123456", "1073741824", "20261231235959")


def take_numbers(schema: Schema) -> Schema:
    """Return the schema with integers accepted for texts of digits.

    In maps, such as annotations, also true and false.
    """
    made = {
        name: value
        for name, value in schema.items()
        if name not in {"properties", "additionalProperties", "items"}
    }
    if _is_text(schema):
        made |= {"type": ["string", "integer"], "minimum": 0, "maximum": _EXACT}
    if "properties" in schema:
        made["properties"] = {
            name: take_numbers(value) for name, value in schema["properties"].items()
        }
    if isinstance(schema.get("items"), dict):
        made["items"] = take_numbers(schema["items"])
    if isinstance(within := schema.get("additionalProperties"), dict):
        taken = take_numbers(within)
        made["additionalProperties"] = (
            taken | {"type": [*taken["type"], "boolean"]} if _is_text(within) else taken
        )
    elif within is not None:
        made["additionalProperties"] = within
    return made


def text_shape(schema: Schema) -> Shape:
    """Return the places of texts that may be given as numbers."""
    if _is_text(schema) or any(_is_text(each) for each in schema.get("anyOf", ())):
        return "text"
    if isinstance(schema.get("items"), dict):
        inner = text_shape(schema["items"])
        return [inner] if inner else None
    shape = {
        name: inner
        for name, value in schema.get("properties", {}).items()
        if (inner := text_shape(value))
    }
    if isinstance(within := schema.get("additionalProperties"), dict) and (
        inner := text_shape(within)
    ):
        shape["*"] = inner
    return shape or None


def _is_text(schema: Schema) -> bool:
    """Return whether a value accepts any text of digits."""
    if schema.get("type") != "string" or "enum" in schema:
        return False
    pattern = re.compile(schema.get("pattern", ""))
    least, most = schema.get("minLength", 0), schema.get("maxLength", 10_000)
    return any(pattern.search(each) and least <= len(each) <= most for each in _SAMPLES)
