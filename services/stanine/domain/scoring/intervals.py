"""Intervals of raw scores with exact ends, to which tables of scores and norm samples are compiled.

Used by the checks of tables, by `scoring` and by `bands`. An edge is compared with the score rounded to 9 decimals, as
by Python's `round`: correctly, from the score's exact value. To spare the kernel the rounding, each edge is replaced by
the smallest double whose rounded value is beyond it; the comparison is then a plain `>=`.
"""

import functools
import math
from bisect import bisect_right
from collections.abc import Sequence

from stanine.domain.instruments.scale_records import LookupRow
from stanine.domain.scoring.derived import DECIMALS

#: From a double, included, to a double, excluded.
Stretch = tuple[float, float]


@functools.lru_cache(maxsize=65536)
def smallest_beyond(edge: float, *, inclusive: bool) -> float:
    """Return the smallest double x with round(x, 9) ≥ edge (inclusive) or > edge."""

    def is_beyond(x: float) -> bool:
        rounded = round(x, DECIMALS)
        return rounded >= edge if inclusive else rounded > edge

    step = max(10.0**-DECIMALS, math.ulp(edge)) * 2
    low, high = edge - step, edge + step
    while (middle := low + (high - low) / 2) not in (low, high):
        if is_beyond(middle):
            high = middle
        else:
            low = middle
    return high


def stretch(row: LookupRow) -> Stretch:
    """Return the doubles whose rounded values are in a row."""
    if row.raw is not None:
        return smallest_beyond(row.raw, inclusive=True), smallest_beyond(row.raw, inclusive=False)
    low, high = -math.inf, math.inf
    if row.from_ is not None:
        low = smallest_beyond(row.from_, inclusive=True)
    if row.above is not None:
        low = smallest_beyond(row.above, inclusive=False)
    if row.to is not None:
        high = smallest_beyond(row.to, inclusive=False)
    if row.below is not None:
        high = smallest_beyond(row.below, inclusive=True)
    return low, high


def find(stretches: Sequence[Stretch], x: float) -> int | None:
    """Return the index of the interval that contains x; they are sorted and do not overlap."""
    place = bisect_right(stretches, (x, math.inf)) - 1
    return place if place >= 0 and x < stretches[place][1] else None


def gap(stretches: Sequence[Stretch], low: float, high: float) -> float | None:
    """Return the first double from low to high that no interval contains, or None."""
    x = low
    while (place := find(stretches, x)) is not None:
        x = stretches[place][1]
        if x > high:
            return None
    return x
