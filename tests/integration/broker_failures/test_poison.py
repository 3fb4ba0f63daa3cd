"""Messages that are unreadable, always fail, or kill workers.

They become dead letters and delay others little.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from tests.integration.broker_failures import workload
from tests.integration.broker_failures.ledger import DONE, SETTLED, Ledger, account
from tests.integration.broker_failures.test_kills import run_process

from stanine.broker import StreamsBroker
from stanine.broker.entry import GROUP, head

#: Raw entries that no actor can receive -> their reasons as dead letters.
UNREADABLE: "dict[str, tuple[dict[bytes, bytes], str]]" = {
    "no message": ({b"h": b"\xff\x00 not JSON"}, "Undecodable"),
    "nothing": ({b"h": b""}, "Undecodable"),
    "JSON, but no message": ({b"h": b"[1, 2]"}, "Undecodable"),
    "half a message": ({b"h": b'{"queue_name": "plain", "actor_name": "plain"}'}, "Undecodable"),
    "a message of other types": (
        {
            b"h": b'{"queue_name": 1, "actor_name": [], "args": [], "kwargs": {}, "options": {}, "message_id": 1, "message_timestamp": 1}'
        },
        "Undecodable",
    ),
    "deep nesting": ({b"h": b"[" * 100_000}, "Undecodable"),
    "foreign fields": ({b"foreign": b"fields"}, "Undecodable"),
    "ids without an actor": ({b"h": b"{}", b"i": b"ids"}, "Undecodable"),
    "ids for an actor that takes none": (
        {b"h": head("plain", "plain"), b"i": b"ids"},
        "NotABatchActor",
    ),
    "ids for nobody": ({b"h": head("plain", "nobody"), b"i": b"ids"}, "ActorNotFound"),
    "a head nested deeply": ({b"h": b"[" * 100_000, b"i": b"ids"}, "Undecodable"),
    "counts that are no numbers": ({b"h": b"x", b"n": b"many", b"c": b"once"}, "Undecodable"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_an_unreadable_entry_is_dead_lettered_and_the_others_run(
    make_broker: Any, ledger: Ledger, what: str
) -> None:
    fields, reason = UNREADABLE[what]
    broker: StreamsBroker = make_broker()
    actors = workload.declare(broker, ledger)
    workload.configure(broker)
    client: Any = broker.client
    for key in workload.PLAIN:
        actors["plain"].send(key)
        client.xadd(broker.ready_key("plain"), fields)
    worker = workload.start_worker(broker)
    broker.join("plain", timeout=5000)
    worker.stop(5000)
    assert not account(ledger.lines(), set(workload.PLAIN)).lost
    assert Counter(letter.reason for letter in broker.dead_letters("plain")) == {
        reason: len(workload.PLAIN)
    }


def test_an_unreadable_delayed_message_is_dead_when_it_is_due(
    make_broker: Any, ledger: Ledger
) -> None:
    broker: StreamsBroker = make_broker()
    actors = workload.declare(broker, ledger)
    workload.configure(broker)
    client: Any = broker.client
    client.zadd(broker._queue("plain").keys.delayed, {b"\xc1 garbage": 1, b"": 2, b"\x90": 3})
    broker.enqueue(actors["plain"].message("a"), delay=10)
    worker = workload.start_worker(broker)
    broker.join("plain", timeout=5000)
    worker.stop(5000)
    assert not account(ledger.lines(), {"a"}).lost
    assert [letter.reason for letter in broker.dead_letters("plain")] == ["Undecodable"] * 3


def test_messages_that_always_fail_delay_others_little(make_broker: Any, ledger: Ledger) -> None:
    broker: StreamsBroker = make_broker()
    actors = workload.declare(broker, ledger)
    workload.configure(broker)

    @dramatiq.actor(
        broker=broker, queue_name="plain", max_retries=5, min_backoff=10, max_backoff=20
    )
    def fail(number: int) -> None:
        raise ValueError

    def drain(poison: int) -> float:
        keys = [f"{poison}-{number}" for number in range(1000)]
        broker.enqueue_many([actors["plain"].message(key) for key in keys])
        broker.enqueue_many([fail.message(number) for number in range(poison)])
        begun = time.monotonic()
        worker = workload.start_worker(broker)
        broker.join("plain", timeout=20_000)
        worker.stop(5000)
        assert not account([line for line in ledger.lines() if line[1] in keys], set(keys)).lost
        return time.monotonic() - begun

    without, with_failing = drain(0), drain(20)
    print(f"1,000 messages in {without:.2f} s, with 20 that always fail in {with_failing:.2f} s")  # noqa: T201 - reported
    assert len(broker.dead_letters("plain")) == 20
    assert with_failing < 3 * without + 1


@pytest.mark.parametrize("queue", ["slow", "batches"])
def test_only_the_message_that_kills_processes_is_dead_lettered(
    redis_url: str, make_broker: Any, tmp_path: Path, ledger: Ledger, queue: str
) -> None:
    broker: StreamsBroker = make_broker()
    actors = workload.declare(broker, ledger)
    workload.configure(broker)
    client: Any = broker.client
    client.hset(broker._queue(queue).keys.settings, "max_deliveries", 4)
    keys = [f"{number:05}-ok" for number in range(20)]
    poison = workload.POISON
    keys.insert(7, poison)
    for key in keys:
        broker.enqueue(
            actors["slow"].message(key)
            if queue == "slow"
            else actors["batch"].message(ids=key.encode())
        )
    kills = 0
    for _ in range(20):  # some find nothing: the previous lease has not expired
        status = run_process("worker", redis_url, "test", tmp_path, None)
        assert status in (0, -signal.SIGKILL)
        kills += status != 0
        if broker.dead_letters(queue):
            break
    worker = workload.start_worker(broker)
    workload.await_rest(broker, 10)
    worker.stop(5000)
    found = account(ledger.lines(), set(keys) - {poison})
    print(f"{queue}: {kills} processes killed; {found}")  # noqa: T201 - reported
    assert not found.lost
    assert not found.again
    assert kills == 4
    (letter,) = broker.dead_letters(queue)
    assert letter.reason == "DeliveryLimit"
    assert poison.encode() in (letter.ids or letter.head)


def test_poison_candidates_run_one_by_one_without_pauses(make_broker: Any, ledger: Ledger) -> None:
    broker: StreamsBroker = make_broker()
    actors = workload.declare(broker, ledger)
    workload.configure(broker)
    broker.enqueue_many([actors["plain"].message(key) for key in workload.PLAIN])
    queue, client = broker._queue("plain"), broker.client
    queue.join(client, "ghost", broker.defaults)
    answer: Any = client.xreadgroup(GROUP, "ghost", {queue.keys.ready: ">"}, count=100)
    ids = [entry_id for entry_id, _ in answer[0][1]]
    client.xclaim(queue.keys.ready, GROUP, "ghost", 0, ids, retrycount=4, justid=True)
    client.zadd(queue.keys.leases, {"ghost": 1})
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=1000)
    worker.start()
    begun = time.monotonic()
    broker.join("plain", timeout=20_000)
    assert time.monotonic() - begun < 10, "not one in each second that a read waits"
    worker.stop(5000)
    assert not account(ledger.lines(), set(workload.PLAIN)).lost
    assert [event for event, _, _ in ledger.lines() if event in (DONE, SETTLED)] == [
        DONE,
        SETTLED,
    ] * len(workload.PLAIN)


def test_a_consumer_that_dies_before_its_first_heartbeat_has_the_queues_lease(
    make_broker: Callable[..., StreamsBroker],
) -> None:
    broker = make_broker()
    workload.configure(broker)
    queue, client = broker._queue("plain"), broker.client
    queue.join(client, "dead", broker.defaults)
    server: Any = client
    time.sleep(workload.LEASE_MS / 1000)
    queue.join(
        client, "next", broker.defaults
    )  # no lease was renewed for a full lease, so the others get a grace period
    assert (
        server.zscore(queue.keys.leases, "dead") - broker.stats("plain").now_ms
        <= workload.LEASE_MS / 5
    )
