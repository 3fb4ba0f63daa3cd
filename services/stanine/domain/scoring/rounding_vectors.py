"""`rounding` over arrays, bit for bit: a few vector steps; doubtful elements one by one."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stanine.domain.scoring.rounding import MAX_DECIMALS, Mode, round_decimal

Floats = npt.NDArray[np.float64]

_UNITS = 10.0**MAX_DECIMALS
#: From here a double's neighbours are more than 2 units of the ninth decimal apart, so it is its own rounded value.
_COARSE = 2.0**24


def nine(x: Any) -> Any:
    """Return each x to 9 decimals, the bits of `round(x, 9)`; non-finite values are unchanged."""
    if (x == np.rint(x)).all():
        return x
    units, doubtful = _units(x)
    rounded = np.where(np.isfinite(x) & (np.abs(x) < _COARSE), units / _UNITS, x)
    if not doubtful.any():
        return rounded
    rounded = np.atleast_1d(rounded)
    for place in np.flatnonzero(doubtful):
        rounded.flat[place] = round(float(np.atleast_1d(x).flat[place]), MAX_DECIMALS)
    return rounded.reshape(np.shape(x))


def round_vector(x: Any, mode: Mode, decimals: int = 0) -> Any:
    """Return `round_decimal` of each x; non-finite values are unchanged."""
    if (x == np.rint(x)).all():
        return x + 0.0
    units, doubtful = _units(x)
    is_usual = np.isfinite(x) & ~doubtful & (np.abs(x) < _COARSE)
    whole_units = np.where(is_usual, units, 0.0).astype(np.int64)
    step = 10 ** (MAX_DECIMALS - decimals)
    whole = whole_units // step
    rest = whole_units - whole * step
    match mode:
        case "Up":
            whole = whole + (rest > 0)
        case "Down":
            pass
        case "HalfUp":
            whole = whole + (2 * rest >= step)
        case "HalfEven":
            whole = whole + ((2 * rest > step) | ((2 * rest == step) & (whole % 2 == 1)))
    rounded = np.where(is_usual, whole / 10.0**decimals, x)
    others = np.isfinite(x) & ~is_usual
    if not others.any():
        return rounded
    rounded = np.atleast_1d(rounded)
    for place in np.flatnonzero(others):
        rounded.flat[place] = round_decimal(float(np.atleast_1d(x).flat[place]), mode, decimals)
    return rounded.reshape(np.shape(x))


def _units(x: Any) -> tuple[Any, Any]:
    """Return x in units of the ninth decimal, rounded, and where that is doubtful.

    Doubtful: the product is inexact, and x may be close to a half.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = x * _UNITS
        units = np.rint(scaled)
        doubtful = (0.5 - np.abs(scaled - units) <= np.abs(scaled) * 2.0**-51) & (
            np.abs(x) < _COARSE
        )
    return units, doubtful
