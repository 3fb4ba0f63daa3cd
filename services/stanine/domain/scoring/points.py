"""Conversion of answers to points in a scale (DESIGN 4.1, Points).

Used by the checks of scales and by `scoring`. A one-byte answer has a table: points by code, None where it gives none.
A wider answer has a `Wide`, a rule that the kernel computes.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import msgspec

from stanine.domain import limits
from stanine.domain.instruments import choices
from stanine.domain.instruments.item_forms import ItemForm, grid_of
from stanine.domain.instruments.records import Option, Value
from stanine.domain.instruments.scale_records import PointRange

Table = tuple[float | None, ...]

#: Maximum of distinct points of a wide answer that are listed; more count as any number between the ends.
_MOST_LISTED = 10_000


class Wide(msgspec.Struct, frozen=True, array_like=True):
    """A rule for the points of an answer that takes several bytes.

    Line      numbers (a, b): a + b · x
    Match     1 if x is one of the numbers
    Steps     `starts` and `numbers`: the points of the last start that is ≤ x
    Option    numbers (place,): 1 if the option is chosen
    Options   the sum of the numbers of the options chosen
    Rank      numbers (place, a, b): a + b · (0 for the first place, 1 for the second, …)
    """

    kind: Literal["Line", "Match", "Steps", "Option", "Options", "Rank"]
    numbers: tuple[float, ...]
    starts: tuple[float, ...] = ()
    #: Then 1 if at least this, else 0.
    threshold: float | None = None
    #: Then lowest + highest - x; this is lowest + highest.
    reversal: float | None = None


class Points(msgspec.Struct, frozen=True):
    """The points of one term: their computation, the ends for Percent, and the reachable points."""

    table: Table | None
    wide: Wide | None
    low: float
    high: float
    #: All points that an answer can give; None: any between the ends.
    reachable: tuple[float, ...] | None

    @property
    def least(self) -> float:
        """The fewest points of an answer."""
        return self.low if self.reachable is None else min(self.reachable)

    @property
    def most(self) -> float:
        """The most points of an answer."""
        return self.high if self.reachable is None else max(self.reachable)


def numbers(options: Sequence[Option]) -> Table:
    """Return each option's own number.

    Raises TypeError if the value of an option that is not missing is a text.
    """
    table: list[float | None] = []
    for option in options:
        if option.missing:
            table.append(None)
        elif isinstance(option.value, str):
            raise TypeError(option.value)
        else:
            table.append(float(option.value))
    return tuple(table)


def reverse(table: Table) -> Table:
    """Return lowest + highest - x for each x, the lowest and highest being those of the table."""
    low, high = ends(table)
    return tuple(None if x is None else low + high - x for x in table)


def reach(table: Table, threshold: float) -> Table:
    """Return 1 where x is at least the threshold, else 0."""
    return tuple(None if x is None else float(x >= threshold) for x in table)


def ends(table: Table) -> tuple[float, float]:
    """Return the lowest and the highest points of a table."""
    present = [x for x in table if x is not None]
    return min(present), max(present)


def is_reversible(table: Table) -> bool:
    """Return whether reversing gives the same points in another order."""
    return sorted(x for x in reverse(table) if x is not None) == sorted(
        x for x in table if x is not None
    )


def number_values(form: ItemForm) -> tuple[float, ...] | None:
    """Return all answers of a Number if they are coded in one byte, else None."""
    grid = grid_of(form)
    if grid is None or grid.count > limits.MAX_CODES_OF_BYTE:
        return None
    return tuple(grid.value(index) for index in range(grid.count))


def own(form: ItemForm, *, minus: bool, threshold: float | None) -> Points:
    """Return the points of a Choice or Number in `items`: its number.

    Raises TypeError as `numbers` does.
    """
    if form.type == "Choice":
        table = numbers(form.options)
        return _of_table(_bent(reverse(table) if minus else table, threshold), threshold)
    if (values := number_values(form)) is not None:
        table = tuple(form.low + form.high - x if minus else x for x in values)
        found = _of_table(_bent(table, threshold), threshold)
        return (
            found
            if threshold is not None
            else msgspec.structs.replace(found, low=form.low, high=form.high)
        )
    line = (form.low + form.high, -1.0) if minus else (0.0, 1.0)
    if threshold is not None:
        can = tuple(
            float(reached) for reached in sorted({form.low >= threshold, form.high >= threshold})
        )
        return Points(None, Wide("Line", line, threshold=threshold), 0.0, 1.0, can)
    return Points(None, Wide("Line", line), form.low, form.high, _all_of_grid(form))


def option(form: ItemForm, place: int, *, minus: bool, threshold: float | None) -> Points:
    """Return the points of one option in `items`: 1 if chosen, else 0.

    Of a Ranking of k options: k for the first rank, 1 for the last.
    """
    if form.type == "Multiple":
        reversal = 1.0 if minus else None
        if choices.is_coded(form):
            table = _table_of_masks(form, lambda chosen: float((place in chosen) != minus))
            return _of_table(_bent(table, threshold), threshold, (0.0, 1.0))
        return Points(
            None,
            Wide("Option", (float(place),), threshold=threshold, reversal=reversal),
            0.0,
            1.0,
            (0.0, 1.0),
        )
    count = len(form.options)
    first, step = (1.0, 1.0) if minus else (float(count), -1.0)
    if choices.is_coded(form):
        table = tuple(first + step * order.index(place) for order in choices.orders(count))
        return _of_table(_bent(table, threshold), threshold)
    reached = tuple(float(n) for n in range(1, count + 1))
    wide = Wide("Rank", (float(place), first, step), threshold=threshold)
    if threshold is not None:
        return Points(None, wide, 0.0, 1.0, tuple(sorted({float(x >= threshold) for x in reached})))
    return Points(None, wide, 1.0, float(count), reached)


def match(form: ItemForm, right: Collection[Value]) -> Points:
    """Return 1 for right answers, else 0. Numbers and texts differ: 1 is not "1"."""
    if form.type == "Choice":
        table: Table = tuple(
            None if one.missing else float(one.value in right) for one in form.options
        )
        return _of_table(table, None, (0.0, 1.0))
    known = tuple(float(x) for x in right if not isinstance(x, str))
    if (values := number_values(form)) is not None:
        return _of_table(tuple(float(x in known) for x in values), None, (0.0, 1.0))
    return Points(None, Wide("Match", known), 0.0, 1.0, (0.0, 1.0))


def listed(given: Sequence[float | None]) -> Points:
    """Return the points of a Choice that `points` lists by option."""
    return _of_table(tuple(None if x is None else float(x) for x in given), None)


def ranges(form: ItemForm, given: Sequence[PointRange]) -> Points:
    """Return the points of a Number by ranges; each permitted value is in exactly one of them."""
    gives = [one.points for one in given]
    low, high = min(gives), max(gives)
    if (values := number_values(form)) is not None:
        table = tuple(next((one.points for one in given if holds(one, x)), None) for x in values)
        return _of_table(table, None, (low, high))
    ordered = sorted(given, key=start_of)
    grid = grid_of(form)
    reached = tuple(sorted({one.points for one in given if grid is None or any_in_grid(one, form)}))
    return Points(
        None,
        Wide("Steps", tuple(one.points for one in ordered), tuple(map(start_of, ordered))),
        low,
        high,
        reached,
    )


def by_option(form: ItemForm, given: Mapping[str, float]) -> Points:
    """Return the points of a Multiple by option: the sum over the chosen; unlisted options give 0."""
    gives = [
        float(given.get(str(one.value), 0.0)) if not one.missing else 0.0 for one in form.options
    ]
    declared = (sum(x for x in gives if x < 0) + 0.0, sum(x for x in gives if x > 0) + 0.0)
    return _sums(form, gives, declared)


def count(form: ItemForm) -> Points:
    """Return the number of options chosen of a Multiple, without exclusive ones."""
    gives = [float(not (one.exclusive or one.missing)) for one in form.options]
    return _sums(form, gives, (0.0, sum(gives)))


def _sums(form: ItemForm, gives: Sequence[float], declared: tuple[float, float]) -> Points:
    if choices.is_coded(form):
        return _of_table(
            _table_of_masks(form, lambda chosen: sum((gives[place] for place in chosen), 0.0)),
            None,
            declared,
        )
    alone = [
        gives[place]
        for place in range(len(gives))
        if choices.is_alone(form, place) and not form.options[place].missing
    ]
    free = sorted(gives[place] for place in range(len(gives)) if not choices.is_alone(form, place))
    reached = set(alone)
    for size in range(form.min_chosen, min(form.max_chosen, len(free)) + 1):
        reached |= {sum(free[:size], 0.0), sum(free[len(free) - size :], 0.0)}
    whole = all(x == free[0] for x in free) if free else True
    least, most = min(reached), max(reached)
    can = tuple(sorted(reached)) if whole else _steps_between(least, most, gives)
    return Points(None, Wide("Options", tuple(gives)), *declared, can)


def _steps_between(least: float, most: float, gives: Sequence[float]) -> tuple[float, ...] | None:
    """Return every whole number between two sums of whole numbers.

    A superset of the reachable points. None if a number is not whole, or there are too many.
    """
    if not all(x.is_integer() for x in gives) or most - least > _MOST_LISTED:
        return None
    return tuple(float(x) for x in range(int(least), int(most) + 1))


def holds(one: PointRange, x: float) -> bool:
    """Return whether an answer is in a range."""
    return (
        (one.from_ is None or x >= one.from_)
        and (one.above is None or x > one.above)
        and (one.to is None or x <= one.to)
        and (one.below is None or x < one.below)
    )


def start_of(one: PointRange) -> float:
    """Return the smallest double in a range or above it."""
    if one.above is not None:
        return math.nextafter(one.above, math.inf)
    return -math.inf if one.from_ is None else one.from_


def any_in_grid(one: PointRange, form: ItemForm) -> bool:
    """Return whether a range contains any answer of a Number with a grid too wide for one byte."""
    grid = grid_of(form)
    assert grid is not None
    start = max(start_of(one), grid.value(0))
    index = min(grid.count - 1, max(0, math.ceil((start - grid.value(0)) / float(grid.step)) - 1))
    return any(holds(one, grid.value(near)) for near in range(index, min(index + 3, grid.count)))


def _all_of_grid(form: ItemForm) -> tuple[float, ...] | None:
    grid = grid_of(form)
    if grid is None or grid.count > _MOST_LISTED:
        return None
    return tuple(grid.value(index) for index in range(grid.count))


def _bent(table: Table, threshold: float | None) -> Table:
    return table if threshold is None else reach(table, threshold)


def _of_table(
    table: Table, threshold: float | None, declared: tuple[float, float] | None = None
) -> Points:
    present = tuple(sorted({x for x in table if x is not None}))
    if threshold is not None:
        declared = 0.0, 1.0
    low, high = (
        declared if declared is not None else (present[0], present[-1]) if present else (0.0, 0.0)
    )
    return Points(table, None, low, high, present)


def _table_of_masks(form: ItemForm, give: Callable[[tuple[int, ...]], float]) -> Table:
    """Return a Multiple's points by code; None for invalid choices and for a missing option."""
    table: list[float | None] = [None] * (1 << len(form.options))
    for mask, chosen in choices.masks(form):
        if not choices.is_missing_choice(form, chosen):
            table[mask] = give(chosen) + 0.0
    return tuple(table)
