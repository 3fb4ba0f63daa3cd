"""Enumerates the raw scores that a scale of items can have, if they are few. Used by `table_checks`."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from stanine.domain.instruments.item_forms import exact
from stanine.domain.scoring.ranges import RangedItem, RangedScale, finish, needed
from stanine.domain.scoring.scale_ranges import answers_of, by_item
from stanine.domain.scoring.scale_terms import ScaleTerm

#: Maximum of different sums of a scale, and of transitions between them, for enumerating its raw scores.
MAX_STATES, MAX_STEPS = 100_000, 1_500_000
#: Maximum of transitions for all scales of a document, about 2 s; scales with few are always enumerated.
MAX_ALL_STEPS, MAX_SIMPLE_STEPS = 15_000_000, 100_000
#: Transitions that take as long as finishing a raw score.
_STEPS_OF_STATE = 20


class Effort:
    """The steps that a document may still cost, so that no document keeps a process busy."""

    def __init__(self, steps: int = MAX_ALL_STEPS) -> None:
        self.left = steps

    def limit(self) -> int:
        """Return the steps that the next scale may cost."""
        return min(MAX_STEPS, max(self.left, MAX_SIMPLE_STEPS))


def reachable(
    scale: RangedScale, terms: Sequence[ScaleTerm], effort: Effort | None = None
) -> list[float] | None:
    """Return every reachable raw score in order; None if there are too many to enumerate."""
    if any(one.points.reachable is None for one in terms):
        return None
    if any(
        len(group) > 1 and None in [term.points.table for term in group] for group in by_item(terms)
    ):
        return None
    try:
        unit, sums = _all_sums(scale, terms, effort or Effort())
    except OverflowError:
        return None
    raws: set[float] = set()
    factor = 100 if scale.method == "Percent" else 1
    for above, below, kept, complete in sums:
        # The quotient of two integers is rounded correctly.
        if scale.method != "Sum":
            raw = factor * above / below if below else None
        elif complete:
            raw = above / unit
        else:
            raw = kept * above / (below * unit) if below else None
        if raw is not None:
            raws.add(round(finish(raw, scale.multiply, scale.constant, scale.rounding), 9) + 0.0)
    return sorted(raws)


#: Contribution of an answer: numerator, denominator, weight and number of terms not excluded, terms with points,
#: answered terms.
_Added = tuple[Fraction, Fraction, Fraction, int, int, int]
#: Bits of a count of terms.
_COUNT_BITS = 12
_COUNT_MASK = (1 << _COUNT_BITS) - 1


def _all_sums(
    scale: RangedScale, terms: Sequence[ScaleTerm], effort: Effort
) -> tuple[int, Iterator[tuple[int, int, int, bool]]]:
    """Return the sums of every scorable attempt, in multiples of 1/unit, after the unit.

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

    states, left, limit = {0}, scale.terms, effort.limit()
    for item, one in zip(scale.items, choices, strict=True):
        left -= item.terms
        added = [pack(choice) for choice in one]
        limit -= len(states) * len(added)
        effort.left -= len(states) * len(added)
        if limit < 0:
            raise OverflowError
        states = {state + each for state in states for each in added}
        if not scale.excludes:
            states = {state for state in states if (state & _COUNT_MASK) + left >= scale.min_valid}
        if len(states) > MAX_STATES:
            raise OverflowError
    effort.left -= _STEPS_OF_STATE * len(states)

    def unpacked() -> Iterator[tuple[int, int, int, bool]]:
        for state in states:
            valid, present, count = (
                state >> place * _COUNT_BITS & _COUNT_MASK for place in range(3)
            )
            if count and valid >= needed(scale.min_valid, count, scale.terms):
                yield (
                    state >> counts + 2 * bits,
                    state >> counts + bits & mask,
                    state >> counts & mask,
                    present == count,
                )

    return unit, unpacked()


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
