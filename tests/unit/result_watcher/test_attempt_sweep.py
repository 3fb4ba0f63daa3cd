"""Which attempts the sweep takes for forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from stanine.result_watcher.attempt_sweep import forgotten
from stanine.store.sweep import Unscored


def waiting(*times: tuple[int, int]) -> list[Unscored]:
    return [Unscored(bytes(16), arrived, queued, 0, b"") for arrived, queued in times]


def test_without_any_message_everything_that_waits_is_forgotten() -> None:
    assert len(forgotten(waiting((1, 1), (2, 9)), None)) == 2


def test_what_was_queued_again_counts_from_then_on() -> None:
    first, second = waiting((1, 50), (2, 2))
    assert forgotten([first, second], 10) == [second]


@given(st.lists(st.integers(0, 100)).map(sorted), st.integers(0, 100))
def test_no_attempt_as_young_as_the_oldest_message_is_forgotten(
    arrivals: list[int], oldest: int
) -> None:
    found = forgotten(waiting(*[(at, at) for at in arrivals]), oldest)
    assert [each.arrived_at for each in found] == [at for at in arrivals if at < oldest]
