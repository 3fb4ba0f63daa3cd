"""The Worker on each broker: priorities, shutdown, pausing, asynchronous actors."""

import threading
import time
from collections import Counter
from typing import Any

import dramatiq
import pytest
from tests.integration.broker_contract.stage import Stage, run_async_actors, wait_until


class Gate:
    """An actor that occupies threads until it is opened."""

    def __init__(self, stage: Stage, **options: Any) -> None:
        self.opened = threading.Event()
        self._entered = threading.Semaphore(0)

        @stage.actor(**options)
        def hold() -> None:
            self._entered.release()
            self.opened.wait(10)

        self.actor = hold

    def occupy(self, threads: int) -> None:
        for _ in range(threads):
            self.actor.send()
        for _ in range(threads):
            assert self._entered.acquire(timeout=5)


def test_among_prefetched_messages_the_lower_priority_number_is_first(stage: Stage) -> None:
    seen: list[str] = []
    gate = Gate(stage)
    low = stage.actor(lambda: seen.append("low"), actor_name="low", priority=20)
    high = stage.actor(lambda: seen.append("high"), actor_name="high", priority=10)
    worker = stage.work(threads=4)
    gate.occupy(4)
    for actor in (low, low, high, high):
        actor.send()
    wait_until(lambda: worker.work_queue.qsize() == 4)
    for thread in worker.workers[1:]:
        thread.stop()  # a single thread makes the order observable
    gate.opened.set()
    wait_until(lambda: len(seen) == 4)
    assert seen == ["high", "high", "low", "low"]


def test_between_queues_the_lower_priority_number_is_first(stage: Stage) -> None:
    seen: list[str] = []
    gate = Gate(stage)
    low = stage.actor(lambda: seen.append("low"), actor_name="low", queue_name="low", priority=20)
    high = stage.actor(
        lambda: seen.append("high"), actor_name="high", queue_name="high", priority=10
    )
    worker = stage.work(threads=1)
    gate.occupy(1)
    low.send()
    wait_until(lambda: worker.work_queue.qsize() == 1)
    high.send()
    wait_until(lambda: worker.work_queue.qsize() == 2)
    gate.opened.set()
    stage.join("low", "high")
    assert seen == ["high", "low"]


def test_as_many_messages_run_at_once_as_there_are_threads(stage: Stage) -> None:
    gate = Gate(stage)
    stage.work(threads=6)
    gate.occupy(6)
    gate.opened.set()
    stage.join()


def test_a_stopping_worker_finishes_started_messages(stage: Stage) -> None:
    begun = threading.Event()
    seen: list[int] = []

    @stage.actor
    def take() -> None:
        begun.set()
        time.sleep(0.2)
        seen.append(1)

    take.send()
    worker = stage.work()
    assert begun.wait(5)
    stage.stop(worker)
    assert seen == [1]
    stage.broker.join("default", timeout=500)


def test_messages_a_stopping_worker_did_not_start_run_elsewhere(stage: Stage) -> None:
    seen: Counter[int] = Counter()
    lock = threading.Lock()
    first = threading.Event()

    @stage.actor
    def take(number: int) -> None:
        first.set()
        time.sleep(0.05)
        with lock:
            seen[number] += 1

    for number in range(30):
        take.send(number)
    worker = stage.work()
    assert first.wait(5)
    stage.stop(worker)
    assert 0 < len(seen) < 30
    stage.work(threads=8)
    stage.join()
    assert seen == Counter(range(30))


def test_a_paused_worker_starts_nothing_until_it_is_resumed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", 0.05
    )  # a paused consumer is created again; Dramatiq waits 3 s for it
    seen: list[int] = []
    take = stage.actor(lambda: seen.append(1), actor_name="take")
    worker = stage.work()
    worker.pause()
    take.send()
    time.sleep(0.15)
    assert seen == []
    worker.resume()
    wait_until(lambda: seen == [1])


def test_asynchronous_actors_run_and_are_retried(stage: Stage) -> None:
    run_async_actors(stage)
    seen: list[int] = []

    @stage.actor(min_backoff=5, max_backoff=10)
    async def take(number: int) -> None:
        seen.append(number)
        if len(seen) == 1:
            raise ValueError

    stage.work()
    take.send(1)
    stage.join()
    assert seen == [1, 1]


def test_an_asynchronous_actors_result_is_stored(stage: Stage) -> None:
    run_async_actors(stage)
    backend = stage.use_results()

    @stage.actor(store_results=True)
    async def add(a: int, b: int) -> int:
        return a + b

    stage.work()
    assert add.send(1, 2).get_result(backend=backend, block=True) == 3


def test_actors_may_send_messages_while_they_run(stage: Stage) -> None:
    seen: list[int] = []

    @stage.actor
    def take(number: int) -> None:
        seen.append(number)
        if number:
            take.send(number - 1)

    stage.work()
    take.send(5)
    wait_until(lambda: len(seen) == 6)
    stage.join()
    assert seen == [5, 4, 3, 2, 1, 0]


def test_a_concurrency_limiter_admits_one_at_a_time(stage: Stage) -> None:
    limiter: Any = dramatiq.rate_limits.ConcurrentRateLimiter
    running: list[int] = [0, 0]
    lock = threading.Lock()
    mutex = limiter(stage.limits(), "one", limit=1)

    @stage.actor(min_backoff=5, max_backoff=20, max_retries=1000)
    def alone() -> None:
        with mutex.acquire():
            with lock:
                running[0] += 1
                running[1] = max(running)
            time.sleep(0.01)
            with lock:
                running[0] -= 1

    for _ in range(5):
        alone.send()
    stage.work(threads=4)
    stage.join()
    assert running == [0, 1]
