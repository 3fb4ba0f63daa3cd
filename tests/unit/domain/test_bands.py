"""An edge meets the score rounded to 9 decimals, exactly as Python's round does it."""

import math

from hypothesis import example, given
from hypothesis import strategies as st

from stanine.domain.scoring.bands import smallest_beyond

EDGES = (st.integers(-(10**9), 10**9) | st.floats(-1000, 1000)).map(lambda x: round(float(x), 9))


@example(5.0, True)
@example(0.0, False)
@example(1e9, True)
@example(0.3, False)
@given(EDGES, st.booleans())
def test_the_start_of_a_band_is_the_smallest_double_whose_rounded_value_lies_in_it(
    edge: float, inclusive: bool
) -> None:
    start = smallest_beyond(edge, inclusive=inclusive)
    below = math.nextafter(start, -math.inf)
    if inclusive:
        assert round(start, 9) >= edge > round(below, 9)
    else:
        assert round(start, 9) > edge >= round(below, 9)


@given(EDGES, st.integers(-40, 40), st.booleans())
def test_near_an_edge_a_plain_comparison_decides_as_rounding_does(
    edge: float, steps: int, inclusive: bool
) -> None:
    start, x = smallest_beyond(edge, inclusive=inclusive), edge
    for _ in range(abs(steps)):
        x = math.nextafter(x, math.copysign(math.inf, steps))
    for score in (x, edge + steps * 1e-10, edge - 0.5e-9, edge + 0.5e-9):
        assert (score >= start) == (
            round(score, 9) >= edge if inclusive else round(score, 9) > edge
        )
