"""No figure of a small group can be computed from all that is visible, whatever is asked for."""

from itertools import product
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stanine.domain.statistics.disclosure import SMALLEST_GROUP, Sizes, hidden_groups, hidden_months

tables = st.integers(1, 4).flatmap(
    lambda values: st.integers(1, 5).flatmap(
        lambda months: st.lists(
            st.sampled_from([0, 0, 1, 3, 9, 10, 11, 25, 80]),
            min_size=values * months,
            max_size=values * months,
        ).map(lambda sizes: dict(zip(product("abcd"[:values], range(months)), sizes, strict=True)))
    )
)


def margin(table: dict[Any, int], side: int) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for cell, size in table.items():
        found[cell[side]] = found.get(cell[side], 0) + size
    return found


@settings(max_examples=400, deadline=None)
@given(tables)
def test_no_small_group_is_a_combination_of_visible_sums(table: dict[Any, int]) -> None:
    """A caller knows the sums of all visible groups and that visible months have no other cells."""
    cells = list(table)
    of = {cell: np.array([float(each == cell) for each in cells]) for cell in cells}

    def sum_of(side: int, name: Any) -> Any:
        return np.sum([of[cell] for cell in cells if cell[side] == name], axis=0)

    values, months = margin(table, 0), margin(table, 1)
    sizes = Sizes(table)
    known = []
    if not sizes.hidden([(None, "")], by_value=False, by_month=False):
        known.append(np.ones(len(cells)))
    views = {
        (True, False): {(value, ""): sum_of(0, value) for value in values},
        (False, True): {(None, month): sum_of(1, month) for month in months},
        (True, True): of,
    }
    for (by_value, by_month), groups in views.items():
        shut = sizes.hidden(groups, by_value=by_value, by_month=by_month)
        known += [people for name, people in groups.items() if name not in shut]
    visible = np.array(known) if known else np.zeros((1, len(cells)))
    rank = np.linalg.matrix_rank(visible)
    small = [of[cell] for cell, size in table.items() if 0 < size < SMALLEST_GROUP]
    small += [sum_of(0, value) for value, size in values.items() if 0 < size < SMALLEST_GROUP]
    small += [sum_of(1, month) for month, size in months.items() if 0 < size < SMALLEST_GROUP]
    for group in small:
        assert np.linalg.matrix_rank(np.vstack([visible, group])) > rank


@given(tables)
def test_large_groups_alone_are_all_visible(table: dict[Any, int]) -> None:
    large = {cell: size for cell, size in table.items() if size == 0 or size >= SMALLEST_GROUP}
    assert (
        hidden_groups(margin(large, 0))
        == hidden_groups(margin(large, 1))
        == hidden_months(large)
        == frozenset()
    )
