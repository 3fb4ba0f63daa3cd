"""Rounding: to 9 decimals first, then by the mode; one number and many come to the same bits."""

import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stanine.domain.scoring.rounding import Mode, round_decimal
from stanine.domain.scoring.rounding_vectors import nine, round_vector

MODES: list[Mode] = ["Up", "Down", "HalfUp", "HalfEven"]
#: Any double, and those near what rounding decides about: ninths of decimals, halves, and what lies a bit beside them.
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1e8, 1e8),
    st.builds(
        lambda k, d, ulps: _beside(k / 10**d, ulps),
        st.integers(-(10**12), 10**12),
        st.integers(0, 12),
        st.integers(-2, 2),
    ),
    st.builds(lambda k, d: (2 * k + 1) / 2**d, st.integers(-(10**6), 10**6), st.integers(0, 12)),
)


def _beside(x: float, ulps: int) -> float:
    for _ in range(abs(ulps)):
        x = math.nextafter(x, math.copysign(math.inf, ulps))
    return x


def bits(x: float) -> bytes:
    return struct.pack("<d", x)


def exactly(x: float, mode: Mode, decimals: int) -> float:
    """Round in fractions: what DESIGN says, read aloud."""
    units = round(Fraction(x) * 10**9)
    scaled = Fraction(units, 10**9) * 10**decimals
    down = math.floor(scaled)
    up = math.ceil(scaled)
    half_even = round(scaled)
    half_up = math.floor(scaled + Fraction(1, 2))
    whole = {"Up": up, "Down": down, "HalfUp": half_up, "HalfEven": half_even}[mode]
    return float(Fraction(whole, 10**decimals))


@settings(max_examples=1_000)
@given(NUMBERS, st.sampled_from(MODES), st.integers(0, 9))
@example(1 / 1024, "HalfEven", 9)
@example(2.5, "HalfUp", 0)
@example(2.4999999999, "HalfUp", 0)
@example(2.0**52 + 0.5, "Up", 0)
def test_one_number_is_rounded_exactly(x: float, mode: Mode, decimals: int) -> None:
    assert bits(round_decimal(x, mode, decimals)) == bits(exactly(x, mode, decimals) + 0.0)


@settings(max_examples=1_000)
@given(st.lists(NUMBERS, min_size=1, max_size=20), st.sampled_from(MODES), st.integers(0, 9))
def test_many_numbers_are_rounded_as_one_is(
    numbers: list[float], mode: Mode, decimals: int
) -> None:
    x = np.array(numbers)
    assert round_vector(x, mode, decimals).tobytes() == b"".join(
        bits(round_decimal(one, mode, decimals)) for one in numbers
    )
    assert (nine(x) + 0.0).tobytes() == b"".join(bits(round(one, 9) + 0.0) for one in numbers)
    assert bits(float(round_vector(np.float64(numbers[0]), mode, decimals))) == bits(
        round_decimal(numbers[0], mode, decimals)
    )


def test_what_is_not_finite_stays_so() -> None:
    x = np.array([math.inf, -math.inf, math.nan, 0.5])
    assert (
        str(nine(x).tolist())
        == str(round_vector(x, "HalfUp", 1).tolist())
        == "[inf, -inf, nan, 0.5]"
    )


@pytest.mark.slow
def test_a_million_random_numbers_are_rounded_as_one_is() -> None:
    rng = np.random.default_rng(1)
    for scale in (1.0, 1e3, 1e6, 2e7, 1e15):
        x = rng.normal(size=50_000) * scale
        for mode in MODES:
            assert round_vector(x, mode, 2).tolist() == [
                round_decimal(one, mode, 2) for one in x.tolist()
            ]
        assert nine(x).tolist() == [round(one, 9) for one in x.tolist()]
