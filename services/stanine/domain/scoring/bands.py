"""Bands of scores with exact edges. Used by `scale_checks` and `scoring`."""

from collections.abc import Sequence

from stanine.domain.errors import Faults
from stanine.domain.instruments.scale_records import Band
from stanine.domain.scoring.derived import DECIMALS
from stanine.domain.scoring.intervals import smallest_beyond

__all__ = ["DECIMALS", "check", "smallest_beyond", "start"]


def check(bands: Sequence[Band], place: str, faults: Faults) -> None:
    """Report bands that overlap, lack an edge, or share an id."""
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
            faults.add(
                at,
                "Contradiction",
                "a band begins either from an edge (≥) or above it (>), not both",
            )
            continue
        edge = _edge(band)
        if edge is None:
            if index > 0:
                faults.add(
                    at, "MissingField", "only the first band may have neither from nor above"
                )
            continue
        if round(edge[0], DECIMALS) != edge[0]:
            faults.add(
                at,
                "TooManyDecimals",
                f"an edge has at most {DECIMALS} decimals, because it meets scores rounded to {DECIMALS}",
            )
        if before is not None and edge <= before:
            faults.add(
                at,
                "BandsOverlap",
                "it does not begin after the band before it: put the bands in order, each with an edge of its own",
            )
        before = edge


def start(band: Band) -> float | None:
    """Return the smallest double in a band or beyond it; None if the band has no lower end."""
    edge = _edge(band)
    return None if edge is None else smallest_beyond(edge[0], inclusive=edge[1] == 0)


def _edge(band: Band) -> tuple[float, int] | None:
    """Return a band's edge as a sort key: from 5 comes before above 5."""
    if band.from_ is not None:
        return band.from_, 0
    return None if band.above is None else (band.above, 1)
