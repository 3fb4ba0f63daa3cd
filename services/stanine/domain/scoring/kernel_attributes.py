"""The attributes of a batch as columns: only those that scores depend on. Used by the kernel and by those who call it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stanine.domain.instruments.record_types import Value
from stanine.domain.scoring.kernel_answers import Floats
from stanine.domain.scoring.plan import Plan, PlannedAttribute


class AttributeColumns:
    """A row an attempt, a column an attribute of the plan: a number, or the place of a value; NaN where it is missing."""

    def __init__(self, plan: Plan, matrix: Floats, others: Sequence[Sequence[Value]] = ()) -> None:
        self._plan = plan
        self.matrix = matrix
        #: The values of a text that the plan does not name, by attribute; their places follow those that it names.
        self._others = others

    def rows(self, start: int, stop: int) -> "AttributeColumns":
        """Return some of the attempts."""
        return AttributeColumns(self._plan, self.matrix[start:stop], self._others)

    def numbers(self, attribute: int) -> Floats:
        """Return an attribute as numbers, NaN where it has none."""
        column = self.matrix[:, attribute]
        planned = self._plan.attributes[attribute]
        if planned.kind == "Number":
            return column
        numbers = np.array(
            [np.nan if isinstance(value, str) else float(value) for value in planned.values]
            + [np.nan]
        )
        places = np.where(np.isnan(column), len(planned.values), column).astype(np.int64)
        return numbers[np.minimum(places, len(planned.values))]

    def places(self, attribute: int) -> tuple[npt.NDArray[np.int64], tuple[Value, ...]]:
        """Return the places of an attribute's values (-1: missing), and the values."""
        column = self.matrix[:, attribute]
        others = self._others[attribute] if self._others else ()
        return np.where(np.isnan(column), -1, column).astype(np.int64), (
            *self._plan.attributes[attribute].values,
            *others,
        )


def attribute_columns(
    plan: Plan, people: Sequence[Mapping[str, Any]] | None, rows: int
) -> AttributeColumns:
    """Return the columns of some people's attributes; None: nobody has any."""
    matrix = np.full((rows, len(plan.attributes)), np.nan)
    if people is None or not plan.attributes:
        return AttributeColumns(plan, matrix)
    others: list[list[Value]] = []
    for place, attribute in enumerate(plan.attributes):
        its, new = _column(attribute, people)
        matrix[:, place] = its
        others.append(new)
    return AttributeColumns(plan, matrix, others)


def _column(
    attribute: PlannedAttribute, people: Sequence[Mapping[str, Any]]
) -> tuple[list[float], list[Value]]:
    given = [person.get(attribute.id) for person in people]
    if attribute.kind == "Number":
        return [np.nan if value is None else float(value) for value in given], []
    places: dict[Any, float] = {value: float(place) for place, value in enumerate(attribute.values)}
    named = len(places)
    for value in given:
        if value is not None:
            places.setdefault(value, float(len(places)))
    return [np.nan if value is None else places[value] for value in given], list(places)[named:]
