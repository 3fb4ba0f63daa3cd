"""Several Workers on one queue.

Each takes over its share of dead consumers' entries, for idle threads only.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest

from stanine.broker.entry import GROUP
from stanine.broker.settings import QueueSettings

#: Milliseconds of a lease, so that heartbeats are frequent.
LEASE_MS = 500


def leave_orphans(broker: Any, queue_name: str, count: int) -> None:
    """Leave the next entries pending for a dead consumer."""
    queue = broker._queue(queue_name)
    queue.join(broker.client, "ghost", QueueSettings(lease_ms=LEASE_MS))
    broker.client.xreadgroup(GROUP, "ghost", {queue.keys.ready: ">"}, count=count)
    broker.client.zadd(queue.keys.leases, {"ghost": 1})


@pytest.fixture
def start(make_broker: Any, run_worker: Any) -> Callable[..., Any]:
    """Start a Worker with its own broker, as another process would.

    Its actor records who ran what.
    """

    def start(
        name: str, runs: list[tuple[str, int]], body: Callable[[int], None], threads: int = 4
    ) -> Any:
        broker = make_broker(lease_seconds=LEASE_MS / 1000)

        @dramatiq.actor(broker=broker, max_retries=0)
        def work(number: int) -> None:
            runs.append((name, number))
            body(number)

        run_worker(broker, threads=threads)
        return broker

    return start


def send(broker: Any, numbers: range) -> None:
    broker.enqueue_many(
        dramatiq.Message("default", "work", (number,), {}, {}) for number in numbers
    )


@pytest.mark.parametrize(("messages", "threads"), [(32, 4), (32, 16), (9, 8)])
def test_the_work_of_a_dead_consumer_is_shared(
    make_broker: Any, start: Any, messages: int, threads: int
) -> None:
    producer = make_broker()
    producer.declare_queue("default")
    send(producer, range(messages))
    leave_orphans(producer, "default", messages)
    runs: list[tuple[str, int]] = []
    for name in "ab":
        start(name, runs, lambda _number: time.sleep(0.4), threads)
    producer.join("default", timeout=30_000)
    shares = Counter(name for name, _ in runs)
    assert sorted(number for _, number in runs) == list(range(messages))
    assert min(shares["a"], shares["b"]) >= 0.3 * messages, shares


def test_a_busy_worker_takes_over_nothing_while_another_is_idle(
    make_broker: Any, start: Any, wait_until: Any
) -> None:
    producer = make_broker()
    producer.declare_queue("default")
    runs: list[tuple[str, int]] = []
    go_on = threading.Event()
    busy = start("busy", runs, lambda _number: go_on.wait(30) and None, threads=4)
    send(busy, range(4))
    wait_until(lambda: len(runs) == 4)
    send(producer, range(100, 116))
    leave_orphans(producer, "default", 16)
    rows = producer.client.xpending_range(
        producer.ready_key("default"), GROUP, "-", "+", 100, consumername="ghost"
    )
    assert len(rows) >= 8, "the busy one may have fetched ahead what nobody held"
    start("idle", runs, lambda _number: time.sleep(0.1), threads=2)
    wait_until(lambda: len(runs) == 4 + len(rows), 20)
    assert Counter(name for name, _ in runs) == {"busy": 4, "idle": len(rows)}
    go_on.set()
    producer.join("default", timeout=5000)
    assert len(runs) == len({number for _, number in runs}) == 20


def test_entries_of_dead_consumers_run_before_new_ones(make_broker: Any, start: Any) -> None:
    producer = make_broker()
    producer.declare_queue("default")
    send(producer, range(300))
    leave_orphans(producer, "default", 6)
    runs: list[tuple[str, int]] = []
    start("a", runs, lambda _number: time.sleep(0.02), threads=2)
    producer.join("default", timeout=60_000)
    places = [at for at, (_, number) in enumerate(runs) if number < 6]
    assert len(places) == 6
    assert max(places) < 150, "a backlog must not keep them waiting"


def test_a_worker_with_other_busy_queues_takes_over_eventually(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    producer = make_broker()
    producer.declare_queue("rare")
    producer.enqueue_many(
        dramatiq.Message("rare", "rare", (number,), {}, {}) for number in range(5)
    )
    leave_orphans(producer, "rare", 5)
    seen: list[int] = []
    over = threading.Event()
    for _ in range(2):
        broker = make_broker(lease_seconds=LEASE_MS / 1000)

        @dramatiq.actor(broker=broker, queue_name="common")
        def common() -> None:
            time.sleep(0.05)
            if not over.is_set():
                common.send()

        @dramatiq.actor(broker=broker, queue_name="rare")
        def rare(number: int) -> None:
            seen.append(number)

        for _ in range(8):
            common.send()
        run_worker(broker)
    wait_until(lambda: sorted(seen) == list(range(5)), 30)
    over.set()


@pytest.mark.parametrize("batches_before", [0, 2000])
def test_a_queue_with_a_batch_actor_prefetches_few_plain_messages(
    make_broker: Any, run_worker: Any, batches_before: int
) -> None:
    runs: Counter[int] = Counter()
    brokers = [make_broker() for _ in range(4)]
    merged: Counter[int] = Counter()
    for each, broker in enumerate(brokers):

        @dramatiq.actor(broker=broker)
        def plain(number: int, each: int = each) -> None:
            runs[each] += 1
            time.sleep(0.1)

        @dramatiq.actor(broker=broker, batch="ids")
        def batch(ids: bytes) -> None:
            merged[len(ids)] += 1

        run_worker(broker)
    brokers[0].join("default")
    brokers[0].enqueue_many(
        dramatiq.Message("default", "batch", (), {"ids": b"x"}, {}) for _ in range(batches_before)
    )
    brokers[0].enqueue_many(
        dramatiq.Message("default", "plain", (number,), {}, {}) for number in range(64)
    )
    brokers[0].join("default", timeout=30_000)
    assert sum(runs.values()) == 64
    assert min(runs[each] for each in range(4)) >= 8, runs
    assert sum(size * count for size, count in merged.items()) == batches_before
    assert not batches_before or max(merged) > 100, "batch messages are merged all the same"


def test_two_workers_on_one_broker_stop_independently(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    runs: Counter[str] = Counter()
    begun, go_on = threading.Event(), threading.Event()

    @dramatiq.actor(broker=broker, queue_name="one")
    def one(name: str) -> None:
        runs[name] += 1
        if name == "in hand":
            begun.set()
            go_on.wait(20)

    @dramatiq.actor(broker=broker, queue_name="two")
    def two(name: str) -> None:
        runs[name] += 1

    stays = dramatiq.Worker(broker, queues={"one"}, worker_threads=2, worker_timeout=100)
    stops = dramatiq.Worker(broker, queues={"two"}, worker_threads=2, worker_timeout=100)
    for worker in (stays, stops):
        worker.start()
    one.send("in hand")
    two.send("before")
    wait_until(lambda: begun.is_set() and runs["before"])
    stops.stop(5000)
    assert (broker.stats("one").consumers, broker.stats("two").consumers) == (1, 0)
    one.send("after")
    wait_until(lambda: runs["after"])
    go_on.set()
    broker.join("one", timeout=5000)
    again = dramatiq.Worker(broker, queues={"two"}, worker_threads=2, worker_timeout=100)
    again.start()
    two.send("again")
    broker.join("two", timeout=5000)
    for worker in (stays, again):
        worker.stop(5000)
    assert runs == Counter({"in hand": 1, "before": 1, "after": 1, "again": 1})


def test_two_workers_share_one_queue_of_one_broker(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    runs: Counter[int] = Counter()

    @dramatiq.actor(broker=broker)
    def work(number: int) -> None:
        runs[number] += 1
        time.sleep(0.01)

    workers = [run_worker(broker) for _ in range(2)]
    send(broker, range(200))
    time.sleep(0.2)
    workers[0].stop(5000)
    broker.join("default", timeout=20_000)
    assert runs == Counter(range(200))
