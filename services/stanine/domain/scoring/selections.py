"""Selects the answered items of the attempt at an end of a scale's range. Used by `ranges`."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

#: Maximum of combinations that are compared, about 2 ms: a search compares them several times.
_COMBINATIONS = 2_500


class Candidate(NamedTuple):
    """An item that can be answered: the cost of its answer, its index, and its number of terms."""

    cost: float
    place: int
    terms: int


def cheapest(candidates: Sequence[Candidate], needed: int) -> list[int] | None:
    """Return the indices of the items with the lowest total cost that have `needed` terms or more.

    The terms of an item are answered together. Every item with a cost below 0 is among them. Returns all items if they
    have fewer terms, and None if too many combinations would have to be compared.
    """
    chosen = [one.place for one in candidates if one.cost < 0]
    needed -= sum(one.terms for one in candidates if one.cost < 0)
    if needed <= 0:
        return chosen
    groups: dict[int, list[Candidate]] = {}
    for one in sorted(candidates):
        if one.cost >= 0:
            groups.setdefault(one.terms, []).append(one)
    if sum(terms * len(group) for terms, group in groups.items()) <= needed:
        return [one.place for one in candidates]
    # Of items with equally many terms the cheapest are selected, so a combination is a number for each such group.
    *others, last = sorted(groups.values(), key=len)
    if math.prod(len(group) + 1 for group in others) > _COMBINATIONS:
        return None
    return chosen + _best(others, last, needed)


def _best(
    others: Sequence[Sequence[Candidate]], last: Sequence[Candidate], needed: int
) -> list[int]:
    """Return the cheapest combination; the number of the last group follows from those of the others."""
    sums = [
        list(itertools.accumulate((one.cost for one in group), initial=0.0))
        for group in (*others, last)
    ]
    best, lowest = [len(group) for group in (*others, last)], math.inf
    for counts in itertools.product(*(range(len(group) + 1) for group in others)):
        open_ = needed - sum(
            count * group[0].terms for count, group in zip(counts, others, strict=True)
        )
        rest = max(0, -(-open_ // last[0].terms))
        if rest > len(last):
            continue
        its = [*counts, rest]
        cost = sum(each[count] for each, count in zip(sums, its, strict=True))
        if cost < lowest:
            best, lowest = its, cost
    return [
        one.place
        for group, count in zip((*others, last), best, strict=True)
        for one in group[:count]
    ]
