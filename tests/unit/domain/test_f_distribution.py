"""Quantiles of F: those of printed tables, closed forms, and its own distribution function turned round."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.domain.statistics.f_distribution import f_distribution, f_quantile


@pytest.mark.parametrize(
    ("probability", "d1", "d2", "printed"),
    [  # NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.3 (5 % and 1 % upper critical values), to 3 decimals
        (0.95, 1, 1, 161.448),
        (0.95, 5, 10, 3.326),
        (0.95, 10, 5, 4.735),
        (0.95, 2, 30, 3.316),
        (0.95, 10, 100, 1.927),
        (0.95, 7, 19, 2.544),
        (0.99, 1, 1, 4052.181),
        (0.99, 5, 10, 5.636),
        (0.99, 10, 100, 2.503),
        # Abramowitz and Stegun, table 26.9 (2.5 %), to 3 or 2 decimals
        (0.975, 10, 20, 2.774),
        (0.975, 5, 10, 4.236),
        (0.975, 1, 1, 647.789),
        (0.975, 120, 120, 1.433),
        (0.975, 8, 60, 2.412),
    ],
)
def test_quantiles_are_those_of_printed_tables(
    probability: float, d1: int, d2: int, printed: float
) -> None:
    assert f_quantile(probability, d1, d2) == pytest.approx(printed, abs=0.00051)


DEGREES = st.one_of(st.integers(1, 50), st.integers(1, 5_000_000))


@given(st.floats(0.0001, 0.9999), st.integers(1, 2_000))
def test_with_two_degrees_of_freedom_it_has_a_closed_form(probability: float, d: int) -> None:
    # P(F ≤ f) = (1 + 2f/d2)^(-d2/2) turned round, for d1 = 2; and its mirror image for d2 = 2
    assert f_quantile(probability, 2, d) == pytest.approx(
        d / 2 * math.expm1(-2 / d * math.log1p(-probability)), rel=1e-9
    )
    assert f_quantile(1 - probability, d, 2) == pytest.approx(
        1 / f_quantile(probability, 2, d), rel=1e-9
    )


@given(st.sampled_from([0.005, 0.025, 0.5, 0.975, 0.995]), DEGREES, DEGREES)
def test_the_quantile_of_a_probability_has_that_probability(
    probability: float, d1: int, d2: int
) -> None:
    f = f_quantile(probability, d1, d2)
    assert f_distribution(f, d1, d2) == pytest.approx(probability, abs=1e-8)
    assert f_quantile(1 - probability, d2, d1) == pytest.approx(1 / f, rel=1e-6)


def test_what_is_no_probability_is_refused() -> None:
    for probability, d1, d2 in [(0, 1, 1), (1, 1, 1), (0.5, 0, 1), (math.nan, 1, 1)]:
        with pytest.raises(ValueError, match="probability"):
            f_quantile(probability, d1, d2)
