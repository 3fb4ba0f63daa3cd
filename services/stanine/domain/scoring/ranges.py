"""The lowest and highest raw score that a scale can have (DESIGN 4.1, Range).

Used by the checks of tables, by `scoring`, and by the kernel for attempts with excluded items. The ends are computed by
the kernel's own operations, over the answers that reach them. Terms of one item are treated together: they have one
answer, and are missing or excluded at once.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from stanine.domain.instruments.scale_records import Rounding
from stanine.domain.scoring.rounding import round_decimal
from stanine.domain.scoring.selections import Candidate, cheapest

Range = tuple[float, float]

#: Maximum of iterations over answers until a share reaches its minimum.
_ITERATIONS = 60
#: Maximum of items, summed over all numbers of excluded items, for the exact search; beyond, the range is a safe bound.
_EXCLUSIONS = 10_000


class RangedItem(msgspec.Struct, frozen=True, array_like=True):
    """Contribution of an item's terms.

    These are the lowest and highest numerator of an answer, and the denominator.
    """

    least: float
    most: float
    below: float
    #: The sum of its terms' weights, and their number.
    weight: float
    terms: int
    conditional: bool
    #: The numerator if it is missing, and if it was not shown; None: it adds nothing.
    blank: float | None = None
    hidden: float | None = None

    def answered(self, *, lowest: bool, or_blank: bool) -> float:
        """Return the lowest or highest numerator of an answer."""
        found = [self.least, self.most]
        if self.conditional and self.hidden is not None:
            found.append(self.hidden)
        if or_blank and self.blank is not None:
            found.append(self.blank)
        return min(found) if lowest else max(found)


class RangedScale(msgspec.Struct, frozen=True, array_like=True):
    """The properties of a scale of items that its range depends on."""

    method: Literal["Mean", "Sum", "Percent"]
    items: tuple[RangedItem, ...]
    min_valid: int
    excludes: bool
    #: Whether every weight is above 0; otherwise the scale is a sum that requires every item.
    divides: bool
    multiply: float
    constant: float
    rounding: Rounding | None
    #: Declared points of a missing answer, and of an item that was not shown.
    unanswered: float | None = None
    not_shown: float | None = None

    @property
    def terms(self) -> int:
        """The number of terms."""
        return sum(item.terms for item in self.items)


def finish(x: float, multiply: float, constant: float, rounding: Rounding | None) -> float:
    """Return a raw score: multiply, add the constant, round."""
    x = x * multiply + constant
    return x if rounding is None else round_decimal(x, rounding.mode, rounding.decimals)


def needed(min_valid: int, present: int, terms: int) -> int:
    """Return how many of the terms not excluded must be answered: the same share as of all."""
    return -(-min_valid * present // terms)


def range_of(scale: RangedScale) -> Range | None:
    """Return the lowest and the highest raw score of a valid result.

    None if there is none, or one overflows.
    """
    ends = [one for one in (_end(scale, lowest=True), _end(scale, lowest=False)) if one is not None]
    if not ends or not all(math.isfinite(x * scale.multiply + scale.constant) for x in ends):
        return None
    done = [finish(x, scale.multiply, scale.constant, scale.rounding) + 0.0 for x in ends]
    return min(done), max(done)


def without(scale: RangedScale, excluded: Iterable[int]) -> Range | None:
    """Return the range of an attempt in which these terms (indices) were excluded as not shown."""
    left_out = set(excluded)
    kept: list[RangedItem] = []
    place = 0
    for item in scale.items:
        if place not in left_out:
            kept.append(msgspec.structs.replace(item, conditional=False))
        place += item.terms
    if not kept:
        return None
    least = needed(scale.min_valid, sum(item.terms for item in kept), scale.terms)
    return range_of(
        msgspec.structs.replace(scale, items=tuple(kept), min_valid=least, excludes=False)
    )


def _end(scale: RangedScale, *, lowest: bool) -> float | None:
    if not scale.divides:
        return _total(item.answered(lowest=lowest, or_blank=False) for item in scale.items)
    if not scale.excludes:
        return _Search(scale, 0, lowest=lowest).end()
    most = min(sum(item.conditional for item in scale.items), len(scale.items) - 1)
    is_exact = (
        all(item.terms == 1 and item.blank is None for item in scale.items)
        and (most + 1) * len(scale.items) <= _EXCLUSIONS
    )
    if is_exact:
        found = [_Search(scale, excluded, lowest=lowest).end() for excluded in range(most + 1)]
    else:
        found = [_Search(scale, most, lowest=lowest, bound=True).end()]
    ends = [one for one in found if one is not None]
    return (min(ends) if lowest else max(ends)) if ends else None


class _Search:
    """Search for one end over all attempts with a given number of excluded conditional items.

    A share Σ numerators / Σ denominators is lowest where Σ (numerator - share · denominator) is; each iteration selects
    the answers that minimize that for the current share, until the share stays. `bound`: the required number of answers
    is that with as many items excluded, but every item may have one.
    """

    def __init__(
        self, scale: RangedScale, excluded: int, *, lowest: bool, bound: bool = False
    ) -> None:
        self._scale, self._excluded, self._bound, self._lowest = scale, excluded, bound, lowest
        self._answered = [item.answered(lowest=lowest, or_blank=bound) for item in scale.items]
        terms = sorted(item.terms for item in scale.items if item.conditional)
        self._kept = scale.terms - sum(terms[len(terms) - excluded :])
        self._needed = needed(scale.min_valid, max(self._kept, 1), scale.terms)
        self._room = len(scale.items) if bound else len(terms) - excluded

    def end(self) -> float | None:
        """Return the end of the score before it is multiplied; None if there is no divisor."""
        items = self._scale.items
        share = _total(self._answered) / (_total(item.below for item in items) or 1.0)
        chosen: list[int] = []
        for _ in range(_ITERATIONS):
            chosen = self._choose(share)
            above, below = self._sums(chosen)
            if below <= 0 or not (above / below < share if self._lowest else above / below > share):
                break
            share = above / below
        above, below = self._sums(chosen)
        return None if below <= 0 else self._score(above, below, chosen)

    def _choose(self, share: float) -> list[int]:
        """Return the answered items of the attempt that is furthest beyond a share."""
        sign = 1.0 if self._lowest else -1.0
        costs = []
        for place, (item, above) in enumerate(zip(self._scale.items, self._answered, strict=True)):
            cost = above - share * item.below
            if (blank := self._blank(item)) is not None:
                cost -= blank - share * item.below
            costs.append((sign * cost, place))
        room = self._room
        if self._bound or not self._scale.excludes:
            items = self._scale.items
            candidates = [Candidate(cost, place, items[place].terms) for cost, place in costs]
            # Without the required number the end is a safe bound.
            chosen = cheapest(candidates, self._needed) or cheapest(candidates, 0) or []
        else:
            chosen, room = self._within_room(costs)
        if not any(self._scale.items[place].below > 0 for place in chosen):
            chosen += self._divisor([place for _, place in sorted(costs)], room)
        return sorted(set(chosen))

    def _within_room(self, costs: Sequence[tuple[float, int]]) -> tuple[list[int], int]:
        """Select among items of one term, of which only some conditional ones are shown; return the room left."""
        chosen: list[int] = []
        room = self._room
        for cost, place in sorted(costs):
            if cost >= 0 and len(chosen) >= self._needed:
                break
            if self._scale.items[place].conditional:
                if room <= 0:
                    continue
                room -= 1
            chosen.append(place)
        return chosen, room

    def _divisor(self, places: Sequence[int], room: int) -> Sequence[int]:
        """Return an item for the divisor of an attempt that has none: the one with the lowest cost."""
        items = self._scale.items
        if any(item.below > 0 and self._blank(item) is not None for item in items):
            return ()
        free = (
            place
            for place in places
            if room > 0 or not (self._scale.excludes and items[place].conditional)
        )
        return tuple(itertools.islice((place for place in free if items[place].below > 0), 1))

    def _blank(self, item: RangedItem) -> float | None:
        """Return the numerator of an unanswered item; None: it adds nothing."""
        return None if self._bound and item.conditional else item.blank

    def _sums(self, chosen: Sequence[int]) -> tuple[float, float]:
        """Return the sums in the order of the form.

        Of the unanswered items the given number is excluded; the others are blank.
        """
        above = below = 0.0
        taken, excluded = set(chosen), self._excluded
        for place, item in enumerate(self._scale.items):
            if place in taken:
                above += self._answered[place]
                below += item.below
            elif excluded and self._scale.excludes and item.conditional:
                excluded -= 1
            elif (blank := self._blank(item)) is not None:
                above += blank
                below += item.below
        return above, below

    def _score(self, above: float, below: float, chosen: Sequence[int]) -> float:
        scale = self._scale
        if scale.method == "Percent":
            return (100.0 * above) / below
        if scale.method == "Mean":
            return above / below
        if not self._excluded:
            complete = len(chosen) == len(scale.items) or all(
                item.blank is not None for item in scale.items
            )
            return (
                above if complete else (_total(item.weight for item in scale.items) * above) / below
            )
        weights = sorted(item.weight for item in scale.items)
        kept = len(weights) - self._excluded
        fewest, most = (
            _total(weights[:kept]),
            _total(weights if self._bound else weights[self._excluded :]),
        )
        ends = (fewest * above) / below, (most * above) / below
        return min(ends) if self._lowest else max(ends)


def _total(values: Iterable[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total
