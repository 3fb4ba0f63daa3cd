"""Processes that die, stop, lose replies or end.

Others finish their work, with minimal repetition.
"""

import os
import signal
import threading
import time
from typing import Any

import dramatiq
import pytest
from tests.integration.broker.worker_process import ID_BYTES

from stanine.broker.entry import GROUP

LEASE = 2.0
#: Timeout of the tests: lease, heartbeat, read, and a busy machine.
BOUND = LEASE + 0.7 + 0.1 + 3


def send_batches(broker: Any, count: int) -> None:
    broker.declare_queue("batches")
    broker.enqueue_many(
        dramatiq.Message("batches", "record", (), {"ids": b"%0*d" % (ID_BYTES, number)}, {})
        for number in range(count)
    )


def test_a_worker_killed_during_a_batch_loses_nothing(
    redis_url: str, make_broker: Any, spawn_worker: Any, ledger: Any, wait_until: Any
) -> None:
    broker = make_broker()
    send_batches(broker, 1500)
    first = spawn_worker(redis_url, "hang", lease=LEASE)
    wait_until(lambda: ledger.llen("started") == 2)
    first.kill()
    killed = time.monotonic()
    held = broker.stats("batches").in_flight
    assert held > 0
    second = spawn_worker(redis_url, lease=LEASE)
    wait_until(lambda: ledger.hlen("done") == 1500, BOUND + 2)
    assert time.monotonic() - killed <= BOUND
    broker.join("batches", timeout=2000)
    assert set(ledger.hvals("done")) == {b"1"}, "the killed one had finished none"
    consumers = ledger.xinfo_consumers(broker.ready_key("batches"), GROUP)
    wait_until(lambda: len(ledger.xinfo_consumers(broker.ready_key("batches"), GROUP)) == 1, 5)
    assert len(consumers) <= 2
    assert second.poll() is None


def test_only_the_message_that_kills_its_process_is_dead_lettered(
    redis_url: str, make_broker: Any, spawn_worker: Any, ledger: Any, wait_until: Any
) -> None:
    broker = make_broker()
    broker.declare_queue("singles")
    broker.client.hset(broker._queue("singles").keys.settings, "max_deliveries", 4)
    names = ["before", "poison", *(f"after-{number}" for number in range(8))]
    broker.enqueue_many(dramatiq.Message("singles", "single", (name,), {}, {}) for name in names)
    for _ in range(4):
        process = spawn_worker(redis_url, lease=0.5)
        assert process.wait(15) == -signal.SIGKILL
    last = spawn_worker(redis_url, lease=0.5)
    broker.join("singles", timeout=10_000)
    assert {name.decode() for name in ledger.hkeys("done")} == set(names) - {"poison"}
    (letter,) = broker.dead_letters("singles")
    assert (letter.reason, letter.actor, letter.deliveries) == ("DeliveryLimit", "single", 4)
    assert ledger.lrange("started", 0, -1).count(b"poison") == 4
    assert last.poll() is None


def test_a_stopped_process_is_taken_over_and_resumes_when_continued(
    redis_url: str, make_broker: Any, spawn_worker: Any, ledger: Any, wait_until: Any
) -> None:
    broker = make_broker()
    zombie = spawn_worker(
        redis_url, "stopped", lease=0.7
    )  # its actor stops the process during a batch
    send_batches(broker, 20)
    wait_until(lambda: ledger.llen("started") >= 1 and _is_stopped(zombie.pid))
    healthy = spawn_worker(redis_url, lease=0.7)
    wait_until(lambda: ledger.hlen("done") == 20, 10)
    broker.join("batches", timeout=2000)
    before = broker.stats("batches")
    zombie.send_signal(signal.SIGCONT)
    time.sleep(1.0)  # its late acknowledgement arrives, and it registers again
    after = broker.stats("batches")
    assert (
        (after.ready, after.delayed, after.in_flight, after.dead)
        == (0, 0, 0, before.dead)
        == (0, 0, 0, 0)
    )
    wait_until(lambda: broker.stats("batches").consumers == 2, 5)
    healthy.terminate()
    assert healthy.wait(10) == 0
    _keep_continuing(
        zombie,
        lambda: send_batches(broker, 5),
        lambda: broker.stats("batches").ready + broker.stats("batches").in_flight == 0,
    )


def _is_stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - a kernel file
        return stat.read().rsplit(")", 1)[1].split()[0] == "T"


def _keep_continuing(process: Any, act: Any, done: Any) -> None:
    act()
    deadline = time.monotonic() + 15
    while not done():
        assert time.monotonic() < deadline
        process.send_signal(signal.SIGCONT)
        time.sleep(0.05)


def test_entries_of_a_lost_reply_are_refetched(
    make_broker: Any, run_worker: Any, ledger: Any, wait_until: Any
) -> None:
    broker = make_broker()
    seen: list[int] = []

    @dramatiq.actor(broker=broker)
    def note(number: int) -> None:
        seen.append(number)

    run_worker(broker, timeout=500)
    wait_until(lambda: len(broker._leases) == 1 and broker.stats("default").consumers == 1)
    name = broker._leases[0].name
    broker.enqueue_many([note.message(number) for number in range(5)])
    broker.join("default", timeout=5000)
    # The server delivers entries to this consumer, and the connection breaks before the reply is read.
    reader = next(client for client in ledger.client_list() if client["cmd"] == "xreadgroup")
    with ledger.pipeline(transaction=True) as lost:
        for number in range(5, 30):
            lost.xadd(broker.ready_key("default"), {"h": note.message(number).encode()})
        lost.execute_command("CLIENT", "KILL", "ID", reader["id"])
        lost.xreadgroup(GROUP, name, {broker.ready_key("default"): ">"}, count=100)
        lost.execute()
    assert wait_until(lambda: len(seen) >= 30) < 1.5
    broker.join("default", timeout=5000)
    assert sorted(seen) == list(range(30))
    assert broker.stats("default").dead == 0


def test_a_stopped_worker_returns_messages_it_did_not_start(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker, other = make_broker(), make_broker()
    begun: list[int] = []
    seen: list[int] = []

    @dramatiq.actor(broker=broker)
    def take(number: int) -> None:
        begun.append(number)
        time.sleep(0.4)

    @dramatiq.actor(broker=other, actor_name="take")
    def take_there(number: int) -> None:
        seen.append(number)

    broker.enqueue_many([take.message(number) for number in range(20)])
    worker = run_worker(broker)
    wait_until(lambda: broker.stats("default").in_flight == 4)
    began = time.monotonic()
    worker.stop(5000)
    assert time.monotonic() - began < 30
    stats = broker.stats("default")
    assert (stats.in_flight, stats.consumers) == (0, 0)
    assert stats.ready == 20 - len(begun)
    assert not [
        fields for _, fields in broker.client.xrange(broker.ready_key("default")) if b"n" in fields
    ], "not counted as failed"
    run_worker(other)
    other.join("default", timeout=5000)
    assert sorted(begun + seen) == list(range(20))


def test_terminated_processes_lose_and_repeat_nothing(
    redis_url: str, make_broker: Any, spawn_worker: Any, ledger: Any, wait_until: Any
) -> None:
    broker = make_broker()
    broker.declare_queue("batches")
    for number in range(4000):
        send: Any = dramatiq.Message(
            "batches", "record", (), {"ids": b"%0*d" % (ID_BYTES, number)}, {}
        )
        broker.enqueue(send)
        if number in (1000, 2500):
            ledger.delete("ready")
            process = spawn_worker(redis_url, "slow")
            time.sleep(0.2)
            process.terminate()
            assert process.wait(10) == 0
    spawn_worker(redis_url)
    broker.join("batches", timeout=10_000)
    assert ledger.hlen("done") == 4000
    assert set(ledger.hvals("done")) == {b"1"}


def test_two_processes_share_a_queue(
    redis_url: str, make_broker: Any, spawn_worker: Any, ledger: Any
) -> None:
    broker = make_broker()
    processes = [spawn_worker(redis_url, "slow") for _ in range(2)]
    send_batches(broker, 5000)
    broker.join("batches", timeout=10_000)
    assert ledger.hlen("done") == 5000
    assert set(ledger.hvals("done")) == {b"1"}
    assert {int(pid) for pid in ledger.lrange("started", 0, -1)} == {
        process.pid for process in processes
    }


def test_live_consumers_keep_their_messages_over_an_outage_longer_than_the_lease(
    make_broker: Any, wait_until: Any
) -> None:
    brokers = [make_broker(lease_seconds=1.0) for _ in range(2)]
    held = []
    for broker in brokers:
        broker.declare_queue("q")
        broker.enqueue(dramatiq.Message("q", "a", (), {}, {}))
        consumer = broker.consume("q", timeout=1000)
        held.append((consumer, next(consumer)))
    for broker in brokers:
        broker.keeper.stop()
    time.sleep(1.3)  # no lease could be renewed: the server was down
    for broker, (_, proxy) in zip(brokers, held, strict=True):
        broker.keeper.watch(proxy.lease)
    time.sleep(0.6)
    for consumer, proxy in held:
        assert not proxy.lease.lost
        consumer.ack(proxy)
        consumer.close()
    assert brokers[0].stats("q").in_flight == 0


@pytest.mark.skipif(os.cpu_count() == 1, reason="needs a second core")
def test_a_busy_actor_does_not_lose_its_lease(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker(lease_seconds=1.0)
    runs: list[int] = []

    @dramatiq.actor(broker=broker)
    def compute() -> None:
        runs.append(1)
        deadline = time.monotonic() + 2.5
        while time.monotonic() < deadline:
            sum(range(10_000))

    compute.send()
    run_worker(broker)
    broker.join("default", timeout=10_000)
    assert runs == [1]


def test_unfinished_messages_of_a_stopped_worker_are_available_immediately(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker, other = make_broker(), make_broker()
    release = threading.Event()
    seen: list[str] = []

    @dramatiq.actor(broker=broker)
    def endless() -> None:
        release.wait(20)

    @dramatiq.actor(broker=other, actor_name="endless")
    def endless_there() -> None:
        seen.append("there")

    endless.send()
    worker = run_worker(broker)
    wait_until(lambda: broker.stats("default").in_flight == 1)
    worker.stop(300)
    run_worker(other)
    assert wait_until(lambda: seen) < 3, "long before the lease of 15 s would have ended"
    release.set()
    other.join("default", timeout=5000)
    time.sleep(0.2)
    assert seen == ["there"]
