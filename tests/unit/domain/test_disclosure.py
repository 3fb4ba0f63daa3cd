"""No figure of a small group can be computed from all that is visible, whatever is asked for."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stanine.domain.statistics.disclosure import SMALLEST_GROUP, Sizes, hidden_groups, hidden_months

#: The people in each cell: of values of two attributes, and months.
Table = dict[tuple[Any, Any, Any], int]

_VIEWS = ((False, False), (True, False), (False, True), (True, True))


def tables(seconds: int) -> st.SearchStrategy[Table]:
    """Return tables with up to `seconds` values of the second attribute."""
    shapes = st.tuples(st.integers(1, 4), st.integers(1, seconds), st.integers(1, 5))

    def of(shape: tuple[int, int, int]) -> st.SearchStrategy[Table]:
        values, others, months = shape
        cells = [*product("abcd"[:values], "xyz"[:others], range(months))]
        sizes = st.sampled_from([0, 0, 1, 3, 9, 10, 11, 25, 80])
        return st.lists(sizes, min_size=len(cells), max_size=len(cells)).map(
            lambda found: dict(zip(cells, found, strict=True))
        )

    return shapes.flatmap(of)


def of_attribute(table: Table, attribute: int) -> dict[tuple[Any, Any], int]:
    """Return the people by the values of one attribute (0 or 1) and months."""
    found: dict[tuple[Any, Any], int] = {}
    for cell, size in table.items():
        name = cell[attribute], cell[2]
        found[name] = found.get(name, 0) + size
    return found


def margin(table: Mapping[Any, int], side: int) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for cell, size in table.items():
        found[cell[side]] = found.get(cell[side], 0) + size
    return found


def groups_of(table: Table, attribute: int) -> Iterator[tuple[tuple[bool, bool], Any, Any]]:
    """Yield each group of each view of an attribute: the view, the name, and which cells it consists of."""
    for by_value, by_month in _VIEWS:
        members: dict[Any, list[float]] = {}
        for place, cell in enumerate(table):
            name = cell[attribute] if by_value else None, cell[2] if by_month else ""
            members.setdefault(name, [0.0] * len(table))[place] = 1.0
        for name, cells in members.items():
            yield (by_value, by_month), name, np.array(cells)


def check(table: Table, attempts: Table | None = None) -> None:
    """Check that no small group of people is a combination of the sums of visible groups.

    Nor are small rests: the hidden groups of a view together, and those of one value. A caller asks for every view, by
    each attribute, and knows that visible months have no other cells. `attempts`: the people who took part, of whom
    those in `table` have a score; what hides the first hides the second.
    """
    sizes_of = np.array([*table.values()])
    known, groups = [np.zeros(len(table))], []
    for attribute in (0, 1):
        outer = None if attempts is None else Sizes(of_attribute(attempts, attribute))
        sizes = Sizes(of_attribute(table, attribute), outer)
        rests: dict[Any, Any] = {}
        for (by_value, by_month), name, cells in groups_of(table, attribute):
            hides = [each for each in (sizes, outer) if each is not None]
            if not any(each.hidden([name], by_value=by_value, by_month=by_month) for each in hides):
                known.append(cells)
                continue
            groups.append(cells)
            for rest in {(by_value, by_month), (by_value, by_month, name[0])}:
                rests[rest] = rests.get(rest, np.zeros(len(table))) + cells
        groups += rests.values()
    visible = np.array(known)
    rank = np.linalg.matrix_rank(visible)
    assert not any(0 < each @ sizes_of < SMALLEST_GROUP for each in known)
    for group in groups:
        if 0 < group @ sizes_of < SMALLEST_GROUP:
            assert np.linalg.matrix_rank(np.vstack([visible, group])) > rank


@settings(max_examples=300, deadline=None)
@given(tables(1))
def test_no_small_group_is_a_combination_of_visible_sums(table: Table) -> None:
    check(table)


@settings(max_examples=150, deadline=None)
@given(tables(3))
def test_nor_of_the_sums_by_two_attributes_one_after_the_other(table: Table) -> None:
    check(table)


@settings(max_examples=150, deadline=None)
@given(tables(2), st.data())
def test_nor_are_the_people_with_a_score_of_a_scale(attempts: Table, data: st.DataObject) -> None:
    scored = {
        cell: size - data.draw(st.sampled_from([0, 0, min(size, 1), min(size, 9), size]))
        for cell, size in attempts.items()
    }
    check(scored, attempts)


@given(tables(1))
def test_large_groups_alone_are_all_visible(table: Table) -> None:
    large = {
        cell: size
        for cell, size in of_attribute(table, 0).items()
        if size == 0 or size >= SMALLEST_GROUP
    }
    assert (
        hidden_groups(margin(large, 0))
        == hidden_groups(margin(large, 1))
        == hidden_months(large)
        == frozenset()
    )
