"""Cronbach's alpha and the standard error of measurement from variances. Used by `reliability` and `group_figures`."""

import math

#: Variances below this share of the items' variances are rounding errors; the floor of the items' variances in this
#: comparison.
NOTHING = 1e-12
SMALLEST = 1e-300


def alpha_of_variances(k: int, own: float, total: float) -> float | None:
    """Return alpha of k items: k / (k - 1) · (1 - own / total).

    `own`: the sum of the items' variances; `total`: the variance of their sum. None for fewer than two items, an
    unknown variance, or a sum without variance.
    """
    if k < 2 or not math.isfinite(total) or total <= NOTHING * max(own, SMALLEST):
        return None
    return k / (k - 1) * (1 - own / total)


def standard_error(sd: float | None, alpha: float | None) -> float | None:
    """Return sd·√(1 - alpha), the standard error of measurement."""
    return None if alpha is None or sd is None else sd * math.sqrt(max(0.0, 1 - alpha))
