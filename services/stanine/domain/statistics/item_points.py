"""The points of people in the items of a scale, as a matrix; the input of reliability.

Called by `stanine reliability`. Points are those of the scale: reversed, keyed or listed, times the weight.
"""

import numpy as np
import numpy.typing as npt

from stanine.domain.scoring.kernel_terms import ItemScale
from stanine.domain.scoring.plan import Plan, PlannedScale

Floats = npt.NDArray[np.float64]


class ItemPoints:
    """Converts answer codes to points in the items of one scale."""

    def __init__(self, plan: Plan, scale: PlannedScale) -> None:
        self._scale = ItemScale(plan, scale)
        self._weights = np.array([term.weight for term in scale.terms])

    def look_up(self, codes: npt.NDArray[np.uint8], scores: Floats) -> Floats:
        """Return points, one row per person and one column per item.

        NaN: no points, or an excluded item. An unanswered item for which the scale declares points
        has these points only if the person has a score: people without answers are not part of the data.
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
