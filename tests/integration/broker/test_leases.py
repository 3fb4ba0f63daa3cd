"""Leases: cost of renewal, and expiry independent of changes of the server's clock."""

import time
from typing import Any

import dramatiq
from tests.integration.broker.test_sharing import leave_orphans

from stanine.broker.entry import GROUP
from stanine.broker.exchange import ConsumerCapacity
from stanine.broker.settings import QueueSettings


def test_renewing_a_lease_reads_no_other_consumer(make_broker: Any) -> None:
    broker = make_broker()
    queue, client, settings = broker._queue("q"), broker.client, QueueSettings()
    for number in range(500):
        queue.join(client, f"consumer-{number}", settings)
    before = int(client.info("commandstats").get("cmdstat_xinfo|consumers", {}).get("calls", 0))
    begun = time.monotonic()
    for number in range(500):
        assert queue.beat(client, f"consumer-{number}", settings).takeover_consumers == 0
    scans = (
        int(client.info("commandstats").get("cmdstat_xinfo|consumers", {}).get("calls", 0)) - before
    )
    assert scans <= 1 + (time.monotonic() - begun) / 5


def test_a_consumer_without_a_lease_is_taken_over(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker(lease_seconds=0.5)
    seen: list[int] = []

    @dramatiq.actor(broker=broker)
    def note(number: int) -> None:
        seen.append(number)

    run_worker(broker)
    wait_until(lambda: broker.stats("default").consumers == 1)
    queue = broker._queue("default")
    with broker.client.pipeline(
        transaction=True
    ) as pipe:  # as a reader whose lease expired while it waited
        pipe.xadd(queue.keys.ready, {"h": note.message(1).encode()})
        pipe.xreadgroup(GROUP, "nobody", {queue.keys.ready: ">"}, count=1)
        pipe.execute()
    wait_until(lambda: seen == [1], 20)


def test_a_clock_set_back_does_not_extend_leases_of_dead_consumers(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker(lease_seconds=0.5)
    seen: list[int] = []

    @dramatiq.actor(broker=broker)
    def note(number: int) -> None:
        seen.append(number)

    broker.enqueue_many(note.message(number) for number in range(5))
    leave_orphans(broker, "default", 5)
    leases, hour = broker._queue("default").keys.leases, 3_600_000
    ahead = broker.stats("default").now_ms + hour
    broker.client.zadd(
        leases, {"ghost": ahead + 500, "@renewed": ahead}
    )  # state after the clock was one hour ahead
    run_worker(broker)
    wait_until(lambda: sorted(seen) == list(range(5)), 10)
    assert broker.client.zscore(leases, "@renewed") < ahead - hour / 2


def test_a_clock_set_back_keeps_leases_of_live_consumers(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    brokers = [make_broker(lease_seconds=2) for _ in range(2)]
    for broker in brokers:
        broker.declare_queue("default")
        run_worker(broker)
    wait_until(lambda: brokers[0].stats("default").consumers == 2)
    wait_until(lambda: all(broker._leases for broker in brokers))
    leases, hour = brokers[0]._queue("default").keys.leases, 3_600_000
    names = [broker._leases[0] for broker in brokers]
    for name, ends in brokers[0].client.zrange(leases, 0, -1, withscores=True):
        brokers[0].client.zadd(leases, {name: ends + hour})
    wait_until(
        lambda: all(
            ends < brokers[0].stats("default").now_ms + hour / 2
            for _, ends in brokers[0].client.zrange(leases, 0, -1, withscores=True)
        )
    )
    assert not any(lease.lost for lease in names)
    assert brokers[0].stats("default").consumers == 2


def test_a_takeover_skips_live_consumers(make_broker: Any) -> None:
    broker = make_broker()
    queue, client = broker._queue("q"), broker.client
    broker.enqueue_many(dramatiq.Message("q", "a", (number,), {}, {}) for number in range(6))
    for name, count in (("alive", 2), ("dead", 3), ("me", 1)):
        queue.join(client, name, QueueSettings())
        client.xreadgroup(GROUP, name, {queue.keys.ready: ">"}, count=count)
    client.zrem(queue.keys.leases, "dead")
    assert queue.recover(client, "me", ConsumerCapacity(9, 32)) == ([], False), (
        "until somebody has noticed"
    )
    client.zadd(queue.keys.leases, {"dead": 1})
    taken, more = queue.recover(client, "me", ConsumerCapacity(1, 32))
    assert (len(taken), more) == (1, True), (
        "two may take over, so two of the three are this one's share"
    )
    taken, more = queue.recover(client, "me", ConsumerCapacity(9, 32))
    assert (len(taken), more) == (2, False)
    assert {
        row["name"]: row["pending"] for row in client.xinfo_consumers(queue.keys.ready, GROUP)
    } == {b"alive": 2, b"me": 4}
