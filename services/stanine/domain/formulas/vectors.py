"""Elementwise operations on vectors with nulls and failures. Used by `evaluation`."""

from typing import Any, NamedTuple

import numpy as np

from stanine.domain.formulas.columns import Value
from stanine.domain.scoring.rounding_vectors import nine


class Vector(NamedTuple):
    """Values, their nulls and failures; 0.0 for no value.

    Constants have no dimension and broadcast.
    """

    values: Any
    null: Any
    failed: Any


#: No row.
NO = np.False_
#: Null in every row.
NULL = Vector(np.float64(0.0), np.True_, NO)


class Side(NamedTuple):
    """A side of a Match. `rows` are indices into `values`, or numbers if `values` is None."""

    values: tuple[Value, ...] | None
    rows: Any
    null: Any
    failed: Any


def relate(operator: str, left: Any, right: Any, left_of: Vector, right_of: Vector) -> Vector:
    """Compare two numbers that were rounded to 9 decimals."""
    match operator:
        case "==":
            result = left == right
        case "!=":
            result = left != right
        case "<":
            result = left < right
        case "<=":
            result = left <= right
        case ">":
            result = left > right
        case _:
            result = left >= right
    null = left_of.null | right_of.null
    return counts_of(result, null, (left_of.failed | right_of.failed) & ~null)


def match_sides(operator: str, left: Side, right: Side) -> Vector:
    """Compare two sides by their values, with == or !=."""
    if left.values is None or right.values is None:
        equal = _numbers_of(left) == _numbers_of(right)  # NaN, a text, equals nothing
    else:
        places: dict[Any, int] = {}
        left_ids, right_ids = (
            np.array(
                [places.setdefault(_identity(value), len(places)) for value in side.values or ()],
                dtype=np.int64,
            )
            for side in (left, right)
        )
        equal = left_ids.take(left.rows) == right_ids.take(right.rows)
    null = left.null | right.null
    return counts_of(equal ^ (operator == "!="), null, (left.failed | right.failed) & ~null)


def is_true(vector: Vector) -> Any:
    """Return whether a value differs from 0, as comparisons do. False for no value."""
    return nine(vector.values) != 0


def counts_of(counts: Any, null: Any, failed: Any) -> Vector:
    """Return a vector of truth values or counts."""
    return Vector(np.where(null | failed, 0.0, counts + 0.0), null, failed)


def _numbers_of(side: Side) -> Any:
    if side.values is None:
        return nine(side.rows)
    table = np.array(
        [np.nan if isinstance(value, str) else float(value) for value in side.values],
        dtype=np.float64,
    )
    return nine(table).take(side.rows)


def _identity(value: Value) -> Any:
    return value if isinstance(value, str) else round(float(value), 9)
