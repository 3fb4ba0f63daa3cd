"""Deduplication.

Simple, throttle, debounce, and release of keys however a message leaves the queue.
"""

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


def unkept(broker: Any) -> None:
    """Fail if anything is stored for released keys."""
    assert (
        broker.client.exists(
            "test:{t}:q:default:holders",
            "test:{t}:q:default:unique",
            "test:{t}:q:default:debounced",
        )
        == 0
    )


def keys_held(broker: Any) -> int:
    return int(broker.client.zcard("test:{t}:q:default:unique")) + int(
        broker.client.hlen("test:{t}:q:default:debounced")
    )


def test_a_simple_key_blocks_duplicates_until_its_message_is_done(
    broker: Any, run_worker: Any, wait_until: Any
) -> None:
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


def test_a_throttled_key_admits_one_message_per_period(broker: Any, run_worker: Any) -> None:
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


def test_the_last_debounced_message_runs_after_a_quiet_period(
    broker: Any, run_worker: Any, wait_until: Any
) -> None:
    seen: list[tuple[int, float]] = []

    @dramatiq.actor(broker=broker, dedupe="debounce", dedupe_ms=300)
    def work(number: int) -> None:
        seen.append((number, time.monotonic()))

    run_worker(broker)

    async def send() -> None:
        for number in range(30):
            await broker.enqueue_async(
                dramatiq.Message("default", "work", (number,), {}, {"dedupe_key": "k"})
            )
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


def test_a_key_is_released_however_its_message_leaves_the_queue(
    broker: Any, run_worker: Any, wait_until: Any
) -> None:
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


def test_a_taken_over_message_keeps_its_key(
    broker: Any, make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
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


def test_middleware_is_not_notified_of_duplicates(broker: Any) -> None:
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


def test_invalid_deduplication_options_are_rejected(broker: Any) -> None:
    def work(number: int) -> None: ...

    declare: Any = dramatiq.actor
    for options in (
        {"dedupe": "once"},
        {"dedupe": "throttle"},
        {"dedupe": "debounce", "dedupe_ms": 0},
        {"dedupe_ms": 5},
    ):
        with pytest.raises(DedupeRefused):
            declare(work, broker=broker, actor_name=str(options), **options)
    with pytest.raises(BatchRefused):
        declare(work, broker=broker, actor_name="batch", batch="number", dedupe="simple")
    plain = declare(work, broker=broker)
    for more in (
        {"dedupe_key": 7},
        {"dedupe_ms": 7},
        {"dedupe": "debounce", "dedupe_ms": 7, "delay": 5},
    ):
        with pytest.raises(DedupeRefused):
            plain.send_with_options(args=(1,), **more)
    with pytest.raises(BatchRefused):
        broker.enqueue(
            dramatiq.Message("default", "elsewhere", (), {"ids": b"1"}, {"dedupe_key": "k"})
        )
    assert broker.stats("default").ready == 0


def test_the_key_itself_is_not_stored(broker: Any) -> None:
    @dramatiq.actor(broker=broker)
    def work() -> None: ...

    work.send_with_options(dedupe_key="somebody@example.org")
    assert all(
        b"somebody" not in (broker.client.dump(key) or b"") for key in broker.client.scan_iter()
    )


def test_the_caller_learns_whether_a_message_was_a_duplicate(broker: Any) -> None:
    @dramatiq.actor(broker=broker, dedupe="simple")
    def work(number: int) -> None: ...

    first, second = work.send(1), work.send(1)
    assert "duplicate" not in first.options
    assert second.options["duplicate"] is True
    assert not broker.enqueue_unique(work.message(1))
    assert broker.enqueue_unique(work.message(2))
    assert broker.enqueue_many([work.message(2), work.message(3), work.message(3)]) == 1

    async def send() -> list[bool]:
        sent = [await broker.enqueue_async(work.message(number)) for number in (3, 4)]
        assert await broker.enqueue_many_async([work.message(4), work.message(5)]) == 1
        await broker.close_async()
        return ["duplicate" in message.options for message in sent]

    assert asyncio.run(send()) == [True, False]
    assert broker.stats("default").ready == 5
    broker.flush("default")
    assert broker.enqueue_unique(second), "the mark does not keep it from being sent again"
    ((_, fields),) = broker.client.xrange(broker.ready_key("default"))
    assert b"duplicate" not in fields[b"h"]


def test_a_finished_message_does_not_release_the_key_of_a_later_one(
    broker: Any, run_worker: Any, wait_until: Any
) -> None:
    go_on = {number: threading.Event() for number in (1, 2)}
    begun: list[int] = []

    @dramatiq.actor(broker=broker)
    def work(number: int) -> None:
        begun.append(number)
        go_on[number].wait(20)

    def send(number: int) -> bool:
        taken: bool = broker.enqueue_unique(
            work.message_with_options(
                args=(number,), dedupe_key="k", dedupe="simple", dedupe_ms=400
            )
        )
        return taken

    run_worker(broker, threads=3)
    assert send(1)
    wait_until(lambda: begun == [1])
    time.sleep(0.5)  # the first message no longer blocks others
    assert send(2)
    wait_until(lambda: begun == [1, 2])
    go_on[1].set()
    wait_until(lambda: broker.stats("default").in_flight == 1)
    held = keys_held(broker)
    go_on[2].set()
    broker.join("default", timeout=5000)
    assert held == 1
    assert keys_held(broker) == 0


@pytest.mark.parametrize("gone", ["ready", "delayed", "entry"])
def test_a_key_is_released_when_its_message_is_lost(broker: Any, gone: str) -> None:
    @dramatiq.actor(broker=broker, dedupe="simple")
    def work(number: int) -> None: ...

    def send(number: int) -> bool:
        taken: bool = broker.enqueue_unique(
            work.message(number), delay=60_000 if gone == "delayed" else None
        )
        return taken

    assert send(1)
    assert not send(1)
    keys = broker._queue("default").keys
    if gone == "entry":
        broker.client.xtrim(keys.ready, maxlen=0)
    else:
        broker.client.delete(getattr(keys, gone))
    assert send(2)
    assert send(1)
    assert not send(1)


def test_keys_of_lost_messages_do_not_accumulate(broker: Any) -> None:
    @dramatiq.actor(broker=broker, dedupe="simple")
    def work(number: int) -> None: ...

    broker.enqueue_many(work.message(number) for number in range(1000))
    broker.client.delete(broker.ready_key("default"))
    broker.enqueue_many(work.message(number) for number in range(1000, 2200))
    for number in range(2200, 2400):
        work.send(number)
    assert 1400 <= keys_held(broker) <= 1500


@pytest.mark.parametrize("way", ["retry", "promote", "release", "takeover"])
def test_a_key_is_held_in_every_state_of_its_message(
    broker: Any, make_broker: Any, run_worker: Any, wait_until: Any, way: str
) -> None:
    begun: list[int] = []

    @dramatiq.actor(
        broker=broker, min_backoff=60_000, max_backoff=60_000, max_retries=3, dedupe="simple"
    )
    def work(number: int) -> None:
        begun.append(number)
        if way == "retry":
            raise ValueError

    def taken() -> bool:
        return bool(broker.enqueue_unique(work.message(1)))

    if way == "promote":
        assert broker.enqueue_unique(work.message(1), delay=1)
        time.sleep(0.01)
        broker._queue("default").promote(broker.client)
        assert broker.stats("default").ready == 1
    else:
        assert taken()
    if way == "retry":
        worker = run_worker(broker)
        wait_until(lambda: begun and broker.stats("default").delayed == 1)
        worker.stop(5000)
    if way in ("release", "takeover"):
        consumer = broker.consume("default", prefetch=1, timeout=100)
        message = next(each for each in consumer if each is not None)
        assert not taken()
        if way == "release":
            consumer.requeue([message])
        else:
            broker.leave_queues()
    assert not taken()
    broker.flush("default")
    unkept(broker)
    assert taken()


def test_flush_and_purge_release_all_keys(broker: Any) -> None:
    @dramatiq.actor(broker=broker, dedupe="simple")
    def work(number: int) -> None: ...

    @dramatiq.actor(broker=broker, dedupe="throttle", dedupe_ms=60_000)
    def seldom(number: int) -> None: ...

    broker.enqueue_many(work.message(number) for number in range(2000))
    broker.enqueue_many([work.message(-number) for number in range(1, 2000)], delay=60_000)
    assert broker.purge("default", "delayed") == 1999
    assert keys_held(broker) == 2000
    broker.client.delete(broker.ready_key("default"))
    seldom.send(1)
    broker.flush("default")
    unkept(broker)
    assert broker.enqueue_unique(seldom.message(1))


def test_a_clock_set_back_does_not_extend_a_period(broker: Any) -> None:
    @dramatiq.actor(broker=broker, dedupe="throttle", dedupe_ms=300)
    def work(number: int) -> None: ...

    assert broker.enqueue_unique(work.message(1))
    ((digest, ends),) = broker.client.zrange("test:{t}:q:default:unique", 0, -1, withscores=True)
    broker.client.zadd(
        "test:{t}:q:default:unique", {digest: ends + 3_600_000}
    )  # as if the clock had been one hour ahead
    assert not broker.enqueue_unique(work.message(1))
    time.sleep(0.35)
    assert broker.enqueue_unique(work.message(1))
