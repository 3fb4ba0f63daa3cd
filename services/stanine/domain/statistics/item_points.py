"""The points that people have in the items of a scale, as a table: what reliability is computed from. Called by `stanine reliability`.

Points are as the scale takes them: reversed, keyed, by list, times their weight.
"""

import numpy as np
import numpy.typing as npt

from stanine.domain.scoring.kernel_terms import ItemScale
from stanine.domain.scoring.plan import Plan, PlannedScale

Floats = npt.NDArray[np.float64]


class ItemPoints:
    """A scale of items made ready to look its points up."""

    def __init__(self, plan: Plan, scale: PlannedScale) -> None:
        self._scale = ItemScale(plan, scale)
        self._weights = np.array([term.weight for term in scale.terms])

    def look_up(self, codes: npt.NDArray[np.uint8], scores: Floats) -> Floats:
        """Return a row a person and a column an item; NaN where there are no points, and for excluded items.

        Where the scale says what points an unanswered item has, it has them, but only for people with a score: who answered nothing has no
        part in the data.
        """
        columns = []
        for x, valid, excluded in self._scale.terms(codes):
            absent = (
                np.isnan(scores) & ~valid
                if excluded is None
                else (np.isnan(scores) & ~valid) | excluded
            )
            columns.append(np.where(absent, np.nan, x))
        points: Floats = np.stack(columns, axis=1) * self._weights
        return points
