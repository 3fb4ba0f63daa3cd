"""Which groups of people are hidden, so that no figure is of fewer than SMALLEST_GROUP people. Used by `group_figures`.

Groups are the cells of a table: values of an attribute by months. A caller may see the figures of all people, of each
value, of each month and of each cell. Since all of these are sums of the same cells, a hidden one must not be the
difference of visible ones. So hidden groups come in twos at least, and have SMALLEST_GROUP people together
(complementary suppression). Cells are hidden by months: of a month either all cells are visible, or none.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

#: The smallest number of people of a group with visible figures.
SMALLEST_GROUP = 10

#: Value of the attribute (None: it is missing) and month of a cell.
CellName = tuple[Any, Any]


def hidden_groups(sizes: Mapping[Any, int], also: Iterable[Any] = ()) -> frozenset[Any]:
    """Return the groups of one margin that are hidden: small ones, those in `also`, and as many more as are needed."""
    people = {group: size for group, size in sizes.items() if size}
    hidden = {group for group, size in people.items() if size < SMALLEST_GROUP}
    hidden |= {group for group in also if group in people}
    order = sorted(people, key=lambda group: (people[group], str(group)))
    while hidden and (len(hidden) < 2 or sum(people[each] for each in hidden) < SMALLEST_GROUP):
        more = next((group for group in order if group not in hidden), None)
        if more is None:
            break
        hidden.add(more)
    return frozenset(hidden)


def hidden_months(table: Mapping[CellName, int], also: Iterable[Any] = ()) -> frozenset[Any]:
    """Return the months whose cells are hidden.

    Those with a small cell, those in `also`, and as many more as are needed: a value's people in the hidden months,
    which are the difference of its sum and its visible cells, must not be few either.
    """
    months: dict[Any, int] = {}
    for (_, month), size in table.items():
        months[month] = months.get(month, 0) + size
    hidden = {month for (_, month), size in table.items() if 0 < size < SMALLEST_GROUP}
    hidden |= {month for month in also if months.get(month)}
    order = sorted(
        (month for month in months if months[month]), key=lambda each: (months[each], each)
    )
    while hidden and not _is_safe(table, hidden):
        more = next((month for month in order if month not in hidden), None)
        if more is None:
            break
        hidden.add(more)
    return frozenset(hidden)


def _is_safe(table: Mapping[CellName, int], hidden: set[Any]) -> bool:
    if len(hidden) < 2:
        return False
    rests: dict[Any, int] = {}
    for (value, month), size in table.items():
        if month in hidden:
            rests[value] = rests.get(value, 0) + size
    return all(size >= SMALLEST_GROUP for size in rests.values() if size)


class Sizes:
    """The people in each cell, and what they hide in each view."""

    def __init__(self, table: Mapping[CellName, int], containing: "Sizes | None" = None) -> None:
        """`containing`: the sizes of larger groups; what they hide is hidden here too."""
        values: dict[Any, int] = {}
        months: dict[Any, int] = {}
        for (value, month), size in table.items():
            values[value] = values.get(value, 0) + size
            months[month] = months.get(month, 0) + size
        self.people = sum(table.values())
        #: The hidden values, months, and months whose cells are hidden.
        self.hidden_values: frozenset[Any] = hidden_groups(
            values, containing.hidden_values if containing else ()
        )
        self.hidden_months: frozenset[Any] = hidden_groups(
            months, containing.hidden_months if containing else ()
        )
        self.hidden_cells: frozenset[Any] = hidden_months(
            table, self.hidden_months | (containing.hidden_cells if containing else frozenset())
        )

    def hidden(
        self, groups: Collection[CellName], *, by_value: bool, by_month: bool
    ) -> frozenset[CellName]:
        """Return the hidden ones of a view's groups."""
        if self.people < SMALLEST_GROUP:
            return frozenset(groups)
        if by_month:
            shut = self.hidden_cells if by_value else self.hidden_months
            return frozenset(name for name in groups if name[1] in shut)
        return frozenset(name for name in groups if by_value and name[0] in self.hidden_values)
