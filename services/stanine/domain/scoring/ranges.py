"""The lowest and highest raw score that a scale can have, and all raw scores where they are few (DESIGN 4.1, Range).

Used by the checks of tables, by `scoring`, and by the kernel for attempts with excluded items. The ends are computed by the kernel's own
operations in its order, over the answers that reach them.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from stanine.domain.instruments.scale_records import Rounding
from stanine.domain.scoring.rounding import round_decimal

Range = tuple[float, float]

#: Answers that are looked for, at most, until a share of them stops getting lower.
_TURNS = 60
#: Numbers of excluded items that are tried one by one.
_EXCLUSIONS = 64


class RangedTerm(msgspec.Struct, frozen=True, array_like=True):
    """One term as far as the range needs it: its weight, the fewest and most points of an answer, and its declared ends."""

    weight: float
    least: float
    most: float
    low: float
    high: float
    conditional: bool


class RangedScale(msgspec.Struct, frozen=True, array_like=True):
    """A scale of items as far as the range needs it."""

    method: Literal["Mean", "Sum", "Percent"]
    terms: tuple[RangedTerm, ...]
    min_valid: int
    unanswered: float | None
    not_shown: float | None
    excludes: bool
    multiply: float
    constant: float
    rounding: Rounding | None


def finish(x: float, multiply: float, constant: float, rounding: Rounding | None) -> float:
    """Return a raw score: multiplied, added to, rounded."""
    x = x * multiply + constant
    return x if rounding is None else round_decimal(x, rounding.mode, rounding.decimals)


def needed(min_valid: int, present: int, terms: int) -> int:
    """Return how many of the terms that are not excluded must be answered: the same share as of all."""
    return -(-min_valid * present // terms)


def range_of(scale: RangedScale) -> Range | None:
    """Return the lowest and the highest raw score that can be Scored; None if none can."""
    ends = [one for one in (_end(scale, lowest=True), _end(scale, lowest=False)) if one is not None]
    if not ends:
        return None
    done = [finish(x, scale.multiply, scale.constant, scale.rounding) + 0.0 for x in ends]
    return min(done), max(done)


def without(scale: RangedScale, excluded: Iterable[int]) -> Range | None:
    """Return the range of an attempt in which these terms, by their places, were not shown and are excluded."""
    gone = set(excluded)
    terms = tuple(
        msgspec.structs.replace(term, conditional=False)
        for place, term in enumerate(scale.terms)
        if place not in gone
    )
    if not terms:
        return None
    least = needed(scale.min_valid, len(terms), len(scale.terms))
    return range_of(msgspec.structs.replace(scale, terms=terms, min_valid=least, excludes=False))


def _end(scale: RangedScale, *, lowest: bool) -> float | None:
    best: float | None = None
    for gone in _exclusions(scale):
        found = _with_excluded(scale, gone, lowest=lowest)
        if found is not None and (best is None or (found < best if lowest else found > best)):
            best = found
    return best


def _exclusions(scale: RangedScale) -> Iterable[int]:
    if not scale.excludes:
        return (0,)
    most = sum(term.conditional for term in scale.terms)
    most = min(most, len(scale.terms) - 1)
    return range(most + 1) if most <= _EXCLUSIONS else (0, *range(most - _EXCLUSIONS + 1, most + 1))


#: Numerator, denominator and points of one choice for a term.
_Choice = tuple[float, float]


def _with_excluded(scale: RangedScale, gone: int, *, lowest: bool) -> float | None:
    """Return the end over all attempts in which just so many conditional terms are excluded."""
    terms = scale.terms
    if any(term.weight <= 0 for term in terms):
        return _of_all(scale, lowest=lowest)
    least = needed(scale.min_valid, len(terms) - gone, len(terms))
    answered = [_extreme(_choices(scale, term), lowest=lowest) for term in terms]
    blank = [
        _choice(scale, term, scale.unanswered) if scale.unanswered is not None else (0.0, 0.0)
        for term in terms
    ]
    share = sum(one[0] for one in answered) / (sum(one[1] for one in answered) or 1.0)
    chosen: list[int] = []
    for _ in range(_TURNS):
        chosen = _choose(scale, answered, blank, share, gone, least, lowest=lowest)
        above, below = _sums(scale, answered, blank, chosen, gone)
        if below <= 0 or not (above / below < share if lowest else above / below > share):
            break
        share = above / below
    above, below = _sums(scale, answered, blank, chosen, gone)
    if below <= 0:
        return None
    return _score(
        scale,
        above,
        below,
        len(chosen) if scale.unanswered is None else len(terms) - gone,
        gone,
        lowest=lowest,
    )


def _score(
    scale: RangedScale, above: float, below: float, present: int, gone: int, *, lowest: bool
) -> float:
    if scale.method == "Percent":
        return (100.0 * above) / below
    if scale.method == "Mean":
        return above / below
    weights = sorted(term.weight for term in scale.terms)
    if not gone:
        return (
            above if present == len(weights) else (_total(weights_in_order(scale)) * above) / below
        )
    kept = len(weights) - gone
    fewest, most = _total(weights[:kept]), _total(weights[gone:])
    ends = (fewest * above) / below, (most * above) / below
    return min(ends) if lowest else max(ends)


def weights_in_order(scale: RangedScale) -> list[float]:
    """Return the weights in the order of the terms."""
    return [term.weight for term in scale.terms]


def _choice(scale: RangedScale, term: RangedTerm, x: float) -> _Choice:
    if scale.method == "Percent":
        return term.weight * (x - term.low), term.weight * (term.high - term.low)
    return term.weight * x, term.weight


def _choices(scale: RangedScale, term: RangedTerm) -> list[_Choice]:
    points = [term.least, term.most]
    if term.conditional and scale.not_shown is not None:
        points.append(scale.not_shown)
    return [_choice(scale, term, x) for x in points]


def _extreme(found: Sequence[_Choice], *, lowest: bool) -> _Choice:
    return min(found) if lowest else max(found)


def _choose(
    scale: RangedScale,
    answered: Sequence[_Choice],
    blank: Sequence[_Choice],
    share: float,
    gone: int,
    least: int,
    *,
    lowest: bool,
) -> list[int]:
    """Return which terms are answered in the attempt that is furthest beyond a share: at least so many, and not those that are excluded."""
    sign = 1.0 if lowest else -1.0
    gain = [
        (sign * ((one[0] - share * one[1]) - (other[0] - share * other[1])), place)
        for place, (one, other) in enumerate(zip(answered, blank, strict=True))
    ]
    conditional = sum(term.conditional for term in scale.terms)
    room = conditional - gone
    chosen: list[int] = []
    for cost, place in sorted(gain):
        if scale.excludes and scale.terms[place].conditional:
            if room <= 0:
                continue
            if cost >= 0 and len(chosen) >= least:
                break
            room -= 1
        elif cost >= 0 and len(chosen) >= least:
            break
        chosen.append(place)
    return sorted(chosen)


def _sums(
    scale: RangedScale,
    answered: Sequence[_Choice],
    blank: Sequence[_Choice],
    chosen: Sequence[int],
    gone: int,
) -> _Choice:
    """Add up in the order of the terms; of the terms that are not answered, so many are excluded and the others blank."""
    above = below = 0.0
    taken = set(chosen)
    for place, term in enumerate(scale.terms):
        if place in taken:
            one = answered[place]
        elif gone and scale.excludes and term.conditional:
            gone -= 1
            continue
        else:
            one = blank[place]
        above += one[0]
        below += one[1]
    return above, below


def _of_all(scale: RangedScale, *, lowest: bool) -> float:
    """Return the end of a sum that needs every item."""
    total = 0.0
    for term in scale.terms:
        total += _extreme(_choices(scale, term), lowest=lowest)[0]
    return total


def _total(values: Iterable[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total
