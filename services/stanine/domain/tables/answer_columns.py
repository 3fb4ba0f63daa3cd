"""Values of an attempt in a table of answers. Used by the exports of API and CLI."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stanine.domain.tables.variables import Variable


class AnswerColumns:
    """The columns of answers and attributes of an instrument's forms."""

    def __init__(self, variables: Sequence[Variable]) -> None:
        self.variables = variables
        #: The variables of each form, with their places.
        self._of_form: dict[int, list[tuple[int, Variable]]] = {}
        for place, variable in enumerate(variables):
            for form in variable.forms:
                self._of_form.setdefault(form, []).append((place, variable))

    def values(
        self, form: int, answers: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> list[float | str | None]:
        """Return the values of a row; None for no answer and for columns of other forms.

        Raises KeyError for a form that no variable has.
        """
        row: list[float | str | None] = [None] * len(self.variables)
        for place, variable in self._of_form[form]:
            row[place] = _value(variable, answers, attributes)
        return row


def _value(
    variable: Variable, answers: Mapping[str, Any], attributes: Mapping[str, Any]
) -> float | str | None:
    if variable.attribute:
        found: float | str | None = attributes.get(variable.attribute)
        return found
    answer = answers.get(variable.item)
    if variable.option is None or answer is None:
        return None if isinstance(answer, list) else answer
    if variable.type == "Chosen":
        return int(variable.option in answer)
    return answer.index(variable.option) + 1 if variable.option in answer else None


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
