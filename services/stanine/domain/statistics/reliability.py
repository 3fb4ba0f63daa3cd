"""Reliability of a scale from data: Cronbach's alpha, item-rest correlations and SEM.

Called by `stanine reliability`. Data arrive in batches: `ItemData` accumulates them in constant memory, and
`analyse` computes the figures.

- alpha = k/(k-1) · (1 - Σσ²ᵢ/σ²), all from one covariance matrix with n - 1: *listwise*, over the people with
  points in every item, or *pairwise*, each covariance over the people with points in both. It may be negative. It
  is None for fewer than two items, or without variance.
- The interval of alpha is Feldt's (Psychometrika 30, 1965, 357-370): 1 - (1 - alpha)·F with n - 1 and
  (n - 1)(k - 1) degrees of freedom. Pairwise deletion has no single n; the smallest n of any
  pair is used, which widens the interval.
- The item-rest correlation of an item is its correlation with the sum of the other items.
"""

import math
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
import numpy.typing as npt

from stanine.domain.statistics.alpha import (
    NOTHING,
    SMALLEST,
    alpha_of_variances,
    standard_error,
)
from stanine.domain.statistics.f_distribution import f_quantile
from stanine.domain.statistics.moments import Covariances, Moments

Floats = npt.NDArray[np.float64]


class ItemData(NamedTuple):
    """Data for the figures of a scale: covariances of its item points and moments of its scores."""

    listwise: Covariances
    pairwise: Covariances
    scores: Moments

    @classmethod
    def of(cls, points: Floats, scores: Floats) -> Self:
        """Return the data of one batch.

        `points` has one row per person and one column per item (NaN: missing); `scores` has one score per person.
        """
        complete = points[~np.isnan(points).any(axis=1)]
        return cls(
            Covariances.of(complete), Covariances.of(points), Moments.of(scores.reshape(-1, 1))
        )

    @classmethod
    def nothing(cls, items: int) -> Self:
        """Return the data of an empty batch."""
        return cls(Covariances.nothing(items), Covariances.nothing(items), Moments.nothing(1))

    def merged(self, other: "ItemData") -> "ItemData":
        """Return the combined data."""
        return ItemData(
            self.listwise.merged(other.listwise),
            self.pairwise.merged(other.pairwise),
            self.scores.merged(other.scores),
        )


class ItemFigures(msgspec.Struct, frozen=True):
    """The figures of one item in its scale. Points are as scored: reversed and weighted."""

    #: Number of people with points in the item; mean and standard deviation (n - 1) of the points.
    n: int
    mean: float | None
    sd: float | None
    #: Correlation with the sum of the other items, and alpha without the item; both listwise.
    item_rest_r: float | None
    alpha_dropped: float | None


class Reliability(msgspec.Struct, frozen=True):
    """The figures of one scale. `None`: the figure cannot be computed from the data."""

    #: Number of people with a score; mean and standard deviation (n - 1) of the scores.
    n: int
    mean: float | None
    sd: float | None
    #: Number of items, and of people with points in all items.
    k: int
    n_listwise: int
    alpha_listwise: float | None
    #: Feldt's confidence limits of alpha.
    interval_listwise: tuple[float, float] | None
    #: The smallest number of people that any two items share.
    n_pairwise: int
    alpha_pairwise: float | None
    interval_pairwise: tuple[float, float] | None
    #: The standard error of measurement in the unit of the scores: sd·√(1 - alpha_listwise).
    sem: float | None
    item_rest_r: dict[str, float | None]
    alpha_dropped: dict[str, float | None]
    items: dict[str, ItemFigures]


def analyse(data: ItemData, items: tuple[str, ...], level: float = 0.95) -> Reliability:
    """Return the figures of a scale with these items.

    `level` is the confidence level of the intervals, between 0 and 1.
    """
    listwise, pairwise = data.listwise.matrix, data.pairwise.matrix
    k = len(items)
    n_listwise = int(data.listwise.n.min()) if k else 0
    n_pairwise = int(data.pairwise.n.min()) if k else 0
    alpha, alpha_pairwise = cronbach_alpha(listwise), cronbach_alpha(pairwise)
    sd = _number(data.scores.sd[0])
    item_rest = [item_rest_correlation(listwise, item) for item in range(k)]
    dropped = [
        cronbach_alpha(np.delete(np.delete(listwise, item, axis=0), item, axis=1))
        for item in range(k)
    ]
    n = np.diagonal(data.pairwise.n)
    sds = np.sqrt(np.clip(np.diagonal(pairwise), 0, None))
    means = np.diagonal(data.pairwise.mean)
    return Reliability(
        n=int(data.scores.n[0]),
        mean=_number(data.scores.mean[0]) if data.scores.n[0] else None,
        sd=sd,
        k=k,
        n_listwise=n_listwise,
        alpha_listwise=alpha,
        interval_listwise=feldt_interval(alpha, n_listwise, k, level),
        n_pairwise=n_pairwise,
        alpha_pairwise=alpha_pairwise,
        interval_pairwise=feldt_interval(alpha_pairwise, n_pairwise, k, level),
        sem=standard_error(sd, alpha),
        item_rest_r=dict(zip(items, item_rest, strict=True)),
        alpha_dropped=dict(zip(items, dropped, strict=True)),
        items={
            item: ItemFigures(
                int(n[at]),
                _number(means[at]) if n[at] else None,
                _number(sds[at]),
                item_rest[at],
                dropped[at],
            )
            for at, item in enumerate(items)
        },
    )


def cronbach_alpha(covariances: Floats) -> float | None:
    """Return alpha from a covariance matrix.

    None for fewer than two items, an unknown covariance, or a sum without variance.
    """
    return alpha_of_variances(
        len(covariances), float(np.trace(covariances)), float(covariances.sum())
    )


def item_rest_correlation(covariances: Floats, item: int) -> float | None:
    """Return the correlation of an item with the sum of the other items.

    None if either has no variance or a covariance is unknown.
    """
    own = float(covariances[item, item])
    with_all = float(covariances[item].sum())
    rest = float(covariances.sum()) - 2 * with_all + own
    if (
        len(covariances) < 2
        or not math.isfinite(rest)
        or own <= 0
        or rest <= NOTHING * max(own, SMALLEST)
    ):
        return None
    return (with_all - own) / math.sqrt(own * rest)


def feldt_interval(alpha: float | None, n: int, k: int, level: float) -> tuple[float, float] | None:
    """Return the two-sided confidence interval of alpha for n people and k items.

    None if it is undefined.
    """
    if alpha is None or n < 2 or k < 2:
        return None
    d1, d2 = n - 1, (n - 1) * (k - 1)
    tail = (1 - level) / 2
    return 1 - (1 - alpha) * f_quantile(1 - tail, d1, d2), 1 - (1 - alpha) * f_quantile(
        tail, d1, d2
    )


def _number(x: Any) -> float | None:
    return float(x) if math.isfinite(x) else None
