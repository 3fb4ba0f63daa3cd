"""Whether a table of scores has a row for every raw score that can be reached. Called by `instrument` last.

The raw scores of a scale of items are found one by one, as long as there are few; else every step of its rounding between the lowest and
the highest counts, and without rounding the table must cover all between them.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from stanine.domain.errors import Faults
from stanine.domain.instruments.item_forms import ItemForm, exact, resolve
from stanine.domain.instruments.records import Spec
from stanine.domain.instruments.scale_records import Scale
from stanine.domain.scoring import scale_terms
from stanine.domain.scoring.derived import tables_of
from stanine.domain.scoring.intervals import Stretch, find, gap, stretch
from stanine.domain.scoring.ranges import Range, RangedScale, finish, needed, range_of
from stanine.domain.scoring.scale_ranges import ranged_items, rounding_of, scale_ranges
from stanine.domain.scoring.scale_terms import Term

#: Different sums, and steps from one to the next, up to which raw scores are found one by one.
_MAX_STATES, _MAX_STEPS = 100_000, 4_000_000
#: Steps of a rounding that are tried one by one.
_MAX_ROUNDED = 1_000_000
#: Raw scores that a refusal names.
_NAMED = 3


def check(spec: Spec, faults: Faults) -> None:
    """Note tables that miss a raw score, and percentages of what has no ends; nothing of what other faults make doubtful."""
    form = ("items", "attributes", "responseSets", "sections", "defaults", "normGroups")
    if any(faults.touches(f"spec.{part}") for part in form) or faults.at("spec.scales"):
        return
    all_known = not faults.touches("spec.scales")
    has_percent = any(scale_terms.method_of(scale, spec) == "Percent" for scale in spec.scales)
    if not has_percent and not any(tables_of(scale) for scale in spec.scales):
        return
    scales, forms = scale_terms.first_scales(spec), resolve(spec)
    found = scale_ranges(spec) if all_known else {}
    for index, scale in enumerate(spec.scales):
        place = f"spec.scales[{index}]"
        kind = scale_terms.kind_of(scale, forms, scales)
        if faults.touches(place) or not (all_known or kind == "Items"):
            continue
        if kind == "Scales" and scale_terms.method_of(scale, spec) == "Percent":
            _check_ends(scale, found, place, faults)
        if tables_of(scale):
            _check_tables(spec, scale, forms, found, place, faults)


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
        raws, ends = reachable(ranged, terms), range_of(ranged)
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
    if raws is not None:
        return [x for x in raws if find(stretches, x) is None]
    low, high = ends if ends is not None else (-math.inf, math.inf)
    rounding = rounding_of(scale)
    if rounding is not None and ends is not None:
        step = 10**rounding.decimals
        first, last = round(low * step), round(high * step)
        if last - first <= _MAX_ROUNDED:
            missed = (
                whole / step
                for whole in range(first, last + 1)
                if find(stretches, whole / step) is None
            )
            return list(itertools.islice(missed, _NAMED + 1))
    missing = gap(stretches, low, high)
    return [] if missing is None else [missing]


def reachable(scale: RangedScale, terms: Sequence[Term]) -> list[float] | None:
    """Return every raw score that can be reached, in order; None if they are too many to find one by one."""
    if any(one.points.reachable is None for one in terms):
        return None
    try:
        sums = _all_sums(scale, terms)
    except OverflowError:
        return None
    raws: set[float] = set()
    for above, below, kept, complete in sums:
        if scale.method == "Sum":
            raw = above if complete else kept * above / below if below else None
        else:
            raw = (100 if scale.method == "Percent" else 1) * above / below if below else None
        if raw is not None:
            raws.add(
                round(finish(float(raw), scale.multiply, scale.constant, scale.rounding), 9) + 0.0
            )
    return sorted(raws) if len(raws) <= _MAX_STATES else None


#: Of the answers so far: numerator, denominator, weight and number of terms not excluded, terms with points, answered terms.
_State = tuple[Fraction, Fraction, Fraction, int, int, int]


def _all_sums(
    scale: RangedScale, terms: Sequence[Term]
) -> Iterator[tuple[Fraction, Fraction, Fraction, bool]]:
    """Yield (numerator, denominator, weight not excluded, whether all have points) of every attempt that can be Scored."""
    states: set[tuple[int, ...]] = {(0, 0, 0, 0, 0, 0)}
    choices = [
        _choices(scale, term, ranged.conditional)
        for term, ranged in zip(terms, scale.terms, strict=True)
    ]
    unit = math.lcm(*(x.denominator for one in choices for choice in one for x in choice[:3]))
    steps = 0
    for left, one in zip(range(len(choices) - 1, -1, -1), choices, strict=True):
        whole = [(int(a * unit), int(b * unit), int(c * unit), d, e, f) for a, b, c, d, e, f in one]
        steps += len(states) * len(whole)
        if steps > _MAX_STEPS:
            raise OverflowError
        states = {tuple(map(int.__add__, state, choice)) for state in states for choice in whole}
        states = {state for state in states if scale.excludes or state[5] + left >= scale.min_valid}
        if len(states) > _MAX_STATES:
            raise OverflowError
    for above, below, kept, count, present, valid in states:
        if count and valid >= needed(scale.min_valid, count, len(terms)):
            yield (
                Fraction(above, unit),
                Fraction(below, unit),
                Fraction(kept, unit),
                present == count,
            )


def _choices(scale: RangedScale, term: Term, conditional: bool) -> list[_State]:
    """Return what each answer to a term, and each kind of no answer, adds."""
    weight = exact(term.weight)
    low, high = exact(term.points.low), exact(term.points.high)

    def adds(x: float, *, valid: int) -> _State:
        if scale.method == "Percent":
            return weight * (exact(x) - low), weight * (high - low), weight, 1, 1, valid
        return weight * exact(x), weight, weight, 1, 1, valid

    found = [adds(x, valid=1) for x in term.points.reachable or ()]
    found.append(
        (Fraction(0), Fraction(0), weight, 1, 0, 0)
        if scale.unanswered is None
        else adds(scale.unanswered, valid=0)
    )
    if conditional and scale.not_shown is not None:
        found.append(adds(scale.not_shown, valid=1))
    if conditional and scale.excludes:
        found.append((Fraction(0), Fraction(0), Fraction(0), 0, 0, 0))
    return list(dict.fromkeys(found))
