"""Checks that a table of scores has a row for every reachable raw score.

Called by `instrument` last. The raw scores of a scale of items are enumerated if there are few. Otherwise every step of
the rounding between the lowest and the highest counts; without rounding the table must cover the whole range.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from stanine.domain.errors import Faults
from stanine.domain.instruments.formula_names import Formulas
from stanine.domain.instruments.item_forms import ItemForm, exact, resolve
from stanine.domain.instruments.records import Spec
from stanine.domain.instruments.scale_records import Scale
from stanine.domain.scoring import scale_terms
from stanine.domain.scoring.derived import tables_of
from stanine.domain.scoring.intervals import Stretch, find, gap, stretch
from stanine.domain.scoring.ranges import Range, RangedItem, RangedScale, finish, needed, range_of
from stanine.domain.scoring.scale_ranges import (
    answers_of,
    by_item,
    ranged_items,
    rounding_of,
    scale_ranges,
)
from stanine.domain.scoring.scale_terms import ScaleTerm

#: Maximum of different sums, and of transitions between them, for enumerating raw scores.
_MAX_STATES, _MAX_STEPS = 100_000, 1_500_000
#: Maximum of steps of a rounding that are tried one by one.
_MAX_ROUNDED = 1_000_000
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


def reachable(scale: RangedScale, terms: Sequence[ScaleTerm]) -> list[float] | None:
    """Return every reachable raw score in order; None if there are too many to enumerate."""
    if any(one.points.reachable is None for one in terms):
        return None
    if any(
        len(group) > 1 and None in [term.points.table for term in group] for group in by_item(terms)
    ):
        return None
    try:
        sums = list(_all_sums(scale, terms))
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


#: Contribution of an answer: numerator, denominator, weight and number of terms not excluded, terms with points,
#: answered terms.
_Added = tuple[Fraction, Fraction, Fraction, int, int, int]
#: Bits of a count of terms.
_COUNT_BITS = 12
_COUNT_MASK = (1 << _COUNT_BITS) - 1


def _all_sums(
    scale: RangedScale, terms: Sequence[ScaleTerm]
) -> Iterator[tuple[Fraction, Fraction, Fraction, bool]]:
    """Yield the sums of every scorable attempt.

    Each is (numerator, denominator, weight not excluded, whether all terms have points). The sums so far are packed
    into one integer: from the lowest bits three counts, two weights, and the numerator, which has a sign. Raises
    OverflowError if there are too many.
    """
    choices = [
        _choices(scale, group, item)
        for group, item in zip(by_item(terms), scale.items, strict=True)
    ]
    unit = math.lcm(*(x.denominator for one in choices for choice in one for x in choice[:3]))
    bits = sum(
        max(int(max(choice[1], choice[2]) * unit) for choice in one) for one in choices
    ).bit_length()
    mask, counts = (1 << bits) - 1, 3 * _COUNT_BITS

    def pack(choice: _Added) -> int:
        above, below, kept = (int(x * unit) for x in choice[:3])
        return (
            (((above << bits) + below << bits) + kept << counts)
            + (choice[3] << 2 * _COUNT_BITS)
            + (choice[4] << _COUNT_BITS)
            + choice[5]
        )

    states, steps, left = {0}, 0, scale.terms
    for item, one in zip(scale.items, choices, strict=True):
        left -= item.terms
        added = [pack(choice) for choice in one]
        steps += len(states) * len(added)
        if steps > _MAX_STEPS:
            raise OverflowError
        states = {state + each for state in states for each in added}
        if not scale.excludes:
            states = {state for state in states if (state & _COUNT_MASK) + left >= scale.min_valid}
        if len(states) > _MAX_STATES:
            raise OverflowError
    for state in states:
        valid, present, count = (state >> place * _COUNT_BITS & _COUNT_MASK for place in range(3))
        kept, below, above = (
            state >> counts & mask,
            state >> counts + bits & mask,
            state >> counts + 2 * bits,
        )
        if count and valid >= needed(scale.min_valid, count, scale.terms):
            yield (
                Fraction(above, unit),
                Fraction(below, unit),
                Fraction(kept, unit),
                present == count,
            )


def _choices(scale: RangedScale, group: Sequence[ScaleTerm], item: RangedItem) -> list[_Added]:
    """Return what each answer to an item, and each kind of no answer, adds to its terms."""
    count = len(group)
    # With a weight of 0 or less every item is required: nothing is divided.
    weights = [exact(term.weight) for term in group]
    kept = sum(weights, Fraction(0)) if scale.divides else Fraction(0)

    def adds(given: Sequence[float], *, valid: int) -> _Added:
        points = [exact(x) for x in given]
        if scale.method != "Percent":
            return (
                sum((w * x for w, x in zip(weights, points, strict=True)), Fraction(0)),
                kept,
                kept,
                count,
                count,
                valid,
            )
        lows, highs = (
            [exact(term.points.low) for term in group],
            [exact(term.points.high) for term in group],
        )
        above = sum(
            (w * (x - low) for w, x, low in zip(weights, points, lows, strict=True)), Fraction(0)
        )
        below = sum(
            (w * (high - low) for w, low, high in zip(weights, lows, highs, strict=True)),
            Fraction(0),
        )
        return above, below, kept, count, count, valid

    found = [adds(given, valid=count) for given in answers_of(group)]
    unanswered, not_shown = scale.unanswered, scale.not_shown
    found.append(
        (Fraction(0), Fraction(0), kept, count, 0, 0)
        if unanswered is None
        else adds([unanswered] * count, valid=0)
    )
    if item.conditional and not_shown is not None:
        found.append(adds([not_shown] * count, valid=count))
    if item.conditional and scale.excludes:
        found.append((Fraction(0), Fraction(0), Fraction(0), 0, 0, 0))
    return list(dict.fromkeys(found))
