"""The work queue: due times, and one worker per key."""

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
    """A clock that is set manually."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def take() -> Iterator[Take]:
    """Return the next key, in a single event loop."""
    with asyncio.Runner() as runner:
        yield lambda schedule: runner.run(schedule.next(0.01))


@given(st.integers(0, 1000), st.floats(0, 1, exclude_max=True))
def test_failed_resources_are_retried_within_fifteen_seconds_and_ready_ones_within_a_minute(
    failures: int, random: float
) -> None:
    pause = next_pause(failures, random)
    assert 0 < pause <= (RESYNC_INTERVAL if failures == 0 else LAST_RETRY)
    assert LAST_RETRY <= 15
    assert RESYNC_INTERVAL <= 60


def test_retries_of_resources_that_failed_together_are_spread() -> None:
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


def test_keys_are_handed_out_in_due_order_and_never_early(take: Take) -> None:
    clock = Clock()
    schedule: WorkQueue[str] = WorkQueue(clock)
    schedule.enqueue("late", 10)
    schedule.enqueue("soon", 5)
    assert take(schedule) is None
    clock.now = 20
    assert [take(schedule), take(schedule), take(schedule)] == ["soon", "late", None]


def test_enqueueing_can_only_move_a_key_forward(take: Take) -> None:
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


def test_a_key_in_progress_is_handed_out_again_only_when_done(
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


def test_a_forgotten_key_is_not_handed_out(take: Take) -> None:
    schedule: WorkQueue[str] = WorkQueue(Clock())
    schedule.enqueue("one")
    schedule.forget("one")
    assert take(schedule) is None


def test_each_key_is_handed_to_one_worker() -> None:
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


def test_closing_wakes_waiting_workers() -> None:
    async def work() -> object:
        schedule: WorkQueue[str] = WorkQueue(asyncio.get_running_loop().time)
        waiting = asyncio.create_task(schedule.next(60))
        await asyncio.sleep(0)
        schedule.close()
        return await asyncio.wait_for(waiting, 1)

    assert asyncio.run(work()) is None
