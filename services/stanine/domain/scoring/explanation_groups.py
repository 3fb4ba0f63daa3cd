"""Explains why a norm group matched a person, and which band a score is in. Used by `explanation`."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET

from stanine.domain.instruments.scale_records import Band
from stanine.domain.scoring.explanation_records import BandStep, ClauseStep, GroupStep
from stanine.domain.scoring.plan import Clause, Plan, PlannedBand


def groups_up_to_match(
    plan: Plan, groups: Sequence[int], person: Mapping[str, Any], *, shows_answers: bool
) -> tuple[list[GroupStep], int | None]:
    """Return the groups checked, and the index of the match; None if none matches."""
    steps: list[GroupStep] = []
    for place, number in enumerate(groups):
        group = plan.groups[number]
        clauses = [_clause(plan, one, person, shows_answers) for one in group.clauses]
        matches = all(clause.holds for clause in clauses)
        steps.append(GroupStep(group=group.id, matches=matches, clauses=clauses))
        if matches:
            return steps, place
    return steps, None


def _clause(
    plan: Plan, clause: Clause, person: Mapping[str, Any], shows_answers: bool
) -> ClauseStep:
    attribute = plan.attributes[clause.attribute]
    value = person.get(attribute.id)
    shown = value if shows_answers else UNSET
    if clause.places is not None:
        wanted = [attribute.values[place] for place in clause.places]
        holds = value is not None and value in wanted
        return ClauseStep(attribute=attribute.id, holds=holds, one_of=wanted, value=shown)
    holds = (
        value is not None
        and (clause.low is None or value >= clause.low)
        and (clause.high is None or value <= clause.high)
    )
    return ClauseStep(
        attribute=attribute.id,
        holds=holds,
        lowest=clause.low,
        highest=clause.high,
        value=shown,
    )


def band_place(planned: Sequence[PlannedBand], x: float | None) -> int | None:
    """Return the index of a score's band, by the exact edges of the plan; None if it is in none."""
    if x is None:
        return None
    starts = [band.start for band in planned if band.start is not None]
    place = bisect_right(starts, x) + len(planned) - len(starts) - 1
    return place if place >= 0 else None


def band_step(
    bands: Sequence[Band],
    place: int | None,
    unit: str,
    value: float | None,
    groups: tuple[list[GroupStep], str | None] | None,
) -> BandStep:
    """Return a band and its edges. `groups`: the groups checked for it, and the match."""
    looked, group = (UNSET, UNSET) if groups is None else groups
    if place is None:
        return BandStep(unit=unit, value=value, band=None, groups=looked, group=group)
    band = bands[place]
    after = bands[place + 1] if place + 1 < len(bands) else None
    return BandStep(
        unit=unit,
        value=value,
        band=band.id,
        label=_given(band.label),
        from_=_given(band.from_),
        above=_given(band.above),
        below=UNSET if after is None else _given(after.from_),
        to=UNSET if after is None else _given(after.above),
        groups=looked,
        group=group,
    )


def _given(value: Any) -> Any:
    return UNSET if value is None else value
