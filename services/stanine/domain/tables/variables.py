"""Columns of an export of answers, with their labels: the codebook. Used by the API's exports and the CLI.

Items and attributes of all forms of an instrument have one column each (a Multiple or Ranking one per option), in the
order of the newest form. The names are those of response files (DESIGN 4.2, CSV), so that an export can be submitted.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from stanine.domain.attempts.answer_codes import columns_of
from stanine.domain.instruments.public_form import public_form
from stanine.domain.instruments.record_types import Value
from stanine.domain.scoring.index_entry import FormItem, IndexEntry, item_forms

#: What a column contains: the value of an option; 1 or 0 for an option that was chosen or not; the place of an option,
#: 1 first; a number; a text; a date as YYYY-MM-DD.
VariableType = Literal["Choice", "Chosen", "Place", "Integer", "Number", "Text", "Date"]


class ValueLabel(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value of a variable, its label, and whether it counts as a missing answer."""

    value: Value
    label: str = ""
    missing: bool = False


class Variable(msgspec.Struct, frozen=True, omit_defaults=True):
    """A column: of an item (and one of its options), or of an attribute."""

    name: str
    type: VariableType
    label: str
    item: str = ""
    attribute: str = ""
    option: Value | None = None
    values: tuple[ValueLabel, ...] = ()
    unit: str = ""


def variables_of(entries: Iterable[IndexEntry], language: str | None = None) -> list[Variable]:
    """Return the variables of an instrument, attributes first.

    `entries`: its forms, of which the newest names and labels a variable of several.
    """
    attributes: dict[str, Variable] = {}
    items: dict[str, Variable] = {}
    for entry in sorted(entries, key=lambda each: -each.revision):
        words = public_form(entry, language)
        for attribute in words["attributes"]:
            labels = attribute.get("labels") or ()
            values = tuple(
                ValueLabel(value, (labels[place] if place < len(labels) else None) or "")
                for place, value in enumerate(attribute.get("values", ()))
            )
            kind: VariableType = "Choice" if values else attribute.get("type", "Text")
            one = Variable(
                attribute["id"],
                kind,
                attribute.get("title", ""),
                attribute=attribute["id"],
                values=values,
            )
            attributes.setdefault(one.name, one)
        for item, shown, form in zip(entry.items, words["items"], item_forms(entry), strict=True):
            options = [
                ValueLabel(option.value, said.get("label", ""), option.missing)
                for option, said in zip(
                    entry.option_sets[item.options], shown.get("options", ()), strict=False
                )
            ]
            names = columns_of(form, item.column)
            for one in _of_item(item, names, shown, options):
                items.setdefault(one.name, one)
    return [*attributes.values(), *items.values()]


def _of_item(
    item: FormItem, names: Sequence[str], shown: dict[str, str], options: Sequence[ValueLabel]
) -> list[Variable]:
    text = shown["text"]
    if item.type in ("Multiple", "Ranking"):
        kind: VariableType = "Chosen" if item.type == "Multiple" else "Place"
        values = (ValueLabel(0, "not chosen"), ValueLabel(1, "chosen")) if kind == "Chosen" else ()
        return [
            Variable(
                name,
                kind,
                f"{text}: {option.label or option.value}",
                item=item.id,
                option=option.value,
                values=values,
            )
            for name, option in zip(names, options, strict=True)
        ]
    if item.number is not None:
        kind = "Integer" if item.number.integer else "Number"
        unit = shown.get("unit", "")
        return [Variable(names[0], kind, text, item=item.id, unit=unit)]
    kind = {"Text": "Text", "Date": "Date"}.get(item.type, "Choice")  # type: ignore[assignment]
    return [Variable(names[0], kind, text, item=item.id, values=tuple(options))]
