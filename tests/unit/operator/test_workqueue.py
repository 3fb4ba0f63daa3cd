"""The schedule: when a resource's turn comes, and that it never has two at once."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine_operator.controller.workqueue import (
    FIRST_RETRY,
    JITTER,
    LAST_RETRY,
    RESYNC_INTERVAL,
    WorkQueue,
    next_pause,
)

Take = Callable[[WorkQueue[str]], str | None]


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def take() -> Iterator[Take]:
    """Take the next key, all in one event loop."""
    with asyncio.Runner() as runner:
        yield lambda schedule: runner.run(schedule.next(0.01))


@given(st.integers(0, 1000), st.floats(0, 1, exclude_max=True))
def test_what_is_not_well_is_looked_at_within_fifteen_seconds_and_the_rest_within_a_minute(
    failures: int, random: float
) -> None:
    pause = next_pause(failures, random)
    assert 0 < pause <= (RESYNC_INTERVAL if failures == 0 else LAST_RETRY)
    assert LAST_RETRY <= 15
    assert RESYNC_INTERVAL <= 60


def test_a_thousand_that_failed_together_come_back_spread() -> None:
    pauses = [next_pause(9, number / 1000) for number in range(1000)]
    assert max(pauses) - min(pauses) > JITTER * LAST_RETRY * 0.9
    assert [next_pause(number, 0) for number in (1, 2, 3, 4, 5, 6)] == [
        FIRST_RETRY,
        2,
        4,
        8,
        LAST_RETRY,
        LAST_RETRY,
    ]


def test_the_first_due_is_first_and_nothing_comes_early(take: Take) -> None:
    clock = Clock()
    schedule: WorkQueue[str] = WorkQueue(clock)
    schedule.enqueue("late", 10)
    schedule.enqueue("soon", 5)
    assert take(schedule) is None
    clock.now = 20
    assert [take(schedule), take(schedule), take(schedule)] == ["soon", "late", None]


def test_waking_brings_a_turn_forward_and_never_puts_it_off(take: Take) -> None:
    clock = Clock()
    schedule: WorkQueue[str] = WorkQueue(clock)
    schedule.enqueue("one", 10)
    schedule.enqueue("one", 60)
    schedule.enqueue("one", 1)
    clock.now = 1
    assert take(schedule) == "one"
    schedule.done("one", None)
    clock.now = 100
    assert take(schedule) is None


def test_a_resource_at_work_has_no_second_turn_until_it_is_done_and_then_at_once_if_it_was_woken(
    take: Take,
) -> None:
    clock = Clock()
    schedule: WorkQueue[str] = WorkQueue(clock)
    schedule.enqueue("one")
    assert take(schedule) == "one"
    schedule.enqueue("one")
    assert take(schedule) is None
    schedule.done("one", 60)
    assert take(schedule) == "one"
    schedule.done("one", 60)
    assert take(schedule) is None
    clock.now = 60
    assert take(schedule) == "one"


def test_what_was_forgotten_has_no_turn(take: Take) -> None:
    schedule: WorkQueue[str] = WorkQueue(Clock())
    schedule.enqueue("one")
    schedule.forget("one")
    assert take(schedule) is None


def test_many_workers_get_every_key_once() -> None:
    async def work() -> list[str]:
        schedule: WorkQueue[str] = WorkQueue(asyncio.get_running_loop().time)
        taken: list[str] = []

        async def worker() -> None:
            while (key := await schedule.next(0.2)) is not None:
                taken.append(key)
                await asyncio.sleep(0)
                schedule.done(key, None)

        workers = [asyncio.create_task(worker()) for _ in range(8)]
        for number in range(200):
            schedule.enqueue(f"key-{number}", (number % 5) / 100)
        await asyncio.gather(*workers)
        return taken

    taken = asyncio.run(work())
    assert sorted(taken) == sorted(f"key-{number}" for number in range(200))


def test_closing_ends_whoever_waits() -> None:
    async def work() -> object:
        schedule: WorkQueue[str] = WorkQueue(asyncio.get_running_loop().time)
        waiting = asyncio.create_task(schedule.next(60))
        await asyncio.sleep(0)
        schedule.close()
        return await asyncio.wait_for(waiting, 1)

    assert asyncio.run(work()) is None
