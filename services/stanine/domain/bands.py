"""Bands of scores, and their edges made exact. Used by `scale_checks` and `scoring`.

An edge is compared with the score rounded to 9 decimals, as Python's `round` does it: correctly, from the score's exact value. So that the
kernel need not round, each edge becomes the smallest double whose rounded value lies beyond it, and a comparison is a plain `>=`.
"""

import math
from collections.abc import Sequence

from stanine.domain.errors import Faults
from stanine.domain.records import Band

#: Decimals of a score that a comparison sees: beyond what a Mean of any scale needs, and short of where double arithmetic gets noisy.
DECIMALS = 9


def check(bands: Sequence[Band], place: str, faults: Faults) -> None:
    """Note bands that overlap, lack an edge, or share an id."""
    before: tuple[float, int] | None = None
    ids: set[str] = set()
    for index, band in enumerate(bands):
        at = f"{place}[{index}]"
        if band.id and band.id in ids:
            faults.add(f"{at}.id", "DuplicateId", f'"{band.id}" is the id of an earlier band')
        ids.add(band.id)
        if faults.at(at) or faults.touches(f"{at}.from") or faults.touches(f"{at}.above"):
            before = None
            continue
        if band.from_ is not None and band.above is not None:
            faults.add(at, "Contradiction", "a band begins either from an edge (≥) or above it (>), not both")
            continue
        edge = _edge(band)
        if edge is None:
            if index > 0:
                faults.add(at, "MissingField", "only the first band may have neither from nor above")
            continue
        if round(edge[0], DECIMALS) != edge[0]:
            faults.add(at, "TooManyDecimals", f"an edge has at most {DECIMALS} decimals, because it meets scores rounded to {DECIMALS}")
        if before is not None and edge <= before:
            faults.add(
                at, "BandsOverlap", "it does not begin after the band before it: put the bands in order, each with an edge of its own"
            )
        before = edge


def start(band: Band) -> float | None:
    """Return the smallest double that lies in a band or beyond it; None if the band has no lower end."""
    edge = _edge(band)
    return None if edge is None else smallest_beyond(edge[0], inclusive=edge[1] == 0)


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


def _edge(band: Band) -> tuple[float, int] | None:
    """Return a band's edge so that edges sort: from 5 lies before above 5."""
    if band.from_ is not None:
        return band.from_, 0
    return None if band.above is None else (band.above, 1)
