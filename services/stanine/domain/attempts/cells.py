"""Cells of response files (DESIGN 4.2, CSV): conversion to the answer to one item and back.

Used by the CLI's files. Cells are texts without surrounding spaces. No error message quotes an answer.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from stanine.domain import limits
from stanine.domain.attempts.answer_codes import Answer, AnswerCoder, cells_of, columns_of
from stanine.domain.instruments.item_forms import ItemForm
from stanine.domain.instruments.record_types import Value
from stanine.domain.instruments.records import Option
from stanine.domain.instruments.value_checks import DECIMAL, MISSING_TEXT

_NOTHING = frozenset({"", MISSING_TEXT})
_PLACE = re.compile(r"[0-9]{1,3}(\.0*)?", re.ASCII)


class ItemCells:
    """Reader and writer of the cells of one item."""

    def __init__(self, form: ItemForm, column: str | None = None) -> None:
        self.form = form
        self.columns = columns_of(form, column)
        self._coder = AnswerCoder(form, cells_of([form])[0])
        self._texts: dict[str, Value] = {str(option.value): option.value for option in form.options}
        self._numbers = {
            float(one.value): one.value for one in form.options if not isinstance(one.value, str)
        }

    def read(self, cells: Sequence[str]) -> Answer | None:
        """Return the answer, or None. Raises ValueError with a message for users."""
        match self.form.type:
            case "Multiple":
                answer = self._chosen(cells)
            case "Ranking":
                answer = self._ranked(cells)
            case _:
                answer = self._one(cells[0])
        if answer is not None:
            self._coder.encode(answer)
        return answer

    def write(self, answer: Answer | None) -> list[str]:
        """Return the cells of an answer; blank for no answer."""
        if answer is None:
            return [""] * len(self.columns)
        if not isinstance(answer, list):
            return [_text(answer)]
        values = [option.value for option in self.form.options]
        if self.form.type == "Multiple":
            return [str(int(value in answer)) for value in values]
        return [str(answer.index(value) + 1) for value in values]

    def _one(self, cell: str) -> Answer | None:
        if cell in _NOTHING:
            return None
        match self.form.type:
            case "Choice":
                value = self._texts.get(cell)
                if value is None and DECIMAL.fullmatch(cell):
                    value = self._numbers.get(float(cell))
                return cell if value is None else value
            case "Number":
                if not DECIMAL.fullmatch(cell):
                    raise ValueError("a number belongs here")
                number = float(cell)
                return (
                    int(number)
                    if number.is_integer() and abs(number) <= limits.MAX_INTEGER
                    else number
                )
        return cell

    def _chosen(self, cells: Sequence[str]) -> Answer | None:
        if all(cell in _NOTHING for cell in cells):
            return None
        chosen: list[Value] = []
        for cell, option in zip(cells, self.form.options, strict=True):
            if cell in _NOTHING:
                continue
            if not DECIMAL.fullmatch(cell) or float(cell) not in (0, 1):
                raise ValueError("1 (chosen) or 0 belongs here")
            if float(cell) == 1:
                chosen.append(option.value)
        return chosen

    def _ranked(self, cells: Sequence[str]) -> Answer | None:
        blank = [cell in _NOTHING for cell in cells]
        if all(blank):
            return None
        count = len(cells)
        if any(blank):
            raise ValueError(f"all {count} options have a place, or none")
        places = [int(float(cell)) if _PLACE.fullmatch(cell) else 0 for cell in cells]
        if sorted(places) != list(range(1, count + 1)):
            raise ValueError(f"the places are 1 to {count}, each once")
        values = [option.value for option in self.form.options]
        return [values[places.index(place)] for place in range(1, count + 1)]


def form_of_public(item: Mapping[str, Any]) -> ItemForm:
    """Return the item form of a public form's item, as far as its answers need it."""
    options = tuple(
        Option(one["value"], exclusive=one.get("exclusive", False))
        for one in item.get("options", ())
    )
    return ItemForm(
        item["id"],
        item["type"],
        options,
        low=item.get("min", 0.0),
        high=item.get("max", 0.0),
        step=item.get("step"),
        integer=item.get("integer", False),
        min_chosen=item.get("minChosen", 0),
        max_chosen=item.get("maxChosen", len(options)),
        max_length=item.get("maxLength", limits.DEFAULT_TEXT),
    )


def _text(answer: Value) -> str:
    return answer if isinstance(answer, str) else repr(answer)
