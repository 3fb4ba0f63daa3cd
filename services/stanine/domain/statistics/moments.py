"""Means, variances and covariances of data that come in parts: each part is summed up, and sums are merged.

Called by `reliability` and `norms_from_data`. Parts are merged by the update of Chan, Golub and LeVeque (The American Statistician 37,
1983, 242-247), which keeps deviations from the mean and never subtracts large sums of squares. Memory does not depend on the number of
parts; the order of merging changes results by rounding only. NaN is a missing value.
"""

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Moments(NamedTuple):
    """Of each column: how many values, their mean, the sum of squared deviations from it."""

    n: Floats
    mean: Floats
    squares: Floats

    @classmethod
    def of(cls, table: Floats) -> Self:
        """Return the moments of a table's columns."""
        present = ~np.isnan(table)
        n = present.sum(axis=0).astype(np.float64)
        mean = _divide(np.where(present, table, 0.0).sum(axis=0), n)
        deviations = np.where(present, table - mean, 0.0)
        # The mean was rounded: what the deviations add up to corrects it.
        rest = _divide(deviations.sum(axis=0), n)
        return cls(n, mean + rest, (deviations**2).sum(axis=0) - n * rest**2)

    @classmethod
    def nothing(cls, columns: int) -> Self:
        """Return the moments of no values."""
        zeros = np.zeros(columns)
        return cls(zeros, zeros, zeros)

    def merged(self, other: "Moments") -> "Moments":
        """Return the moments of both parts together."""
        n = self.n + other.n
        distance = other.mean - self.mean
        return Moments(
            n,
            np.where(self.n == 0, other.mean, self.mean + distance * _divide(other.n, n)),
            self.squares + other.squares + distance**2 * _divide(self.n * other.n, n),
        )

    @property
    def sd(self) -> Floats:
        """The standard deviations with n - 1; NaN for fewer than two values."""
        return np.sqrt(_over_n_minus_1(self.squares, self.n))


class Covariances(NamedTuple):
    """Of each pair of columns, over the rows that have both: how many, the mean of the first, the sum of products of deviations."""

    n: Floats
    mean: Floats
    products: Floats

    @classmethod
    def of(cls, table: Floats) -> Self:
        """Return the covariances of a table's columns, each pair over the rows that have both (pairwise deletion)."""
        present = ~np.isnan(table)
        shift = _divide(
            np.where(present, table, 0.0).sum(axis=0), present.sum(axis=0).astype(np.float64)
        )
        shifted = np.where(present, table - shift, 0.0)
        mask = present.astype(np.float64)
        n = mask.T @ mask
        sums = shifted.T @ mask
        means = _divide(sums, n)
        return cls(n, shift[:, None] + means, shifted.T @ shifted - n * means * means.T)

    @classmethod
    def nothing(cls, columns: int) -> Self:
        """Return the covariances of no rows."""
        zeros = np.zeros((columns, columns))
        return cls(zeros, zeros, zeros)

    def merged(self, other: "Covariances") -> "Covariances":
        """Return the covariances of both parts together."""
        n = self.n + other.n
        distance = np.where((self.n == 0) | (other.n == 0), 0.0, other.mean - self.mean)
        return Covariances(
            n,
            np.where(self.n == 0, other.mean, self.mean + distance * _divide(other.n, n)),
            self.products + other.products + distance * distance.T * _divide(self.n * other.n, n),
        )

    @property
    def matrix(self) -> Floats:
        """The covariance matrix with n - 1; NaN for a pair with fewer than two rows."""
        return _over_n_minus_1(self.products, self.n)


def _over_n_minus_1(sums: Any, n: Any) -> Floats:
    # A sum of squares below 0 is rounding.
    return np.where(n > 1, np.divide(sums, n - 1, out=np.zeros_like(sums), where=n > 1), np.nan)


def _divide(x: Any, n: Any) -> Any:
    return np.divide(x, n, out=np.zeros_like(x, dtype=np.float64), where=n != 0)
