"""The attributes of a batch as columns, limited to those that scores depend on.

Used by the kernel and its callers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stanine.domain.instruments.record_types import Value
from stanine.domain.scoring.kernel_answers import Floats
from stanine.domain.scoring.plan import Plan, PlannedAttribute


class AttributeColumns:
    """One row per attempt, one column per attribute of the plan.

    A cell is a number, or the index of a value; NaN if missing.
    """

    def __init__(self, plan: Plan, matrix: Floats, others: Sequence[Sequence[Value]] = ()) -> None:
        self._plan = plan
        self.matrix = matrix
        #: The values of a text that are not in the plan, by attribute; their indices follow those in the plan.
        self._others = others

    def rows(self, start: int, stop: int) -> "AttributeColumns":
        """Return the rows of some attempts."""
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
        """Return the indices of an attribute's values (-1: missing), and the values."""
        column = self.matrix[:, attribute]
        others = self._others[attribute] if self._others else ()
        return np.where(np.isnan(column), -1, column).astype(np.int64), (
            *self._plan.attributes[attribute].values,
            *others,
        )


def attribute_columns(
    plan: Plan, people: Sequence[Mapping[str, Any]] | None, rows: int
) -> AttributeColumns:
    """Return the columns of people's attributes; None: all are missing."""
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
