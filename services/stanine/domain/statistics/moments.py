"""Means, variances and covariances of data that arrive in batches; batches are merged.

Called by `reliability` and `norms`. Batches are merged by the update of Chan, Golub and LeVeque (The American
Statistician 37, 1983, 242-247), which keeps deviations from the mean and never subtracts large sums of squares.
Memory does not depend on the number of batches; the order of merging changes results only by rounding. NaN is a
missing value.
"""

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Moments(NamedTuple):
    """Per column: number of values, mean, and sum of squared deviations from the mean."""

    n: Floats
    mean: Floats
    squares: Floats

    @classmethod
    def of(cls, table: Floats) -> Self:
        """Return the moments of the columns of a table."""
        present = ~np.isnan(table)
        n = present.sum(axis=0).astype(np.float64)
        mean = _divide(np.where(present, table, 0.0).sum(axis=0), n)
        deviations = np.where(present, table - mean, 0.0)
        # The mean is rounded; the mean deviation corrects it.
        rest = _divide(deviations.sum(axis=0), n)
        return cls(n, mean + rest, (deviations**2).sum(axis=0) - n * rest**2)

    @classmethod
    def nothing(cls, columns: int) -> Self:
        """Return the moments of an empty table."""
        zeros = np.zeros(columns)
        return cls(zeros, zeros, zeros)

    def merged(self, other: "Moments") -> "Moments":
        """Return the moments of the combined data."""
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
    """Covariances of columns, with pairwise deletion.

    For each pair, over the rows that have both values: number of rows, mean of the first column, and sum of
    products of deviations.
    """

    n: Floats
    mean: Floats
    products: Floats

    @classmethod
    def of(cls, table: Floats) -> Self:
        """Return the covariances of the columns of a table, with pairwise deletion."""
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
        """Return the covariances of an empty table."""
        zeros = np.zeros((columns, columns))
        return cls(zeros, zeros, zeros)

    def merged(self, other: "Covariances") -> "Covariances":
        """Return the covariances of the combined data."""
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
    # A negative sum of squares is a rounding error.
    return np.where(n > 1, np.divide(sums, n - 1, out=np.zeros_like(sums), where=n > 1), np.nan)


def _divide(x: Any, n: Any) -> Any:
    return np.divide(x, n, out=np.zeros_like(x, dtype=np.float64), where=n != 0)
