"""Deduplication by key: simple, throttle, debounce; and that a key is free again on every way out of the queue."""

import asyncio
import threading
import time
from typing import Any

import dramatiq
import pytest

from stanine.broker import BatchRefused, DedupeRefused, StreamsBroker


@pytest.fixture
def broker(make_broker: Any) -> StreamsBroker:
    made: StreamsBroker = make_broker()
    return made


def keys_held(broker: Any) -> int:
    return int(broker.client.zcard("test:{t}:q:default:unique")) + int(broker.client.hlen("test:{t}:q:default:debounced"))


def test_a_simple_key_keeps_others_away_until_its_message_is_done(broker: Any, run_worker: Any, wait_until: Any) -> None:
    seen: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    @dramatiq.actor(broker=broker, min_backoff=200, max_backoff=200, max_retries=2)
    def work(number: int) -> None:
        seen.append(number)
        begun.set()
        go_on.wait(5)
        if len(seen) == 1:
            raise ValueError

    def send(number: int, key: str = "k") -> None:
        work.send_with_options(args=(number,), dedupe_key=key)

    send(1)
    send(2)
    assert broker.stats("default").ready == 1
    run_worker(broker)
    begun.wait(5)
    send(3)
    go_on.set()
    wait_until(lambda: broker.stats("default").delayed == 1)
    send(4)
    wait_until(lambda: len(seen) == 2)
    wait_until(lambda: keys_held(broker) == 0)
    send(5)
    send(6, "other")
    broker.join("default", timeout=5000)
    assert seen[:2] == [1, 1]
    assert sorted(seen[2:]) == [5, 6]
    assert keys_held(broker) == 0


def test_without_a_key_the_arguments_are_the_key(broker: Any) -> None:
    @dramatiq.actor(broker=broker, dedupe="simple")
    def work(*numbers: int, **named: int) -> None: ...

    @dramatiq.actor(broker=broker, dedupe="simple")
    def other(*numbers: int) -> None: ...

    work.send(1, a=1, b=2)
    work.send(1, b=2, a=1)
    work.send(2)
    other.send(2)
    broker.enqueue_many([work.message(2), work.message(3), other.message(2), work.message(3)])
    assert broker.stats("default").ready == 4


def test_a_throttled_key_lets_one_through_a_period(broker: Any, run_worker: Any) -> None:
    seen: list[float] = []

    @dramatiq.actor(broker=broker, dedupe="throttle", dedupe_ms=300)
    def work(number: int) -> None:
        seen.append(time.monotonic())

    run_worker(broker)
    begun = time.monotonic()
    while time.monotonic() - begun < 1.0:
        work.send_with_options(args=(1,), dedupe_key="k")
        time.sleep(0.01)
    broker.join("default", timeout=3000)
    assert 3 <= len(seen) <= 4
    assert keys_held(broker) <= 1


def test_of_debounced_messages_the_last_runs_after_a_quiet_time(broker: Any, run_worker: Any, wait_until: Any) -> None:
    seen: list[tuple[int, float]] = []

    @dramatiq.actor(broker=broker, dedupe="debounce", dedupe_ms=300)
    def work(number: int) -> None:
        seen.append((number, time.monotonic()))

    run_worker(broker)

    async def send() -> None:
        for number in range(30):
            await broker.enqueue_async(dramatiq.Message("default", "work", (number,), {}, {"dedupe_key": "k"}))
            await asyncio.sleep(0.02)
        await broker.close_async()

    asyncio.run(send())
    ended = time.monotonic()
    assert broker.stats("default").delayed == 1
    broker.join("default", timeout=3000)
    ((number, at),) = seen
    assert number == 29
    assert 0.2 <= at - ended <= 1.0
    assert keys_held(broker) == 0


def test_a_key_is_free_on_every_way_out_of_the_queue(broker: Any, run_worker: Any, wait_until: Any) -> None:
    @dramatiq.actor(broker=broker, max_retries=0)
    def fail(number: int) -> None:
        raise ValueError

    @dramatiq.actor(broker=broker, dedupe="debounce", dedupe_ms=60_000)
    def later(number: int) -> None: ...

    def fill() -> None:
        for number in range(3):
            fail.send_with_options(args=(number,), dedupe_key=str(number))
            fail.send_with_options(args=(number,), dedupe_key=f"d{number}", delay=60_000)
            later.send(number)
        assert keys_held(broker) == 9

    fill()
    assert broker.purge("default", "ready") == 3
    assert broker.purge("default", "delayed") == 6
    assert keys_held(broker) == 0
    fill()
    broker.flush("default")
    assert keys_held(broker) == 0
    fill()
    broker.purge("default", "delayed")
    run_worker(broker)
    wait_until(lambda: broker.stats("default").dead == 3)
    assert keys_held(broker) == 0


def test_a_taken_over_message_keeps_its_key(broker: Any, make_broker: Any, run_worker: Any, wait_until: Any) -> None:
    @dramatiq.actor(broker=broker)
    def work(number: int) -> None: ...

    work.send_with_options(args=(1,), dedupe_key="k")
    dead = make_broker(lease_seconds=0.5)
    dead.declare_queue("default")
    consumer = dead.consume("default", prefetch=1, timeout=100)
    wait_until(lambda: next(consumer) is not None)
    dead.keeper.stop()  # as if its process had died
    work.send_with_options(args=(2,), dedupe_key="k")
    assert broker.stats("default").ready == 0
    broker.client.hset(broker._queue("default").keys.settings, "lease_ms", 500)
    run_worker(broker)
    broker.join("default", timeout=5000)
    assert keys_held(broker) == 0


def test_middleware_hears_of_what_is_taken_only(broker: Any) -> None:
    heard: list[Any] = []

    class Ears(dramatiq.Middleware):
        def after_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
            heard.append(message.args)

    broker.add_middleware(Ears())

    @dramatiq.actor(broker=broker, dedupe="simple")
    def work(number: int) -> None: ...

    for number in (1, 1, 2):
        work.send(number)
    broker.enqueue_many([work.message(2), work.message(3)])
    assert heard == [(1,), (2,), (3,)]


def test_what_cannot_be_done_is_refused(broker: Any) -> None:
    def work(number: int) -> None: ...

    declare: Any = dramatiq.actor
    for options in ({"dedupe": "once"}, {"dedupe": "throttle"}, {"dedupe": "debounce", "dedupe_ms": 0}, {"dedupe_ms": 5}):
        with pytest.raises(DedupeRefused):
            declare(work, broker=broker, actor_name=str(options), **options)
    with pytest.raises(BatchRefused):
        declare(work, broker=broker, actor_name="batch", batch="number", dedupe="simple")
    plain = declare(work, broker=broker)
    for more in ({"dedupe_key": 7}, {"dedupe_ms": 7}, {"dedupe": "debounce", "dedupe_ms": 7, "delay": 5}):
        with pytest.raises(DedupeRefused):
            plain.send_with_options(args=(1,), **more)
    with pytest.raises(BatchRefused):
        broker.enqueue(dramatiq.Message("default", "elsewhere", (), {"ids": b"1"}, {"dedupe_key": "k"}))
    assert broker.stats("default").ready == 0


def test_the_key_itself_is_not_stored(broker: Any) -> None:
    @dramatiq.actor(broker=broker)
    def work() -> None: ...

    work.send_with_options(dedupe_key="somebody@example.org")
    assert all(b"somebody" not in (broker.client.dump(key) or b"") for key in broker.client.scan_iter())
