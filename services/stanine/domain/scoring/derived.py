"""Derived scores of a scale, defaults resolved (DESIGN 4.1, Derived scores).

Shared by checks and compiler. The conversions here are the same operations in the same order as the kernel's, so both
give the same bits.
"""

import functools
import math
from collections.abc import Iterable
from statistics import NormalDist
from typing import Literal

import msgspec

from stanine.domain.instruments.records import Defaults
from stanine.domain.instruments.scale_records import Interval, LookupRow, Report, Scale, Standard

NormKind = Literal["None", "Figures", "Lookup", "Frequencies"]

#: Decimals of a score in comparisons: more than a Mean of any scale needs, fewer than the errors of double arithmetic
#: affect.
DECIMALS = 9
_STENS, _STANINES = (1, 10), (1, 9)
_OF_FIGURES: tuple[Standard, ...] = ("Z", "T", "Sten", "Stanine", "Percentile")
#: Units with a standard error: the others are not linear functions of the raw score.
LINEAR_UNITS = frozenset({"Raw", "Score", "Z", "T"})


class Derived(msgspec.Struct, frozen=True):
    """The derived scores of a scale."""

    norms: NormKind
    has_table: bool
    standard: tuple[Standard, ...]
    report: Report
    interval: Interval | None
    #: The interval that `low` and `high` of all results are; None: there are none, or a table states some of them.
    computed_interval: Interval | None
    #: Whether a result contains `se`, `low` and `high`, a table's `percentile`.
    has_se: bool
    has_limits: bool
    has_table_percentile: bool
    #: The parts that other scales can name: score, z, t, sten, stanine, percentile.
    parts: tuple[str, ...]


def norm_kind(scale: Scale) -> NormKind:
    """Return the kind of a scale's norms, that of the first; checks ensure that all have one kind."""
    for norm in scale.norms.values():
        if norm.lookup is not None:
            return "Lookup"
        return "Frequencies" if norm.frequencies is not None else "Figures"
    return "None"


def tables_of(scale: Scale) -> tuple[tuple[str | None, tuple[LookupRow, ...]], ...]:
    """Return a scale's tables, each with its norm group (None: for all)."""
    if scale.lookup is not None:
        return ((None, scale.lookup),)
    return tuple(
        (group, norm.lookup) for group, norm in scale.norms.items() if norm.lookup is not None
    )


def possible_units(scale: Scale) -> tuple[Report, ...]:
    """Return the units in which a scale's results can be reported."""
    kind = norm_kind(scale)
    units: tuple[Report, ...] = ("Raw",)
    if tables_of(scale):
        units += ("Score",)
    if kind == "Figures":
        units += _OF_FIGURES
    return (*units, "Percentile") if kind == "Frequencies" else units


def derive(scale: Scale, defaults: Defaults) -> Derived:
    """Return the derived scores of a scale; defaults that the scale cannot have do not apply."""
    kind, units, tables = norm_kind(scale), possible_units(scale), tables_of(scale)
    standard = scale.standard
    if standard is None:
        standard = (
            tuple(one for one in defaults.standard or () if one in units) if kind != "None" else ()
        )
    report = scale.report
    if report is None and kind != "None" and defaults.report in units:
        report = defaults.report
    if report is None:
        report = "Score" if tables else "Raw"
    interval = (
        scale.interval
        if scale.interval is not None
        else defaults.interval
        if kind != "None"
        else None
    )
    rows = [row for _, table in tables for row in table] if report == "Score" else []
    by_reliability = kind == "Figures" and scale.reliability is not None
    by_table = any(row.se is not None for row in rows)
    limits_of_table = any(row.low is not None or row.high is not None for row in rows)
    spread = by_reliability or (by_table and interval is not None and interval.kind == "Observed")
    parts = (
        ("score",) * bool(tables)
        + tuple(one.lower() for one in _OF_FIGURES if kind == "Figures")
        + ("percentile",) * (kind == "Frequencies")
    )
    return Derived(
        kind,
        bool(tables),
        standard,
        report,
        interval,
        computed_interval=interval if spread and not limits_of_table else None,
        has_se=(by_reliability and report in LINEAR_UNITS) or by_table,
        has_limits=(interval is not None and spread) or limits_of_table,
        has_table_percentile=any(
            row.percentile is not None for _, table in tables for row in table
        ),
        parts=parts,
    )


def floor_nine(x: float) -> int:
    """Return the greatest whole number up to x, compared at 9 decimals."""
    return math.floor(round(x, DECIMALS)) if math.isfinite(x) else int(math.copysign(1e9, x))


def sten(z: float) -> int:
    """Return the sten of a z score: ⌊2z + 6⌋ in 1 to 10."""
    return min(max(floor_nine(2.0 * z + 6.0), _STENS[0]), _STENS[1])


def stanine(z: float) -> int:
    """Return the stanine of a z score: ⌊2z + 5.5⌋ in 1 to 9."""
    return min(max(floor_nine(2.0 * z + 5.5), _STANINES[0]), _STANINES[1])


def percentile(z: float) -> float:
    """Return the percentile of a z score: 100 times the normal distribution function."""
    return 50.0 * math.erfc(-z / math.sqrt(2.0))


def from_z(unit: Report, z: float) -> float:
    """Return a z score in another unit."""
    match unit:
        case "T":
            return 50.0 + 10.0 * z
        case "Sten":
            return sten(z)
        case "Stanine":
            return stanine(z)
        case "Percentile":
            return percentile(z)
    return z


@functools.lru_cache(maxsize=64)
def two_sided(level: float) -> float:
    """Return the quantile q of the normal distribution with a share `level` between -q and q."""
    return NormalDist().inv_cdf((1.0 + level) / 2.0)


def mid_ranks(
    raws: Iterable[float], counts: Iterable[int]
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Return raw scores in order, the percentile of each, and the percentile above each.

    Half of the people with a raw score count as below it.
    """
    pairs = sorted(zip(raws, counts, strict=True))
    total = sum(count for _, count in pairs)
    at, above, below = [], [], 0
    for _, count in pairs:
        at.append(100.0 * (below + 0.5 * count) / total)
        below += count
        above.append(100.0 * below / total)
    return tuple(raw for raw, _ in pairs), tuple(at), tuple(above)
