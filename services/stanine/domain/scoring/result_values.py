"""Computes what follows from a stored score: units, tables, standard errors, intervals, profiles.

Called by `result` for one attempt. The operations are those of `kernel_steps`, so that a band and the value that
selected it agree.
"""

import math

from stanine.domain.instruments.scale_records import Report
from stanine.domain.scoring.bands import DECIMALS
from stanine.domain.scoring.derived import LINEAR_UNITS, from_z, two_sided
from stanine.domain.scoring.intervals import find
from stanine.domain.scoring.plan import (
    Plan,
    PlannedFrequencies,
    PlannedProfile,
    PlannedScale,
    PlannedTable,
)
from stanine.domain.scoring.result_records import (
    STATUS_NAMES,
    ProfileResult,
    ScaleResult,
    Status,
    StoredScale,
)


def scale_result(scale: PlannedScale, stored: StoredScale, plan: Plan) -> ScaleResult:
    """Return one scale's result."""
    if not scale.derives:
        status = STATUS_NAMES[stored.status]
        if not scale.bands:
            return ScaleResult(stored.raw, stored.valid, stored.items, status, stored.range)
        band = None if stored.band is None else scale.bands[0][stored.band].id
        return ScaleResult(stored.raw, stored.valid, stored.items, status, stored.range, band=band)
    values: dict[str, object] = {}
    if scale.norms.groups:
        values["norm"] = (
            None if stored.norm is None else plan.groups[scale.norms.groups[stored.norm]].id
        )
    for one in scale.standard:
        values[one.lower()] = part_value(scale, stored, one.lower())
    table = table_of(scale, stored)
    if scale.has_table:
        values["score"] = part_value(scale, stored, "score")
        if scale.has_table_percentile:
            values["percentile"] = (
                None if table is None or stored.row is None else table.percentiles[stored.row]
            )
    if scale.has_se:
        values["se"] = standard_error(scale, stored)
    if scale.has_limits:
        values["low"], values["high"] = limits(scale, stored)
    if scale.band_groups:
        values["band_group"] = (
            None
            if stored.band_group is None
            else plan.groups[scale.band_groups[stored.band_group]].id
        )
    if scale.bands:
        its = scale.bands[stored.band_group or 0]
        values["band"] = None if stored.band is None else its[stored.band].id
    return ScaleResult(
        stored.raw,
        stored.valid,
        stored.items,
        STATUS_NAMES[stored.status],
        stored.range,
        **values,  # type: ignore[arg-type]
    )


def table_of(scale: PlannedScale, stored: StoredScale) -> PlannedTable | None:
    """Return the table that a score was looked up in."""
    if scale.table is not None:
        return scale.table
    return (
        scale.norms.tables[stored.norm] if scale.norms.tables and stored.norm is not None else None
    )


def part_value(scale: PlannedScale, stored: StoredScale, part: str) -> float | None:
    """Return a part of a scale; None if it has no value."""
    if stored.raw is None or part == "raw":
        return stored.raw
    if part == "score":
        table = table_of(scale, stored)
        return None if table is None or stored.row is None else table.scores[stored.row]
    if stored.norm is None:
        return None
    if scale.norms.frequencies:
        return mid_rank(scale.norms.frequencies[stored.norm], stored.raw)
    return _in_unit(scale, stored, _UNITS[part], stored.raw)


_UNITS: dict[str, Report] = {
    "z": "Z",
    "t": "T",
    "sten": "Sten",
    "stanine": "Stanine",
    "percentile": "Percentile",
}


def _in_unit(scale: PlannedScale, stored: StoredScale, unit: Report, raw: float) -> float:
    assert stored.norm is not None
    mean, sd = scale.norms.figures[stored.norm]
    return from_z(unit, (raw - mean) / sd)


def mid_rank(sample: PlannedFrequencies, raw: float) -> float:
    """Return the mid-rank percentile of a raw score: half of the people with it count as below."""
    place = find(list(zip(sample.starts, sample.ends, strict=True)), raw)
    if place is not None:
        return sample.at[place]
    below = sum(start <= raw for start in sample.starts)
    return sample.above[below - 1] if below else 0.0


def standard_error(scale: PlannedScale, stored: StoredScale) -> float | None:
    """Return the standard error of a score in the reported unit: the table's, or sd·√(1 - r)."""
    if stored.raw is None or scale.report not in LINEAR_UNITS:
        return None
    table = table_of(scale, stored)
    if table is not None:
        return None if stored.row is None else table.ses[stored.row]
    if scale.reliability is None or stored.norm is None or not scale.norms.figures:
        return None
    error = math.sqrt(1.0 - scale.reliability)
    match scale.report:
        case "Z":
            return error
        case "T":
            return 10.0 * error
    return scale.norms.figures[stored.norm][1] * error


def limits(scale: PlannedScale, stored: StoredScale) -> tuple[float | None, float | None]:
    """Return the ends of a score's interval in the reported unit."""
    if stored.raw is None:
        return None, None
    table = table_of(scale, stored)
    if table is not None:
        return _limits_of_table(scale, stored, table)
    interval = scale.interval
    if (
        interval is None
        or scale.reliability is None
        or stored.norm is None
        or not scale.norms.figures
    ):
        return None, None
    mean, sd = scale.norms.figures[stored.norm]
    q, r = two_sided(interval.level), scale.reliability
    if interval.kind == "TrueScore":
        middle, reach = mean + r * (stored.raw - mean), q * (sd * math.sqrt(r * (1.0 - r)))
    else:
        middle, reach = stored.raw, q * (sd * math.sqrt(1.0 - r))
    if scale.report == "Raw":
        return middle - reach, middle + reach
    return _in_unit(scale, stored, scale.report, middle - reach), _in_unit(
        scale, stored, scale.report, middle + reach
    )


def _limits_of_table(
    scale: PlannedScale, stored: StoredScale, table: PlannedTable
) -> tuple[float | None, float | None]:
    if stored.row is None or scale.report != "Score":
        return None, None
    low, high, se = table.lows[stored.row], table.highs[stored.row], table.ses[stored.row]
    if scale.interval is not None and scale.interval.kind == "Observed" and se is not None:
        reach, score = two_sided(scale.interval.level) * se, table.scores[stored.row]
        low, high = score - reach if low is None else low, score + reach if high is None else high
    return low, high


def profile_result(profile: PlannedProfile, stored: list[StoredScale], plan: Plan) -> ProfileResult:
    """Return a profile: the highest scales; ties are in the order of the profile."""
    values: list[float] = []
    for part in profile.of:
        value = part_value(plan.scales[part.scale], stored[part.scale], part.part)
        if value is None:
            return ProfileResult(STATUS_NAMES[Status.TOO_FEW_ANSWERS], None, None)
        values.append(round(value, DECIMALS))
    order = sorted(range(len(values)), key=lambda place: -values[place])
    count = profile.top
    last = values[order[count - 1]]
    if profile.ties == "List":
        while count < len(order) and values[order[count]] == last:
            count += 1
    among = [values[place] for place in order[:count]]
    tied = len(set(among)) < len(among) or any(
        values[place] == last for place in order[profile.top :]
    )
    return ProfileResult(
        STATUS_NAMES[Status.SCORED], tuple(profile.names[place] for place in order[:count]), tied
    )
