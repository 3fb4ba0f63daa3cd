"""Cells of an attempt in a table of answers. Used by the API's CSV."""

from collections.abc import Iterator, Mapping, Sequence

from stanine.domain.attempts.answer_codes import Answer
from stanine.domain.attempts.cells import ItemCells
from stanine.domain.scoring.index_entry import IndexEntry, item_forms
from stanine.domain.tables.variables import Variable


class AnswerColumns:
    """The columns of answers and attributes; the cells of one form's attempts in them."""

    def __init__(self, entry: IndexEntry, variables: Sequence[Variable]) -> None:
        """`variables`: the columns, of this form and of others."""
        places = {variable.name: place for place, variable in enumerate(variables)}
        self._width = len(variables)
        self._attributes = [
            (places[variable.name], variable.attribute)
            for variable in variables
            if variable.attribute
        ]
        self._items = []
        for form, item in zip(item_forms(entry), entry.items, strict=True):
            cells = ItemCells(form, item.column)
            self._items.append((item.id, cells, [places[name] for name in cells.columns]))

    def values(
        self,
        answers: Mapping[str, Answer | None],
        attributes: Mapping[str, float | str],
    ) -> list[float | str | None]:
        """Return the values of a row; None for no answer and for other forms' columns."""
        row: list[float | str | None] = [None] * self._width
        for place, name in self._attributes:
            row[place] = attributes.get(name)
        for name, cells, its in self._items:
            answer = answers[name]
            if isinstance(answer, list):
                for place, cell in zip(its, cells.write(answer), strict=True):
                    row[place] = int(cell)
            else:
                row[its[0]] = answer
        return row


def labels_of(variables: Sequence[Variable]) -> dict[str, Mapping[float | str, str]]:
    """Return the labels of values by column, of the columns whose values have labels."""
    found: dict[str, Mapping[float | str, str]] = {}
    for variable in variables:
        labels: dict[float | str, str] = {
            each.value: each.label for each in variable.values if each.label
        }
        if labels and variable.type == "Choice":
            found[variable.name] = labels
    return found


def label_cells(
    row: Sequence[float | str | None], labels: Sequence[tuple[int, Mapping[float | str, str]]]
) -> Iterator[str | None]:
    """Yield the labels of a row's values. `labels`: place in the row, and labels by value."""
    for place, known in labels:
        value = row[place]
        yield None if value is None else known.get(value)
