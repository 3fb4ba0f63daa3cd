"""The inputs of a formula for a batch of attempts, as NumPy vectors. Made by the kernel, read by `evaluation`."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Value = int | float | str


class NumberColumn(NamedTuple):
    """Numbers of a name, one per row, meaningless where `null` is set.

    `valid`: the rows that count as having a value, for `minValid` and the result's `valid`. None: all that are not
    null.
    """

    values: Floats
    null: Mask
    valid: Mask | None = None


class ValueColumn(NamedTuple):
    """Values of a name, one per row: `codes` index `values`, meaningless where `null` is set."""

    codes: npt.NDArray[Any]
    values: tuple[Value, ...]
    null: Mask
    valid: Mask | None = None


class Batch(NamedTuple):
    """Inputs of a formula; the fields of `Formula` list the names that each mapping needs."""

    rows: int
    numbers: Mapping[str, NumberColumn] = {}
    values: Mapping[str, ValueColumn] = {}
    #: Rows in which an item has an answer other than a `missing` option.
    answered: Mapping[str, Mask] = {}
    #: The tables of scales: numbers to scores, NaN for no row.
    lookups: Mapping[str, Callable[[Floats], Floats]] = {}
