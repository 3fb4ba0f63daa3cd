"""The rate limit of a queue, across its consumers, and the low cost of waiting for it."""

import threading
import time
from typing import Any

import dramatiq
from tests.integration.broker_failures import workload


def limit(broker: Any, queue: str = "default", **settings: int) -> None:
    broker.client.hset(broker._queue(queue).keys.settings, mapping=settings)


def most_in(times: list[float], period: float) -> int:
    return max(sum(1 for other in times if at <= other < at + period) for at in times)


def fcalls(broker: Any) -> int:
    return int(broker.client.info("commandstats").get("cmdstat_fcall", {}).get("calls", 0))


def test_the_rate_limit_applies_to_all_consumers_together(
    make_broker: Any, run_worker: Any
) -> None:
    times: list[float] = []
    brokers = [make_broker() for _ in range(3)]
    for broker in brokers:

        @dramatiq.actor(broker=broker)
        def work(number: int) -> None:
            times.append(time.monotonic())

    limit(brokers[0], rate_messages=100, rate_burst=5)
    brokers[0].enqueue_many(work.message(number) for number in range(200))
    begun = time.monotonic()
    for broker in brokers:
        run_worker(broker)
    brokers[0].join("default", timeout=10_000)
    took = time.monotonic() - begun
    assert took >= 1.9, "200 at 100 a second, less the burst"
    assert (
        most_in(sorted(times), 1.0) <= 100 + 5 + 5
    )  # times are measured after delivery, so some may be close together
    assert len(times) == 200


def test_the_rate_limit_counts_entries_of_batches(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    batches: list[tuple[float, int]] = []

    @dramatiq.actor(broker=broker, queue_name="b", batch="ids")
    def work(ids: bytes) -> None:
        batches.append((time.monotonic(), len(ids) // 4))

    limit(broker, "b", rate_messages=2000, rate_burst=100)
    broker.enqueue_many(work.message(ids=b"%04d" % number) for number in range(3000))
    run_worker(broker)
    calls = fcalls(broker)
    time.sleep(1.2)
    assert fcalls(broker) - calls <= 250, (
        "batches are waited for: 50 a second, each read and settled, and a few that were too early"
    )
    broker.join("b", timeout=20_000)
    # Measured between batches, not from the worker's start, which may be late on a busy machine. The first batch is the
    # burst.
    lasted = batches[-1][0] - batches[0][0]
    assert 0.9 * 2800 / 2000 <= lasted <= 6
    assert sum(size for _, size in batches) == 3000
    assert max(size for _, size in batches) <= 100


def test_waiting_for_a_slow_rate_makes_few_calls(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    brokers = [make_broker() for _ in range(3)]
    seen: list[float] = []
    for broker in brokers:

        @dramatiq.actor(broker=broker)
        def work(number: int) -> None:
            seen.append(time.monotonic())

    limit(brokers[0], rate_messages=2)
    for broker in brokers:
        run_worker(broker, timeout=500)
    time.sleep(0.5)
    before = fcalls(brokers[0])
    time.sleep(2)
    assert fcalls(brokers[0]) - before <= 3 * (2 * 2 + 4), (
        "idle: a beat and a fetch for every timeout of each"
    )
    work.send(0)
    wait_until(lambda: len(seen) == 1, 1)
    sent = time.monotonic()
    before = fcalls(brokers[0])
    brokers[0].enqueue_many(work.message(number) for number in range(1, 5))
    wait_until(lambda: len(seen) == 5, 5)
    assert time.monotonic() - sent >= 1.4
    assert fcalls(brokers[0]) - before <= 60
    brokers[0].join("default", timeout=1000)


def test_an_idle_rate_limited_queue_delivers_immediately(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    delays: list[float] = []

    @dramatiq.actor(broker=broker)
    def work(sent: float) -> None:
        delays.append(time.monotonic() - sent)

    limit(broker, rate_messages=1000)
    run_worker(broker, timeout=1000)
    time.sleep(0.3)
    for _ in range(20):
        work.send(time.monotonic())
        time.sleep(0.03)
    broker.join("default", timeout=2000)
    assert sorted(delays)[10] < 0.5  # not at its next read, of which there is one per second


def test_messages_in_flight_cause_no_calls_of_idle_readers(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    begun, go_on = threading.Event(), threading.Event()

    @dramatiq.actor(broker=broker)
    def work() -> None:
        begun.set()
        go_on.wait(10)

    limit(broker, rate_messages=1000)
    run_worker(broker, timeout=500)
    work.send()
    begun.wait(5)
    calls = fcalls(broker)
    time.sleep(1)
    assert fcalls(broker) - calls <= 10
    go_on.set()
    broker.join("default", timeout=2000)


def test_a_changed_rate_limit_applies_to_running_consumers(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    seen: list[float] = []

    @dramatiq.actor(broker=broker)
    def work(number: int) -> None:
        seen.append(time.monotonic())

    run_worker(broker)
    work.send(0)
    wait_until(lambda: len(seen) == 1)
    limit(broker, rate_messages=1, rate_period_ms=60_000)
    wait_until(lambda: broker._leases[0].settings.rate_messages == 1)
    time.sleep(2)  # a read that began before is over
    broker.enqueue_many(work.message(number) for number in range(10))
    time.sleep(0.5)
    assert len(seen) <= 3
    assert broker.stats("default").in_flight == 0, "what may not run yet is not held"
    broker.client.hdel(broker._queue("default").keys.settings, "rate_messages")
    wait_until(lambda: len(seen) == 11)


def test_a_flushed_function_library_is_loaded_again(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    seen: list[int] = []

    @dramatiq.actor(broker=broker)
    def work(number: int) -> None:
        seen.append(number)

    limit(broker, rate_messages=1000)
    run_worker(broker)
    time.sleep(0.2)
    broker.client.function_flush()
    broker.client.delete(broker._queue("default").keys.ready)
    broker.enqueue_many(work.message(number) for number in range(20))
    broker.join("default", timeout=5000)
    assert sorted(seen) == list(range(20))


def calls_of(broker: Any, *names: str) -> int:
    stats = broker.client.info("commandstats")
    return sum(int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in names)


#: Milliseconds after which an idle consumer returns from waiting.
IDLE_MS = 1500


def at_rest(consumers: int, seconds: float) -> float:
    """Return the number of calls of idle consumers: each renews its lease, and repeats its wait."""
    return 3 * consumers * (seconds / 1.5 + 1)


def test_a_message_wakes_few_of_many_idle_consumers(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    brokers = [make_broker() for _ in range(25)]
    seen: list[int] = []
    for broker in brokers:

        @dramatiq.actor(broker=broker)
        def work(number: int) -> None:
            seen.append(number)

    limit(brokers[0], rate_messages=1000)
    workers = [run_worker(broker, threads=1, timeout=IDLE_MS) for broker in brokers]
    wait_until(lambda: brokers[0].stats("default").consumers == 25, 20)
    time.sleep(1)
    before, begun = calls_of(brokers[0], "fcall", "xread", "xreadgroup"), time.monotonic()
    for number in range(30):
        work.send(number)
        wait_until(lambda number=number: len(seen) == number + 1)
    made = calls_of(brokers[0], "fcall", "xread", "xreadgroup") - before
    assert made <= 30 * 10 + at_rest(25, time.monotonic() - begun), "all of them would be 1,560"
    workload.stop_together(*workers)
    assert sorted(seen) == list(range(30))


def test_one_of_many_consumers_waits_for_a_slow_rate(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    brokers = [make_broker() for _ in range(10)]
    seen: list[int] = []
    for broker in brokers:

        @dramatiq.actor(broker=broker)
        def work(number: int) -> None:
            seen.append(number)

    limit(brokers[0], rate_messages=5)
    workers = [run_worker(broker, threads=1, timeout=IDLE_MS) for broker in brokers]
    wait_until(lambda: brokers[0].stats("default").consumers == 10, 20)
    brokers[0].enqueue_many(work.message(number) for number in range(21))
    wait_until(lambda: len(seen) >= 1)
    before, begun = calls_of(brokers[0], "fcall", "xread", "xreadgroup"), time.monotonic()
    wait_until(lambda: len(seen) == 21, 20)
    made, took = (
        calls_of(brokers[0], "fcall", "xread", "xreadgroup") - before,
        time.monotonic() - begun,
    )
    assert took >= 3
    assert made <= 20 * 10 + at_rest(10, took)
    workload.stop_together(*workers)


def test_the_consumer_on_watch_may_die(make_broker: Any, run_worker: Any, wait_until: Any) -> None:
    brokers = [make_broker() for _ in range(3)]
    seen: list[int] = []
    for broker in brokers:

        @dramatiq.actor(broker=broker)
        def work(number: int) -> None:
            seen.append(number)

    limit(brokers[0], rate_messages=1000)
    server = brokers[0].client
    server.set(
        brokers[0]._queue("default").keys.ready.replace(":ready", ":watch"),
        f"{brokers[0].stats('default').now_ms + 2500} dead",
    )
    for broker in brokers:
        run_worker(broker, threads=1, timeout=500)
    work.send(1)
    wait_until(lambda: seen == [1], 10)


def test_a_clock_set_back_does_not_stop_a_rate_limited_queue(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    seen: list[int] = []

    @dramatiq.actor(broker=broker)
    def work(number: int) -> None:
        seen.append(number)

    limit(broker, rate_messages=20, rate_burst=2)
    key, hour = broker.ready_key("default").replace(":ready", ":rate"), 3_600_000
    broker.client.set(
        key, broker.stats("default").now_ms + hour
    )  # state after the clock was one hour ahead
    run_worker(broker)
    broker.enqueue_many(work.message(number) for number in range(10))
    wait_until(lambda: len(seen) == 10, 10)


def test_a_mixed_queue_respects_its_rate_and_prefetches_little(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    brokers = [make_broker() for _ in range(3)]
    runs: list[int] = []
    for each, broker in enumerate(brokers):

        @dramatiq.actor(broker=broker)
        def plain(number: int, each: int = each) -> None:
            runs.append(each)
            time.sleep(0.1)

        @dramatiq.actor(broker=broker, batch="ids")
        def batch(ids: bytes) -> None: ...

    limit(brokers[0], rate_messages=100, rate_burst=20)
    for broker in brokers:
        run_worker(broker)
    begun = time.monotonic()
    brokers[0].enqueue_many(
        dramatiq.Message("default", "plain", (number,), {}, {}) for number in range(60)
    )
    brokers[0].join("default", timeout=20_000)
    assert time.monotonic() - begun >= 0.4
    assert min(runs.count(each) for each in range(3)) >= 8
