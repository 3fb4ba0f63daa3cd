"""Splitting of failed batches."""

from hypothesis import given
from hypothesis import strategies as st

from stanine.broker.failure import JITTER, backoff_ms, split
from stanine.broker.settings import QueueSettings


def lowest(low: float, high: float) -> float:
    return low


def highest(low: float, high: float) -> float:
    return high


@given(st.integers(1, 600), st.integers(1, 12), st.integers(1, 8))
def test_every_entry_gets_one_rejection_and_only_single_failures_die(
    size: int, delivery: int, limit: int
) -> None:
    ids = [b"%d-0" % number for number in range(size)]
    rejections = split(ids, delivery, QueueSettings(max_deliveries=limit), lowest)
    assert [rejection.entry_id for rejection in rejections] == ids
    assert {rejection.delivery for rejection in rejections} == {delivery}
    dead = [rejection for rejection in rejections if rejection.delay_ms is None]
    assert bool(dead) == (size == 1 and delivery >= limit)


def test_parts_of_thirty_two_stay_together_and_later_ones_are_alone() -> None:
    drawn = iter(range(1000))

    def rising(low: float, high: float) -> float:
        return 1 + next(drawn) / 100

    ids = [b"%d-0" % number for number in range(70)]
    first = [rejection.delay_ms for rejection in split(ids, 1, QueueSettings(), rising)]
    assert [first.count(delay) for delay in sorted(set(first))] == [32, 32, 6]  # type: ignore[type-var]
    second = [rejection.delay_ms for rejection in split(ids[:32], 2, QueueSettings(), rising)]
    assert len(set(second)) == 32


@given(st.integers(1, 1000), st.integers(1, 100_000), st.integers(0, 100_000))
def test_the_pause_doubles_within_the_limits(delivery: int, least: int, more: int) -> None:
    settings = QueueSettings(backoff_min_ms=least, backoff_max_ms=least + more)
    plain = min(least * 2 ** min(delivery - 1, 40), least + more)
    assert backoff_ms(delivery, settings, lowest) == max(1, int(plain * JITTER[0]))
    assert backoff_ms(delivery, settings, highest) == max(1, int(plain * JITTER[1]))


def test_an_actor_may_set_the_pause() -> None:
    assert [
        rejection.delay_ms for rejection in split([b"1-0", b"2-0"], 1, QueueSettings(), lowest, 77)
    ] == [77, 77]
