"""Pauses between retries."""

from hypothesis import given
from hypothesis import strategies as st

from stanine.broker.pauses import Pauses, jittered


def test_pauses_double_up_to_the_longest_and_start_again_after_a_reset() -> None:
    pauses = Pauses(1.0, 10.0)
    assert [pauses.next() for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    pauses.reset()
    assert [pauses.next() for _ in range(2)] == [1.0, 2.0]


def test_a_longer_maximum_applies_to_the_following_pause() -> None:
    pauses = Pauses(0.5, 1.0)
    assert [pauses.next(10.0) for _ in range(4)] == [0.5, 1.0, 2.0, 4.0]
    assert [pauses.next() for _ in range(2)] == [8.0, 1.0]


@given(st.floats(0.0, 1e6))
def test_jitter_keeps_half_to_all_of_a_pause(pause: float) -> None:
    assert pause / 2 <= jittered(pause) <= pause
