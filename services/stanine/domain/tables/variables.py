"""Columns of an export of answers, with their labels: the codebook. Used by the API's exports and the CLI.

Items and attributes of all forms of an instrument have one column each (a Multiple or Ranking one per option), in the
order of the newest form. The names are those of response files (DESIGN 4.2, CSV), so that an export can be submitted.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from stanine.domain.attempts.answer_codes import columns_of
from stanine.domain.instruments.public_form import public_form
from stanine.domain.instruments.record_types import Value
from stanine.domain.scoring.index_entry import FormItem, IndexEntry, item_forms

#: What a column contains: the value of an option; 1 or 0 for an option that was chosen or not; the place of an option,
#: 1 first; a number; a text; a date as YYYY-MM-DD.
VariableType = Literal["Choice", "Chosen", "Place", "Integer", "Number", "Text", "Date"]


_TYPES: dict[str, VariableType] = {
    "Choice": "Choice",
    "Number": "Number",
    "Multiple": "Chosen",
    "Ranking": "Place",
    "Text": "Text",
    "Date": "Date",
}


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
    #: The forms that have it, by their first revisions.
    forms: tuple[int, ...]
    item: str = ""
    attribute: str = ""
    option: Value | None = None
    values: tuple[ValueLabel, ...] = ()
    #: The ends and the unit of a number.
    min: float | None = None
    max: float | None = None
    unit: str = ""


def variables_of(entries: Iterable[IndexEntry], language: str | None = None) -> list[Variable]:
    """Return the variables of an instrument, attributes first.

    `entries`: its forms, of which the newest names and labels a variable of several.
    """
    attributes: dict[str, Variable] = {}
    items: dict[str, Variable] = {}
    for entry in sorted(entries, key=lambda each: -each.revision):
        for found, known in (
            (_of_attributes(entry, language), attributes),
            (_of_items(entry, language), items),
        ):
            for one in found:
                newer = known.get(one.name)
                known[one.name] = (
                    one
                    if newer is None
                    else msgspec.structs.replace(newer, forms=(*newer.forms, entry.form))
                )
    return [*attributes.values(), *items.values()]


def _of_attributes(entry: IndexEntry, language: str | None) -> Iterator[Variable]:
    for shown in public_form(entry, language)["attributes"]:
        labels = shown.get("labels") or ()
        values = tuple(
            ValueLabel(value, (labels[place] if place < len(labels) else None) or "")
            for place, value in enumerate(shown.get("values", ()))
        )
        kind: VariableType = "Choice" if values else shown.get("type", "Text")
        title, name = shown.get("title", ""), shown["id"]
        yield Variable(name, kind, title, (entry.form,), attribute=name, values=values)


def _of_items(entry: IndexEntry, language: str | None) -> Iterator[Variable]:
    shown_items = public_form(entry, language)["items"]
    for item, shown, form in zip(entry.items, shown_items, item_forms(entry), strict=True):
        options = [
            ValueLabel(option.value, said.get("label", ""), option.missing)
            for option, said in zip(
                entry.option_sets[item.options], shown.get("options", ()), strict=False
            )
        ]
        names = columns_of(form, item.column)
        yield from _of_item(entry.form, item, names, shown, options)


def _of_item(
    form: int,
    item: FormItem,
    names: Sequence[str],
    shown: dict[str, str],
    options: Sequence[ValueLabel],
) -> Iterator[Variable]:
    text, kind = shown["text"], _TYPES[item.type]
    if kind in ("Chosen", "Place"):
        values = (ValueLabel(0, "not chosen"), ValueLabel(1, "chosen")) if kind == "Chosen" else ()
        for name, option in zip(names, options, strict=True):
            label = f"{text}: {option.label or option.value}"
            yield Variable(
                name, kind, label, (form,), item=item.id, option=option.value, values=values
            )
    elif item.number is not None:
        number = item.number
        yield Variable(
            names[0],
            "Integer" if number.integer else "Number",
            text,
            (form,),
            item=item.id,
            min=number.low,
            max=number.high,
            unit=shown.get("unit", ""),
        )
    else:
        yield Variable(names[0], kind, text, (form,), item=item.id, values=tuple(options))
