"""The points that people have in the items of a scale, as a table: what reliability is computed from. Called by `stanine reliability`.

Points are as the scale takes them: reversed, keyed, by list, times their weight.
"""

import numpy as np
import numpy.typing as npt

from stanine.domain.scoring import Plan, PlannedScale

Floats = npt.NDArray[np.float64]
#: Values of a code: one byte.
_CODES = 256


class ItemPoints:
    """A scale of items made ready to look its points up."""

    def __init__(self, plan: Plan, scale: PlannedScale) -> None:
        #: Places of the scale's items in the form.
        self.items = np.array([term.item for term in scale.terms], dtype=np.int64)
        self._unanswered = scale.unanswered
        self._weights = np.array([term.weight for term in scale.terms])
        table_of = {table: row for row, table in enumerate(dict.fromkeys(term.table for term in scale.terms))}
        self._rows = np.array([table_of[term.table] for term in scale.terms], dtype=np.int64)
        self._tables = np.full((len(table_of), _CODES), np.nan)
        for table, row in table_of.items():
            points = [np.nan if x is None else x for x in plan.tables[table]]
            self._tables[row, : len(points)] = points

    def look_up(self, codes: npt.NDArray[np.uint8], scores: Floats) -> Floats:
        """Return a row a person and a column an item; NaN where there are no points.

        Where the scale says what points an unanswered item has, it has them, but only for people with a score: who answered nothing has no
        part in the data.
        """
        points: Floats = self._tables[self._rows, codes[:, self.items]]
        if self._unanswered is not None:
            points = np.where(np.isnan(points) & ~np.isnan(scores)[:, None], self._unanswered, points)
        weighted: Floats = points * self._weights
        return weighted
