"""Batch actors on a real server: merging, settlement, and splitting of failed batches."""

import threading
import time
from collections import Counter
from typing import Any

import dramatiq
import pytest

from stanine.broker.settings import QueueSettings

FAST = {"backoff_min_ms": 20, "backoff_max_ms": 40}


def split_ids(ids: bytes) -> list[int]:
    return [int(ids[at : at + 8]) for at in range(0, len(ids), 8)]


def set_queue(broker: Any, queue: str, **fields: int) -> None:
    broker.client.hset(broker._queue(queue).keys.settings, mapping=fields)


def test_one_call_settles_a_batch(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    sizes: list[int] = []

    @dramatiq.actor(broker=broker, batch="ids")
    def take(ids: bytes) -> None:
        sizes.append(len(ids) // 8)

    broker.enqueue_many([take.message(ids=b"%08d" % number) for number in range(2000)])
    broker.client.config_resetstat()
    run_worker(broker)
    broker.join("default", timeout=5000)
    assert sum(sizes) == 2000
    assert max(sizes) == 512
    assert broker.client.info("commandstats")["cmdstat_xack"]["calls"] == len(sizes)
    assert broker.client.xlen(broker.ready_key("default")) == 0


def test_a_single_message_does_not_wait_for_others(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    seen: list[bytes] = []

    @dramatiq.actor(broker=broker, batch="ids")
    def take(ids: bytes) -> None:
        seen.append(ids)

    run_worker(broker, timeout=1000)
    wait_until(lambda: broker.stats("default").consumers == 1)
    time.sleep(0.1)
    take.send(ids=b"1")
    assert wait_until(lambda: seen == [b"1"]) < 0.2


def test_a_batch_respects_its_limits(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    sizes: list[int] = []

    @dramatiq.actor(broker=broker, batch="ids", batch_max_messages=10, batch_max_bytes=100)
    def take(ids: bytes) -> None:
        sizes.append(len(ids))

    broker.enqueue_many([take.message(ids=b"x" * 5) for _ in range(40)])
    broker.enqueue_many([take.message(ids=b"y" * 40) for _ in range(20)])
    broker.enqueue(take.message(ids=b"z" * 300))
    run_worker(broker)
    broker.join("default", timeout=5000)
    assert sum(sizes) == 40 * 5 + 20 * 40 + 300
    assert max(size for size in sizes if size != 300) <= 100
    assert 300 in sizes, "what is larger than a batch runs alone"


def test_messages_of_different_actors_are_not_merged(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    seen: dict[str, set[bytes]] = {"a": set(), "b": set(), "c": set()}

    @dramatiq.actor(broker=broker, batch="ids")
    def a(ids: bytes) -> None:
        seen["a"] |= {ids[at : at + 1] for at in range(len(ids))}

    @dramatiq.actor(broker=broker, batch="other")
    def b(other: bytes) -> None:
        seen["b"] |= {other[at : at + 1] for at in range(len(other))}

    @dramatiq.actor(broker=broker)
    def c(text: str) -> None:
        seen["c"].add(text.encode())

    for _ in range(20):
        a.send(ids=b"a")
        b.send(other=b"b")
        c.send("c")
    run_worker(broker)
    broker.join("default", timeout=5000)
    assert seen == {"a": {b"a"}, "b": {b"b"}, "c": {b"c"}}


def test_a_consumer_holds_little_more_than_its_prefetch(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    go = threading.Event()

    @dramatiq.actor(broker=broker)
    def wait(number: int) -> None:
        go.wait(10)

    @dramatiq.actor(broker=broker, queue_name="b", batch="ids", batch_max_messages=8)
    def wait_batch(ids: bytes) -> None:
        go.wait(10)

    broker.enqueue_many([wait.message(number) for number in range(50)])
    broker.enqueue_many([wait_batch.message(ids=b"%08d" % number) for number in range(200)])
    run_worker(broker)
    wait_until(lambda: broker.stats("default").in_flight == 4)
    wait_until(lambda: broker.stats("b").in_flight >= 24)
    time.sleep(0.3)
    assert broker.stats("default").in_flight == 4, "two a thread"
    assert broker.stats("b").in_flight <= 64 + 24, (
        "one batch a thread and one ahead, after a first read of 64"
    )
    go.set()
    broker.join("default", timeout=5000)
    broker.join("b", timeout=5000)


def test_splitting_isolates_exactly_the_poison_entries(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    set_queue(broker, "default", max_deliveries=4, **FAST)
    poison = {17, 333, 599}
    calls: list[tuple[int, bool]] = []
    done: Counter[int] = Counter()
    lock = threading.Lock()

    @dramatiq.actor(broker=broker, batch="ids")
    def take(ids: bytes) -> None:
        numbers = split_ids(ids)
        with lock:
            calls.append((len(numbers), bool(poison & set(numbers))))
        if poison & set(numbers):
            raise ValueError("personal data")
        with lock:
            done.update(numbers)

    broker.enqueue_many([take.message(ids=b"%08d" % number) for number in range(600)])
    run_worker(broker)
    broker.join("default", timeout=20_000)
    assert set(done) == set(range(600)) - poison
    assert set(done.values()) == {1}
    letters = broker.dead_letters("default")
    assert {int(letter.ids) for letter in letters} == poison
    assert {
        (letter.reason, letter.actor, letter.queue, letter.deliveries) for letter in letters
    } == {("ValueError", "take", "default", 4)}
    assert all(letter.created_ms <= letter.died_ms for letter in letters)
    assert b"personal data" not in b"".join(
        value
        for _, fields in broker.client.xrange(broker._queue("default").keys.dead)
        for value in fields.values()
    )
    assert len(calls) < 300, "most ran in parts of 32"


def test_dead_letters_are_requeued_or_deleted(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    set_queue(broker, "default", max_deliveries=1, **FAST)
    broken = True
    seen: list[bytes] = []

    @dramatiq.actor(broker=broker, batch="ids")
    def take(ids: bytes) -> None:
        if broken:
            raise ValueError
        seen.append(ids)

    run_worker(broker)
    for ids in (b"1", b"2"):
        take.send(ids=ids)
        broker.join("default", timeout=5000)
    first, second = broker.dead_letters("default")
    assert broker.dead_letters("default", after=first.id) == [second]
    broken = False
    assert broker.requeue_dead("default", [first.id]) == 1
    assert broker.delete_dead("default", [second.id, "0-1"]) == 1
    broker.join("default", timeout=5000)
    assert seen == [b"1"]
    assert broker.dead_letters("default") == []


def test_dramatiqs_retries_ignores_batches(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()  # with the default middleware, including Retries
    set_queue(broker, "default", **FAST)
    failures = [2]

    @dramatiq.actor(broker=broker, batch="ids")
    def take(ids: bytes) -> None:
        if failures[0]:
            failures[0] -= 1
            raise ValueError

    run_worker(broker)
    take.send(ids=b"1")
    broker.join("default", timeout=2000)  # Retries would wait for 15 s
    assert broker.stats("default").dead == 0


def test_changed_settings_apply_within_two_seconds(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    sizes: list[int] = []

    @dramatiq.actor(broker=broker, batch="ids")
    def take(ids: bytes) -> None:
        sizes.append(len(ids))

    run_worker(broker)
    wait_until(lambda: broker._leases and broker.stats("default").consumers)
    set_queue(broker, "default", batch_max_messages=3)
    assert wait_until(lambda: broker._leases[0].settings == QueueSettings(batch_max_messages=3)) < 2
    broker.enqueue_many([take.message(ids=b"1") for _ in range(100)])
    broker.join("default", timeout=5000)
    assert max(sizes) <= 3
    set_queue(broker, "default", batch_max_messages=0)
    time.sleep(1.7)
    assert broker._leases[0].settings.batch_max_messages == 3, "an invalid setting is not applied"


def test_invalid_settings_are_reported_and_the_defaults_apply(
    make_broker: Any, run_worker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker()
    broker.client.hset(broker._queue("default").keys.settings, "lease_ms", "soon")
    seen: list[bytes] = []

    @dramatiq.actor(broker=broker, batch="ids")
    def take(ids: bytes) -> None:
        seen.append(ids)

    run_worker(broker)
    take.send(ids=b"1")
    broker.join("default", timeout=5000)
    assert seen == [b"1"]
    assert "Settings of queue default are invalid and not applied: lease_ms" in caplog.text


@pytest.mark.parametrize(("fields", "reason"), [
    ({"h": "no json", "i": "1"}, "Undecodable"),
    ({"h": "no json"}, "Undecodable"),
    ({"x": "1", "y": "2", "z": "3"}, "Undecodable"),
    ({"h": '{"queue":"default","actor":"nobody"}', "i": "1"}, "ActorNotFound"),
    ({"h": '{"queue":"default","actor":"single"}', "i": "1"}, "NotABatchActor"),
    ({"h": dramatiq.Message("default", "take", (), {"ids": "1"}, {}).encode()}, "NotABatchMessage"),
    ({"h": dramatiq.Message("default", "nobody", (), {}, {}).encode()}, "ActorNotFound"),
])  # fmt: skip
def test_entries_without_a_valid_actor_become_dead_letters(
    make_broker: Any, run_worker: Any, fields: dict[str, str], reason: str
) -> None:
    broker = make_broker()
    seen: list[bytes] = []

    @dramatiq.actor(broker=broker, batch="ids")
    def take(ids: bytes) -> None:
        seen.append(ids)

    @dramatiq.actor(broker=broker)
    def single() -> None: ...

    broker.client.xadd(broker.ready_key("default"), fields)
    take.send(ids=b"good")
    run_worker(broker)
    broker.join("default", timeout=5000)
    assert [letter.reason for letter in broker.dead_letters("default")] == [reason]
    assert seen == [b"good"]


@pytest.fixture
def pickled() -> Any:
    before = dramatiq.get_encoder()
    dramatiq.set_encoder(dramatiq.PickleEncoder())
    yield
    dramatiq.set_encoder(before)


def test_with_an_encoder_for_bytes_only_the_actor_decides_what_is_a_batch_message(
    make_broker: Any, run_worker: Any, pickled: None
) -> None:
    broker, producer = make_broker(), make_broker()
    seen: list[tuple[str, bytes]] = []

    @dramatiq.actor(broker=broker)
    def plain(data: bytes) -> None:
        seen.append(("plain", data))

    @dramatiq.actor(broker=broker, batch="ids", queue_name="batches")
    def take(ids: bytes) -> None:
        seen.append(("take", ids))

    for sender in (broker, producer):
        sender.enqueue(dramatiq.Message("default", "plain", (), {"data": b"1"}, {}))
        sender.enqueue(dramatiq.Message("batches", "take", (), {"ids": b"2"}, {}))
    producer.enqueue(dramatiq.Message("batches", "take", (), {"other": b"2"}, {}))
    run_worker(broker)
    for queue in ("default", "batches"):
        broker.join(queue, timeout=5000)
    taken = b"".join(data for name, data in seen if name == "take")
    assert (sorted(seen)[:2], taken) == ([("plain", b"1")] * 2, b"22")
    assert [letter.reason for letter in broker.dead_letters("batches")] == ["NotABatchMessage"]
