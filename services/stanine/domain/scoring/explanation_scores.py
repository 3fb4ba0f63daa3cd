"""Scores derived from a raw score, step by step: norms, standard scores, tables, standard errors.

Used by `explanation`. The figures are those of `result_values`, which every result is read with.
"""

from typing import Any

from msgspec import UNSET

from stanine.domain.instruments.scale_records import LookupRow, Scale
from stanine.domain.scoring.derived import two_sided
from stanine.domain.scoring.explanation_records import ErrorStep, GroupStep, LookupStep, NormStep
from stanine.domain.scoring.intervals import stretch
from stanine.domain.scoring.plan import Plan, PlannedScale
from stanine.domain.scoring.result_records import StoredScale
from stanine.domain.scoring.result_values import limits, part_value, standard_error, table_of


def norm_step(
    scale: Scale, planned: PlannedScale, stored: StoredScale, plan: Plan, looked: list[GroupStep]
) -> NormStep:
    """Return the norm group of a score, with its figures."""
    if stored.norm is None:
        return NormStep(groups=looked, group=None)
    group = plan.groups[planned.norms.groups[stored.norm]].id
    norm = scale.norms[group]
    return NormStep(
        groups=looked,
        group=group,
        mean=UNSET if norm.mean is None else norm.mean,
        sd=UNSET if norm.sd is None else norm.sd,
        sample=UNSET if norm.frequencies is None else sum(one.count for one in norm.frequencies),
    )


def standard_scores(scale: PlannedScale, stored: StoredScale) -> dict[str, float | None]:
    """Return the standard scores of the result and the reported one, by unit."""
    units: list[str] = list(scale.standard)
    if scale.report not in ("Raw", "Score", *units):
        units.append(scale.report)
    return {unit: part_value(scale, stored, unit.lower()) for unit in units}


def lookup_step(
    scale: Scale, planned: PlannedScale, stored: StoredScale, group: str | None
) -> LookupStep:
    """Return the row of a table that contains a raw score."""
    table = table_of(planned, stored)
    if table is None or stored.row is None:
        return LookupStep(score=None)
    given = scale.lookup if scale.lookup is not None else scale.norms[group or ""].lookup
    row: LookupRow = sorted(given or (), key=stretch)[stored.row]
    ends: dict[str, Any] = {
        name: value
        for name in ("raw", "from_", "above", "to", "below", "percentile")
        if (value := getattr(row, name)) is not None
    }
    return LookupStep(score=row.score, **ends)


def error_step(scale: PlannedScale, stored: StoredScale) -> ErrorStep:
    """Return the standard error and the interval of a score."""
    by_table = table_of(scale, stored) is not None
    interval = scale.interval if scale.has_limits else None
    low, high = limits(scale, stored) if scale.has_limits else (UNSET, UNSET)
    used = interval is not None and low is not None
    return ErrorStep(
        unit=scale.report,
        source="Table" if by_table else "Reliability",
        se=standard_error(scale, stored) if scale.has_se else UNSET,
        reliability=UNSET if by_table or scale.reliability is None else scale.reliability,
        kind=interval.kind if interval is not None and used else UNSET,
        level=interval.level if interval is not None and used else UNSET,
        quantile=two_sided(interval.level) if interval is not None and used else UNSET,
        low=low,
        high=high,
    )
