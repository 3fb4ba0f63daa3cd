"""Checks that a table of scores has a row for every reachable raw score.

Called by `instrument` last. The raw scores of a scale of items are enumerated if there are few. Otherwise every step of
the rounding between the lowest and the highest counts; without rounding the table must cover the whole range.
"""

import itertools
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from stanine.domain.errors import Faults
from stanine.domain.instruments.formula_names import Formulas
from stanine.domain.instruments.item_forms import ItemForm, resolve
from stanine.domain.instruments.reachable_scores import Effort, reachable
from stanine.domain.instruments.records import Spec
from stanine.domain.instruments.scale_records import Scale
from stanine.domain.scoring import scale_terms
from stanine.domain.scoring.derived import tables_of
from stanine.domain.scoring.intervals import Stretch, find, gap, stretch
from stanine.domain.scoring.ranges import Range, range_of
from stanine.domain.scoring.scale_ranges import ranged_items, rounding_of, scale_ranges

#: Maximum of raw scores that a message lists.
_NAMED = 3


def check(spec: Spec, faults: Faults) -> None:
    """Report tables that miss a raw score, and percentages without ends.

    Places that depend on other faults are skipped.
    """
    form = ("items", "attributes", "responseSets", "sections", "defaults", "normGroups")
    if any(faults.touches(f"spec.{part}") for part in form) or faults.at("spec.scales"):
        return
    all_known = not faults.touches("spec.scales")
    has_percent = any(scale_terms.method_of(scale, spec) == "Percent" for scale in spec.scales)
    if not has_percent and not any(tables_of(scale) for scale in spec.scales):
        return
    scales, forms = scale_terms.first_scales(spec), resolve(spec)
    found = scale_ranges(spec, Formulas(spec)) if all_known else {}
    effort = Effort()
    for index, scale in enumerate(spec.scales):
        place = f"spec.scales[{index}]"
        kind = scale_terms.kind_of(scale, forms, scales)
        if faults.touches(place) or not (all_known or kind == "Items"):
            continue
        if kind == "Scales" and scale_terms.method_of(scale, spec) == "Percent":
            _check_ends(scale, found, place, faults)
        if tables_of(scale):
            _check_tables(spec, scale, forms, found, effort, place, faults)


def _check_ends(
    scale: Scale, found: Mapping[str, Range | None], place: str, faults: Faults
) -> None:
    for index, reference in enumerate(scale.items):
        if found[scale_terms.base(reference)] is None:
            detail = f'the raw score of "{reference}" has no lowest or no highest, so there is nothing to take a percentage of'
            faults.add(f"{place}.items[{index}]", "Contradiction", detail)


def _check_tables(
    spec: Spec,
    scale: Scale,
    forms: dict[str, ItemForm],
    found: Mapping[str, Range | None],
    effort: Effort,
    place: str,
    faults: Faults,
) -> None:
    raws: list[float] | None = None
    ends = found.get(scale.id)
    if (
        scale.formula is None
        and scale_terms.base((*scale.items, *scale.key, *scale.points)[0]) in forms
    ):
        terms = scale_terms.terms_of(scale, forms)
        ranged = ranged_items(scale, spec, forms, terms)
        raws, ends = reachable(ranged, terms, effort), range_of(ranged)
    for group, table in tables_of(scale):
        where = f"{place}." + ("lookup" if group is None else f"norms.{group}.lookup")
        missed = _missed(sorted(stretch(row) for row in table), raws, scale, ends)
        if missed:
            shown = ", ".join(f"{x:.10g}" for x in missed[:_NAMED]) + (
                ", …" if len(missed) > _NAMED else ""
            )
            faults.add(where, "RangesGap", f"raw scores that can be reached have no row: {shown}")


def _missed(
    stretches: Sequence[Stretch], raws: Sequence[float] | None, scale: Scale, ends: Range | None
) -> list[float]:
    low, high = ends if ends is not None else (-math.inf, math.inf)
    rounding = rounding_of(scale)
    if raws is not None:
        missed = _missed_scores(stretches, raws)
    elif rounding is not None and ends is not None:
        step = 10**rounding.decimals
        missed = _missed_steps(stretches, round(low * step), round(high * step), step)
    else:
        missing = gap(stretches, low, high)
        return [] if missing is None else [missing]
    return list(itertools.islice(missed, _NAMED + 1))


def _missed_scores(stretches: Sequence[Stretch], raws: Sequence[float]) -> Iterator[float]:
    """Yield the raw scores, given in order, that no row contains; a row's other scores are skipped."""
    place = 0
    while place < len(raws):
        row = find(stretches, raws[place])
        if row is None:
            yield raws[place]
            place += 1
        else:
            place = bisect_left(raws, stretches[row][1], place + 1)


def _missed_steps(
    stretches: Sequence[Stretch], first: int, last: int, step: int
) -> Iterator[float]:
    """Yield the multiples of 1/step from `first` to `last` that no row contains."""
    whole = first
    while whole <= last:
        row = find(stretches, whole / step)
        if row is None:
            yield whole / step
            whole += 1
        elif math.isinf(end := stretches[row][1]):
            return
        else:
            whole = max(whole + 1, math.floor(end * step))
