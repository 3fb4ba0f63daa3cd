"""Paused, drained and resumed queues.

What stops, what continues, and when consumers and producers notice.
"""

import threading
import time
from typing import Any

import dramatiq
import pytest

from stanine.broker import BrokerSettingsInvalid, QueueDraining, QueueState

#: Seconds after which every consumer has noticed a change.
SEEN = 2.0


def actor_that_notes(broker: Any, **options: Any) -> tuple[Any, list[int]]:
    seen: list[int] = []

    @dramatiq.actor(broker=broker, **options)
    def note(number: int) -> None:
        seen.append(number)

    return note, seen


def test_a_paused_queue_delivers_nothing_until_it_is_resumed(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    brokers = [make_broker(), make_broker()]
    actors = [actor_that_notes(broker) for broker in brokers]
    for broker in brokers:
        run_worker(broker)
    note = actors[0][0]
    note.send(0)
    brokers[0].join("default", timeout=5000)
    brokers[1].pause("default")
    wait_until(lambda: all(broker._leases[0].is_paused for broker in brokers))
    brokers[0].enqueue_many(note.message(number) for number in range(1, 300))
    note.send_with_options(args=(300,), delay=10)
    time.sleep(0.5)
    stats = brokers[0].stats("default")
    assert (stats.state, stats.ready, stats.delayed, stats.in_flight) == (
        QueueState.PAUSED,
        299,
        1,
        0,
    )
    assert [seen for _, seen in actors].count([]) >= 1
    brokers[0].resume("default")
    wait_until(lambda: sum(len(seen) for _, seen in actors) == 301)
    assert sorted(number for _, seen in actors for number in seen) == list(range(301))


def test_pausing_finishes_running_messages_and_returns_fetched_ones(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    begun, go_on = threading.Event(), threading.Event()
    done: list[bytes] = []

    @dramatiq.actor(broker=broker, queue_name="b", batch="ids", batch_max_messages=10)
    def work(ids: bytes) -> None:
        begun.set()
        go_on.wait(10)
        done.append(ids)

    broker.enqueue_many(work.message(ids=b"%03d" % number) for number in range(200))
    run_worker(broker, threads=1)
    begun.wait(5)
    broker.pause("b")
    wait_until(
        lambda: broker.stats("b").in_flight <= 20
    )  # in the Worker: one running, one prefetched
    go_on.set()
    wait_until(lambda: broker.stats("b").in_flight == 0)
    stats = broker.stats("b")
    assert len(b"".join(done)) // 3 == 200 - stats.ready <= 20
    assert broker.purge("b", "ready") == stats.ready, "what was given back can be purged"
    broker.resume("b")


def test_a_failed_message_of_a_paused_queue_waits_with_the_delayed(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    tries: list[float] = []

    @dramatiq.actor(broker=broker, min_backoff=10, max_backoff=10, max_retries=3)
    def fail() -> None:
        if not tries:
            broker.pause("default")
        tries.append(time.monotonic())
        if len(tries) < 2:
            raise ValueError

    run_worker(broker)
    fail.send()
    wait_until(lambda: broker.stats("default").delayed == 1)
    calls = broker.client.info("commandstats")["cmdstat_fcall"]["calls"]
    time.sleep(SEEN)
    assert broker.stats("default").delayed == 1, "it is due and stays"
    assert broker.client.info("commandstats")["cmdstat_fcall"]["calls"] - calls < 10, (
        "waiting asks next to nothing"
    )
    assert len(tries) == 1
    broker.resume("default")
    wait_until(lambda: len(tries) == 2)


def test_a_draining_queue_rejects_new_messages_and_finishes_existing_ones(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker, producer = make_broker(), make_broker()
    order: list[str] = []

    @dramatiq.actor(broker=broker, min_backoff=10, max_backoff=20, max_retries=3)
    def first(number: int) -> int:
        order.append("first")
        if order.count("first") == 1:
            raise ValueError("once")
        child.send()
        return number

    @dramatiq.actor(broker=broker)
    def child() -> None:
        order.append("child")

    @dramatiq.actor(broker=broker)
    def piped(number: int) -> None:
        order.append("piped")

    steps: Any = [first.message(1), dramatiq.Message("default", "piped", (), {}, {})]
    pipeline: Any = dramatiq.pipeline(steps, broker=broker)
    pipeline.run()
    producer.enqueue(child.message())
    child.send_with_options(delay=500)
    producer.drain("default")
    refusals: list[Any] = [
        lambda: make_broker().enqueue(child.message()),
        lambda: producer.enqueue_many([child.message()]),
        lambda: producer.enqueue(child.message(), delay=1),
    ]
    for refused in refusals:
        with pytest.raises(QueueDraining, match="default"):
            refused()
    assert not broker.stats("default").is_drained
    time.sleep(1.1)  # the producers' cached state has expired
    run_worker(broker)
    wait_until(lambda: broker.stats("default").is_drained, 5)
    assert sorted(order) == ["child"] * 3 + ["first"] * 2 + ["piped"]
    with pytest.raises(QueueDraining):
        producer.enqueue(child.message())  # which was accepted before
    producer.resume("default")
    producer.enqueue(child.message())
    broker.join("default", timeout=3000)
    assert order.count("child") == 4


def test_a_message_sent_after_settlement_does_not_count_as_from_the_worker(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    refused: list[bool] = []

    class Follow(dramatiq.Middleware):
        def after_ack(self, broker: Any, message: Any) -> None:
            try:
                broker.enqueue(note.message(2))
            except QueueDraining:
                refused.append(True)

    broker.add_middleware(Follow())
    note, seen = actor_that_notes(broker)
    make_broker().enqueue(note.message(1))
    broker.drain("default")
    run_worker(broker)
    wait_until(lambda: refused)
    assert seen == [1]


def test_an_invalid_state_is_ignored_and_logged_once(
    make_broker: Any, run_worker: Any, wait_until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker()
    note, seen = actor_that_notes(broker)
    run_worker(broker)
    broker.client.hset(broker._queue("default").keys.settings, "state", "Sleeping")
    wait_until(lambda: any("Sleeping" in record.getMessage() for record in caplog.records), 3)
    note.send(1)
    wait_until(lambda: seen == [1])


def test_settings_changes_are_atomic(make_broker: Any) -> None:
    broker = make_broker()
    broker.pause("default")
    changed = broker.write_settings("default", lease_ms=700, rate_messages=9)
    assert (changed.lease_ms, changed.rate_messages) == (700, 9)
    with pytest.raises(BrokerSettingsInvalid) as caught:
        broker.write_settings("default", lease_ms=800, rate_messages=0)
    assert "rate_messages" in str(caught.value)
    with pytest.raises(BrokerSettingsInvalid, match="speed"):
        broker.write_settings("default", speed=1)
    assert broker.settings("default") == changed
    assert broker.write_settings("default", rate_messages=None).rate_messages is None
    assert broker.settings("default").rate_messages is None
    assert broker.state("default") is QueueState.PAUSED


def test_old_dead_letters_expire_without_new_ones(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    note, _ = actor_that_notes(broker)
    for number in range(20):
        broker.client.xadd(
            broker._queue("default").keys.dead, {"reason": "x"}, id=f"{1000 + number}-1"
        )
    run_worker(broker)
    note.send(1)
    wait_until(lambda: broker.stats("default").dead == 0)  # 30 days old
    broker.client.hset(
        broker._queue("default").keys.settings, mapping={"dead_max_age_ms": 0, "dead_max_length": 3}
    )
    wait_until(lambda: broker._leases[0].settings.dead_max_length == 3)
    for number in range(20):
        broker.client.xadd(
            broker._queue("default").keys.dead, {"reason": "x"}, id=f"{2000 + number}-1"
        )
    wait_until(lambda: broker.stats("default").dead == 3)
