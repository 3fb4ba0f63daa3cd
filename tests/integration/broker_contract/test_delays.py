"""Delays: not early, in order, and not lost with the worker."""

import threading
import time
from typing import Any

import dramatiq
from tests.integration.broker_contract.stage import Stage, wait_until


def test_a_delayed_message_is_neither_early_nor_much_late(stage: Stage) -> None:
    seen: list[float] = []
    take = stage.actor(lambda: seen.append(time.monotonic()), actor_name="take")
    stage.work()
    begun = time.monotonic()
    take.send_with_options(delay=150)
    wait_until(lambda: seen)
    assert seen[0] - begun >= 0.149


def test_delayed_messages_run_as_they_become_due(stage: Stage) -> None:
    seen: list[str] = []
    take = stage.actor(seen.append, actor_name="take")
    stage.work(threads=1)
    for delay in (400, 100, 250):
        take.send_with_options(args=(str(delay),), delay=delay)
    take.send("now")
    stage.join()
    assert seen == ["now", "100", "250", "400"]


def test_a_delayed_message_does_not_hold_up_others(stage: Stage) -> None:
    seen: list[int] = []
    take = stage.actor(seen.append, actor_name="take")
    stage.work()
    take.send_with_options(args=(0,), delay=60_000)
    for number in range(1, 21):
        take.send(number)
    wait_until(lambda: len(seen) == 20)
    assert 0 not in seen


def test_a_timedelta_is_a_delay(stage: Stage) -> None:
    from datetime import timedelta  # noqa: PLC0415 - used only here

    seen: list[float] = []
    take = stage.actor(lambda: seen.append(time.monotonic()), actor_name="take")
    stage.work()
    begun = time.monotonic()
    take.send_with_options(delay=timedelta(milliseconds=100))
    wait_until(lambda: seen)
    assert seen[0] - begun >= 0.099


def test_an_actor_sees_no_eta_once_its_message_is_due(stage: Stage) -> None:
    seen: list[Any] = []

    class Watch(dramatiq.Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            seen.append((message.queue_name, "eta" in message.options))

    stage.use(Watch())
    stage.actor(lambda: None, actor_name="take").send_with_options(delay=10)
    stage.work()
    stage.join()
    assert seen == [("default", False)]


def test_a_delayed_message_survives_its_worker(stage: Stage) -> None:
    seen: list[int] = []
    take = stage.actor(lambda: seen.append(1), actor_name="take")
    worker = stage.work()
    take.send_with_options(delay=300)
    time.sleep(0.1)
    stage.stop(worker)
    assert not seen
    stage.work()
    stage.join()
    assert seen == [1]


def test_delayed_messages_beyond_a_workers_prefetch_do_not_block_others(stage: Stage) -> None:
    seen: list[int] = []
    take = stage.actor(lambda: seen.append(1), actor_name="take")
    for _ in range(20):
        take.send_with_options(delay=60_000)
    take.send_with_options(delay=20)
    worker = dramatiq.Worker(stage.broker, worker_threads=1, worker_timeout=30)
    worker.delay_prefetch = (
        10  # the default is 1,000 per thread: the same at a thousandth of the size
    )
    worker.start()
    try:
        wait_until(lambda: seen, 1.0)
    finally:
        worker.stop(5000)


def test_a_message_delayed_in_the_workers_memory_is_signalled(stage: Stage) -> None:
    seen = threading.Event()

    class Watch(dramatiq.Middleware):
        def before_delay_message(self, broker: Any, message: Any) -> None:
            seen.set()

    stage.use(Watch())
    stage.actor(lambda: None, actor_name="take").send_with_options(delay=50)
    stage.work()
    stage.join()
    assert seen.is_set()
