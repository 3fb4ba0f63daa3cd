"""Rounding of one number (DESIGN 4.1, `round`): to 9 decimals first, then by a mode.

`rounding_vectors` does the same over arrays, bit for bit.
"""

import math
from typing import Literal

Mode = Literal["Up", "Down", "HalfUp", "HalfEven"]
#: Decimals to which every number is rounded before a rounding or comparison.
MAX_DECIMALS = 9
_UNITS = 10**MAX_DECIMALS


def round_decimal(x: float, mode: Mode, decimals: int = 0) -> float:
    """Round a finite x to 9 decimals, then to `decimals` (0 to 9) by the mode.

    The first step is Python's `round`, correct for x's exact value. Up is towards +∞, Down towards -∞, HalfUp rounds
    halves towards +∞, HalfEven to the even neighbour. The result is the double nearest to the decimal number, never
    -0.0.
    """
    numerator, denominator = x.as_integer_ratio()
    units = _nearest_even(numerator * _UNITS, denominator)
    step: int = 10 ** (MAX_DECIMALS - decimals)
    whole, rest = divmod(units, step)
    match mode:
        case "Up":
            whole += rest > 0
        case "Down":
            pass
        case "HalfUp":
            whole += 2 * rest >= step
        case "HalfEven":
            whole += 2 * rest > step or (2 * rest == step and whole % 2 == 1)
    rounded: float = whole / 10**decimals
    return rounded


def nine(x: float) -> float:
    """Return x to 9 decimals, as in comparisons; x itself if it is not finite."""
    return round(x, MAX_DECIMALS) if math.isfinite(x) else x


def _nearest_even(numerator: int, denominator: int) -> int:
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))
