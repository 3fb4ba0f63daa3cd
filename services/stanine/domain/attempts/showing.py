"""Visibility of items by the earlier answers (DESIGN 4.1, `when`).

Used by `packing`, pages and sessions.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from stanine.domain.formulas.conditions import NOT_SHOWN, Missing, compile_condition
from stanine.domain.instruments.item_forms import ItemForm
from stanine.domain.scoring.index_entry import IndexEntry


class Showing:
    """The compiled conditions of one form."""

    def __init__(self, entry: IndexEntry, forms: tuple[ItemForm, ...]) -> None:
        self._entry, self._forms = entry, forms
        compiled = [compile_condition(one) for one in entry.conditions]
        self._conditions = [[compiled[place] for place in item.conditions] for item in entry.items]
        self._sections = {item: section for section in entry.sections for item in section.items}

    def hidden(self, given: Mapping[int, Any], attributes: Mapping[str, Any]) -> list[int]:
        """Return the indices of the items not shown. `given`: the answers by index."""
        return [place for place, shown in self.states(given, attributes) if shown is False]

    def states(
        self, given: Mapping[int, Any], attributes: Mapping[str, Any]
    ) -> Iterator[tuple[int, bool | None]]:
        """Yield each item's index and whether it is shown: None if an earlier answer is missing."""
        values: dict[str, Any] = {
            name: value for name, value in attributes.items() if value is not None
        }
        for place, (form, conditions) in enumerate(zip(self._forms, self._conditions, strict=True)):
            found = [condition(values) for condition in conditions]
            shown = False if False in found else None if None in found else True
            if shown is False:
                values[form.id] = NOT_SHOWN
                values |= {f"{form.id}.{option.value}": NOT_SHOWN for option in form.options}
            elif (answer := given.get(place)) is not None:
                values |= dict(_named(form, answer))
            yield place, shown

    def why(self, place: int) -> str:
        """Return the conditions of an item as written in the document."""
        item = self._entry.items[place]
        section = self._sections.get(item.id)
        written = [
            text
            for text in (section.when if section is not None else None, item.when)
            if text is not None
        ]
        return "it needs " + " and ".join(
            f"({text})" if len(written) > 1 else text for text in written
        )


def _named(form: ItemForm, answer: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values of an answer that conditions can name."""
    missing = {option.value for option in form.options if option.missing}
    match form.type:
        case "Choice":
            yield form.id, Missing(answer) if answer in missing else answer
        case "Multiple":
            if any(value in missing for value in answer):
                return
            yield form.id, answer
            for option in form.options:
                yield f"{form.id}.{option.value}", int(option.value in answer)
        case "Ranking":
            yield form.id, answer
            for rank, value in enumerate(answer):
                yield f"{form.id}.{value}", len(form.options) - rank
        case _:
            yield form.id, answer
