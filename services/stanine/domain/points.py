"""How an answer becomes points in a scale (DESIGN 4.1, Points): one table per item, by the option's place; None for a missing option.

Used twice: by `scale_checks` to refuse what has no such table, by `scoring` to compile a checked instrument.
"""

from collections.abc import Collection, Sequence

from stanine.domain.records import Option, Value

Table = tuple[float | None, ...]


def numbers(options: Sequence[Option]) -> Table:
    """Return each option's own number. Raises TypeError if one that is not missing has a text for its value."""
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


def match(options: Sequence[Option], right: Collection[Value]) -> Table:
    """Return 1 for the options that are right, else 0. A number is no text: 1 and "1" differ."""
    return tuple(None if option.missing else float(option.value in right) for option in options)


def ends(table: Table) -> tuple[float, float]:
    """Return the lowest and the highest points of a table."""
    present = [x for x in table if x is not None]
    return min(present), max(present)


def is_reversible(table: Table) -> bool:
    """Tell whether reversing gives the same points again, in another order."""
    return sorted(x for x in reverse(table) if x is not None) == sorted(x for x in table if x is not None)
