"""Dramatiq's Retries on this broker.

A retry is atomic, and delayed messages are promoted in time.
"""

import logging
import threading
import time
from typing import Any

import dramatiq
import pytest

from stanine.broker.exchange import ProducerCall
from stanine.broker.library import FENCED, library
from stanine.broker.producing import Chunk, make_entry


def test_a_retry_is_atomic(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    seen: list[dict[str, Any]] = []

    class Watch(dramatiq.Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            seen.append(dict(message.options))

    broker.add_middleware(Watch())

    @dramatiq.actor(broker=broker, min_backoff=100, max_backoff=200)
    def fail_thrice(name: str) -> None:
        if len(seen) < 4:
            raise ValueError("personal data")

    sent = fail_thrice.send("a")
    run_worker(broker)
    looks = 0
    while sum(where := places(broker)):
        assert sum(where) == 1, "at every moment in one place"
        if where[1]:
            (member,) = broker.client.zrange(broker._queue("default").keys.delayed, 0, -1) or (b"",)
            assert b"personal data" not in member
            oldest = broker.stats("default").oldest_ms
            assert oldest is None or abs(oldest - sent.message_timestamp) < 200
        looks += 1
    assert looks > 50
    assert [options.get("retries", 0) for options in seen] == [0, 1, 2, 3]
    assert seen[3]["traceback"] == "ValueError"


def places(broker: Any) -> tuple[int, int, int]:
    stats = broker.stats("default")
    return stats.ready, stats.delayed, stats.in_flight


def test_a_message_without_retries_left_is_a_dead_letter(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()

    @dramatiq.actor(broker=broker, max_retries=1, min_backoff=10, max_backoff=20)
    def fail() -> None:
        raise KeyError("personal data")

    fail.send()
    run_worker(broker)
    broker.join("default", timeout=5000)
    (letter,) = broker.dead_letters("default")
    assert (letter.reason, letter.actor, letter.deliveries) == ("KeyError", "fail", 2)
    assert b"personal data" not in letter.head
    assert broker.requeue_dead("default", [letter.id]) == 1
    broker.join("default", timeout=5000)
    assert broker.stats("default").dead == 1


def test_a_zombie_settles_nothing(make_broker: Any, wait_until: Any) -> None:
    broker, other = make_broker(), make_broker()
    for each in (broker, other):
        each.declare_queue("q")
    message: Any = dramatiq.Message("q", "a", (), {}, {})
    for settle in ("ack", "nack", "retry", "release"):
        broker.enqueue(message)
        zombie = broker.consume("q", prefetch=1, timeout=500)
        proxy = next(zombie)
        assert proxy is not None
        name, queue = proxy.lease.name, proxy.lease.queue
        broker.keeper.stop()  # like a stopped process: it does not renew its lease
        broker.client.zadd(queue.keys.leases, {name: 1})
        successor = other.consume("q", prefetch=1, timeout=500)
        got: list[Any] = []
        wait_until(lambda successor=successor, got=got: got.append(next(successor)) or got[-1])
        client = broker.client
        if settle == "ack":
            assert queue.ack(client, name, proxy.entry_ids) == FENCED
            zombie.ack(proxy)
        elif settle == "nack":
            zombie.nack(proxy)
        elif settle == "retry":
            broker.enqueue(proxy, delay=10)
            zombie.ack(proxy)
        else:
            zombie.requeue([proxy])
        assert proxy.lease.lost or settle == "release"
        stats = broker.stats("q")
        assert (stats.ready, stats.delayed, stats.in_flight, stats.dead) == (0, 0, 1, 0), settle
        successor.ack(got[-1])
        assert broker.stats("q").in_flight == 0
        zombie.close()
        successor.stop_fetching()
        successor.close()
        other.leave_queues()
        broker.leave_queues()


def test_settling_twice_changes_nothing_more(make_broker: Any) -> None:
    broker = make_broker()
    broker.declare_queue("q")
    broker.enqueue(dramatiq.Message("q", "a", (), {}, {}))
    consumer = broker.consume("q", timeout=500)
    proxy = next(consumer)
    assert proxy is not None
    queue, client, name = proxy.lease.queue, broker.client, proxy.lease.name
    assert queue.retry(client, name, proxy.entry, b"head", 60_000)[0] == 1
    assert queue.retry(client, name, proxy.entry, b"head", 60_000)[0] == 0
    assert queue.ack(client, name, proxy.entry_ids) == 0
    assert broker.stats("q").delayed == 1
    consumer.stop_fetching()
    consumer.close()


@pytest.mark.parametrize("own", [True, False], ids=["the same process", "another process"])
def test_a_delayed_message_is_delivered_in_time_while_the_consumer_blocks(
    make_broker: Any, run_worker: Any, wait_until: Any, *, own: bool
) -> None:
    broker, producer = make_broker(), make_broker()
    seen: dict[str, float] = {}

    @dramatiq.actor(broker=broker)
    def note(name: str) -> None:
        seen[name] = time.monotonic()

    run_worker(broker, timeout=1000)
    wait_until(lambda: broker.stats("default").consumers == 1)
    time.sleep(0.2)
    enqueue = (broker if own else producer).enqueue
    begun = time.monotonic()
    enqueue(note.message("far"), delay=700)
    enqueue(note.message("near"), delay=150)
    enqueue(note.message("middle"), delay=400)
    assert broker.stats("default").delayed == 3, "they wait in Redis, not in the worker"
    wait_until(lambda: len(seen) == 3)
    for name, delay in (("near", 0.15), ("middle", 0.4), ("far", 0.7)):
        assert seen[name] - begun >= delay, name
    assert list(seen) == ["near", "middle", "far"]


def test_messages_due_without_a_worker_are_delivered_when_one_starts(
    make_broker: Any, run_worker: Any
) -> None:
    broker = make_broker()
    seen: list[str] = []

    @dramatiq.actor(broker=broker)
    def note(name: str) -> None:
        seen.append(name)

    note.send_with_options(args=("a",), delay=10)
    broker.enqueue(note.message_with_options(args=("b",), eta=int(time.time() * 1000) + 20))
    assert broker.client.xlen(broker.ready_key("default")) == 0, "no tick where nobody reads"
    time.sleep(0.05)
    run_worker(broker)
    broker.join("default", timeout=1000)
    assert seen == ["a", "b"]


def test_a_repeated_delay_call_adds_one_message(make_broker: Any) -> None:
    broker = make_broker()
    message: Any = dramatiq.Message("q", "a", (), {}, {})
    chunk = Chunk(broker._queue("q"))
    chunk.add(message, make_entry(message, None), 60_000)
    command = chunk.command(ProducerCall("sender", 1, from_worker=False))
    for _ in range(3):  # as the client does after a lost reply
        library().call(broker.client, *command)
        time.sleep(0.003)
    assert broker.stats("q").delayed == 1


def test_an_actor_may_enqueue_its_own_message_again(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    current = dramatiq.middleware.CurrentMessage()
    broker.add_middleware(current)
    seen: list[str] = []

    @dramatiq.actor(broker=broker)
    def again() -> None:
        message: Any = dramatiq.middleware.CurrentMessage.get_current_message()
        seen.append(message.message_id)
        if len(seen) < 3:
            broker.enqueue(message)

    again.send()
    run_worker(broker)
    broker.join("default", timeout=2000)
    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_async_actors_and_pipelines_work(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    broker.add_middleware(dramatiq.middleware.AsyncIO())
    done = threading.Event()
    results: list[int] = []

    @dramatiq.actor(broker=broker)
    async def add(a: int, b: int) -> int:
        return a + b

    @dramatiq.actor(broker=broker)
    def keep(number: int) -> None:
        results.append(number)
        done.set()

    run_worker(broker)
    steps: list[Any] = [
        add.message(1, 2),
        add.message_with_options(args=(3,)),
        keep.message_with_options(),
    ]
    pipeline: Any = dramatiq.pipeline(steps, broker=broker)
    pipeline.run(delay=20)
    assert done.wait(5)
    broker.join("default", timeout=2000)
    assert results == [6]


def test_queue_retry_settings_apply_if_actor_and_message_have_none(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    tries: dict[str, list[float]] = {}

    def failing(**options: Any) -> Any:
        def fail(name: str) -> None:
            tries.setdefault(name, []).append(time.monotonic())
            raise ValueError

        return dramatiq.actor(broker=broker, actor_name=f"fail-{len(broker.actors)}", **options)(
            fail
        )

    plain, own = failing(), failing(max_retries=1, min_backoff=10, max_backoff=10)
    broker.write_settings("default", max_retries=2, backoff_min_ms=20, backoff_max_ms=30)
    run_worker(broker)
    plain.send("plain")
    own.send("own")
    plain.send_with_options(args=("none",), max_retries=0)
    wait_until(lambda: broker.stats("default").dead == 3)
    assert {name: len(times) for name, times in tries.items()} == {"plain": 3, "own": 2, "none": 1}
    broker.write_settings("default", max_retries=1, backoff_min_ms=None, backoff_max_ms=None)
    wait_until(lambda: broker._leases[0].settings.max_retries == 1)
    (again,) = (letter for letter in broker.dead_letters("default") if letter.deliveries == 3)
    assert broker.requeue_dead("default", [again.id])
    wait_until(lambda: broker.stats("default").dead == 3)
    assert len(tries["plain"]) == 4, (
        "it had been retried: what the queue said then did not travel with it"
    )


def test_queue_retry_settings_apply_to_batches(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    sizes: list[int] = []

    @dramatiq.actor(broker=broker, queue_name="batches", batch="ids")
    def fail(ids: bytes) -> None:
        sizes.append(len(ids))
        raise ValueError

    broker.write_settings("batches", max_retries=6, backoff_min_ms=10, backoff_max_ms=10)
    fail.send(ids=b"a")
    run_worker(broker)
    wait_until(lambda: broker.stats("batches").dead == 1)
    assert sizes == [1] * 7, "maxDeliveries is 5, and counts what died with its consumers only"
    broker.write_settings("batches", max_retries=0)
    wait_until(lambda: broker._leases[0].settings.max_retries == 0)
    sizes.clear()
    fail.send(ids=b"b")
    wait_until(lambda: broker.stats("batches").dead == 2)
    assert sizes == [1]


@pytest.mark.parametrize("way", ["throws", "max_age", "max_retries"])
def test_an_expected_rejection_is_not_logged_as_an_error(
    make_broker: Any,
    run_worker: Any,
    wait_until: Any,
    caplog: pytest.LogCaptureFixture,
    way: str,
) -> None:
    broker = make_broker()
    options: Any = {way: {"throws": KeyError, "max_age": 1, "max_retries": 0}[way]}

    @dramatiq.actor(broker=broker, **options)
    def fail() -> None:
        raise KeyError

    def levels() -> list[int]:
        return [each.levelno for each in caplog.records if "are dead" in each.getMessage()]

    fail.send()
    time.sleep(0.01)
    with caplog.at_level(logging.INFO):
        run_worker(broker)
        broker.join("default", timeout=30_000)
        wait_until(levels)  # the message is logged after it is settled
    assert levels() == [logging.ERROR if way == "max_retries" else logging.INFO]
    assert broker.stats("default").dead == 1
