"""Answers from the fields of a posted page. Pure. Called by the routes.

A field is named `a.` and the item, `p.` and the attribute. The value of an option is its JSON text, so that the number
1 and the text "1" differ. A question that was hidden posts nothing, not even the field `i` with its name.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from stanine.client.records import AttributeInfo, ItemInfo
from stanine.pages.survey.paging import SurveyPage
from stanine.pages.survey.prepared import Prepared

Fields = Mapping[str, Sequence[str]]
#: Maximum bytes of a posted page: ten times the longest texts.
MAX_BYTES = 1 << 20
#: Maximum fields of a posted page.
MAX_FIELDS = 10_000
#: Begin of the names of fields about attributes; an item's id has no point.
ATTRIBUTE_PREFIX = "p."
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)
#: Decimal separators (comma, the Arabic one), and what people type or paste for minus (minus sign, dash).
_SIGNS = str.maketrans(
    {",": ".", "\N{ARABIC DECIMAL SEPARATOR}": ".", "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-"}
)


def read_fields(body: bytes) -> dict[str, list[str]]:
    """Return the values of each field. Raises ValueError for a body that is no form."""
    fields: dict[str, list[str]] = {}
    text = body.decode("ascii")
    for name, value in parse_qsl(
        text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=MAX_FIELDS
    ):
        fields.setdefault(name, []).append(value)
    return fields


def read_answers(prepared: Prepared, page: SurveyPage, fields: Fields) -> dict[str, Any]:
    """Return the answers of the questions that a page showed; None: left blank.

    A text that is no number stays a text, so that the check of the answers refuses it.
    """
    given = set(fields.get("i", ()))
    answers = {}
    for place in page.items:
        item = prepared.form.items[place]
        if item.id in given:
            answers[item.id] = _answer(item, fields)
    return answers


def read_attributes(prepared: Prepared, page: SurveyPage, fields: Fields) -> dict[str, Any]:
    """Return the attributes that a page asked for; None: left blank."""
    return {
        name: _attribute(
            prepared.attributes[name], fields.get(ATTRIBUTE_PREFIX + name, [""])[0].strip()
        )
        for name in page.attributes
    }


def read_number(text: str) -> int | float | str | None:
    """Return the number that a person typed, the text if it is none, None if it is blank.

    Digits of any script are read; a comma is a decimal separator.
    """
    plain = "".join(str(int(c)) if c.isdecimal() else c for c in text.strip().translate(_SIGNS))
    if not plain:
        return None
    if not _NUMBER.fullmatch(plain):
        return text
    number = float(plain)
    return int(number) if number.is_integer() else number


def _answer(item: ItemInfo, fields: Fields) -> Any:
    values = fields.get(f"a.{item.id}", [])
    match item.type:
        case "Choice":
            return _literal(values[0]) if values else None
        case "Multiple":
            return [_literal(value) for value in values] or None
        case "Ranking":
            return [_literal(value) for value in values] if f"ok.{item.id}" in fields else None
        case "Number":
            return read_number(values[0]) if values else None
        case _:
            return (values[0].replace("\r\n", "\n").strip() if values else "") or None


def _attribute(attribute: AttributeInfo, text: str) -> Any:
    if not text:
        return None
    if attribute.values is not None:
        return _literal(text)
    return text if attribute.type == "Text" else read_number(text)


def _literal(text: str) -> Any:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError):
        return text
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else text
