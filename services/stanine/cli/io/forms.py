"""The form by which a file of responses is parsed. Used by `responses` and its callers.

It comes from an index entry (offline) or from the API's answer to GET /v1/instruments/NAME/form.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stanine.domain.attempts.cells import ItemCells, form_of_public
from stanine.domain.scoring.index import IndexEntry, item_forms
from stanine.domain.scoring.index_entry import FormItem

#: Per option or value, in order, its labels in all languages.
Labels = Sequence[Sequence[str]]


class ItemColumn(NamedTuple):
    """Columns of an item: id and option values in order; `cells` parses all types but Choice."""

    id: str
    options: Sequence[int | float | str]
    column: str | None = None
    cells: ItemCells | None = None
    labels: Labels = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The column names."""
        return (self.column or self.id,) if self.cells is None else self.cells.columns


class AttributeColumn(NamedTuple):
    """Column of an attribute: id, `Integer`, `Number` or `Text`, and its values if listed."""

    id: str
    type: str
    values: Sequence[int | float | str]
    labels: Labels = ()


class Form(NamedTuple):
    """The form by which responses are parsed."""

    items: Sequence[ItemColumn]
    attributes: Sequence[AttributeColumn]


def form_of_entry(entry: IndexEntry) -> Form:
    """Return the form of an index entry, with the labels of all its languages."""
    items = [
        ItemColumn(
            item.id,
            [option.value for option in entry.option_sets[item.options]],
            item.column,
            None if item.type == "Choice" else ItemCells(form, item.column),
            _labels_of(entry, item),
        )
        for item, form in zip(entry.items, item_forms(entry), strict=True)
    ]
    return Form(
        items,
        [
            AttributeColumn(
                each.id,
                each.type or "Text",
                each.values or (),
                [
                    _texts(label, (words.get(str(value)) for words in _values_of(entry, each.id)))
                    for value, label in zip(each.values or (), each.labels or (), strict=False)
                ],
            )
            for each in entry.attributes
        ],
    )


def form_of_answer(form: Mapping[str, Any], *translated: Mapping[str, Any]) -> Form:
    """Return the form from the API's answer; `translated`: the same form in other languages."""
    forms = (form, *translated)
    items = []
    for place, item in enumerate(form["items"]):
        options = item.get("options", ())
        in_all = [one["items"][place].get("options", ()) for one in forms]
        items.append(
            ItemColumn(
                item["id"],
                [option["value"] for option in options],
                item.get("column"),
                None
                if item["type"] == "Choice"
                else ItemCells(form_of_public(item), item.get("column")),
                [
                    _texts(None, (one[number].get("label") for one in in_all))
                    for number in range(len(options))
                ],
            )
        )
    attributes = []
    for place, each in enumerate(form["attributes"]):
        values = each.get("values") or ()
        labels = [one["attributes"][place].get("labels") or [None] * len(values) for one in forms]
        attributes.append(
            AttributeColumn(
                each["id"],
                each.get("type") or "Text",
                values,
                [_texts(None, texts) for texts in zip(*labels, strict=True)],
            )
        )
    return Form(items, attributes)


def _labels_of(entry: IndexEntry, item: FormItem) -> Labels:
    translated = [
        words.options.get(item.id) or words.options.get(item.responses or item.id) or {}
        for words in entry.translations.values()
    ]
    return [
        _texts(option.label, (words.get(str(option.value)) for words in translated))
        for option in entry.option_sets[item.options]
    ]


def _values_of(entry: IndexEntry, attribute: str) -> list[Mapping[str, str]]:
    return [
        words.attributes[attribute].values
        for words in entry.translations.values()
        if attribute in words.attributes
    ]


def _texts(first: str | None, others: Any) -> list[str]:
    """Return the labels that exist, each once."""
    return list(dict.fromkeys(text for text in (first, *others) if text))
