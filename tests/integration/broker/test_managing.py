"""Owned queues.

Settings and state are reserved until ownership expires; requests stay open to all.
"""

from typing import Any

import dramatiq
import pytest

from stanine.broker import QueueManaged, QueueState, StreamsBroker
from stanine.broker.bootstrap import BootstrapReport, Ownership, QueueDeclaration, bootstrap
from stanine.broker.connection.ownership import HOLD_MS, Owner
from stanine.broker.settings import QueueSettings

OLD = Owner("Queue one/scores", "b-old", "2026-11-01T00:00:00Z", "east")
YOUNG = Owner("Queue two/scores", "a-young", "2026-11-02T00:00:00Z", "west")


def declare(
    broker: StreamsBroker,
    owner: Owner = OLD,
    settings: QueueSettings | None = None,
    **more: Any,
) -> BootstrapReport:
    declaration = QueueDeclaration(
        "scores", settings or QueueSettings(), ownership=Ownership(owner, **more)
    )
    return bootstrap(broker.client, namespace=broker.namespace, queues=[declaration])


def hash_of(broker: StreamsBroker) -> dict[bytes, bytes]:
    found: Any = broker.client.hgetall(broker._queue("scores").keys.settings)
    return dict(found)


def test_settings_that_an_owner_omits_are_reset(make_broker: Any) -> None:
    broker = make_broker()
    declare(
        broker,
        settings=QueueSettings(lease_ms=9000, rate_messages=5, max_retries=2, batch_max_bytes=99),
        state=QueueState.PAUSED,
    )
    assert (broker.settings("scores").rate_messages, broker.state("scores")) == (
        5,
        QueueState.PAUSED,
    )
    declare(broker)
    assert (broker.settings("scores"), broker.state("scores")) == (
        QueueSettings(),
        QueueState.RUNNING,
    )
    assert declare(broker).settings_changed == ()


def test_only_the_owner_changes_settings_and_state(
    make_broker: Any,
) -> None:
    broker = make_broker()
    declare(broker)
    before = hash_of(broker)
    for change in (
        broker.pause,
        broker.drain,
        lambda queue: broker.write_settings(queue, lease_ms=700),
    ):
        with pytest.raises(QueueManaged, match="Queue one/scores"):
            change("scores")
    broker.resume("scores")  # the queue is running: nothing to reject
    assert hash_of(broker) == {**before, b"state": b"Running"}
    assert broker.stats("scores").managed_by == "Queue one/scores"
    assert broker.purge("scores", "dead") == 0
    assert broker.requeue_all_dead("scores") == 0
    report = bootstrap(
        broker.client, namespace=broker.namespace, queues=[QueueDeclaration("scores")]
    )  # a service that starts
    assert report.settings_changed == ()


def test_ownership_expires(make_broker: Any) -> None:
    broker = make_broker()
    declare(broker)
    seconds, micros = broker.client.time()
    until = int(hash_of(broker)[b"managedUntil"])
    assert abs(until - (seconds * 1000 + micros // 1000) - HOLD_MS) < 5_000
    broker.client.hset(
        broker._queue("scores").keys.settings, "managedUntil", until - HOLD_MS - 5_000
    )
    assert broker.stats("scores").managed_by is None
    broker.pause("scores")
    assert broker.state("scores") is QueueState.PAUSED


@pytest.mark.parametrize("first", [OLD, YOUNG])
def test_the_older_of_two_owners_wins(make_broker: Any, first: Owner) -> None:
    broker = make_broker()
    declare(broker, first)
    declare(broker, OLD, QueueSettings(max_deliveries=3))
    with pytest.raises(QueueManaged) as caught:
        declare(broker, YOUNG, QueueSettings(max_deliveries=9))
    assert caught.value.holder == OLD
    assert broker.settings("scores").max_deliveries == 3
    declare(broker, YOUNG, QueueSettings(max_deliveries=9), deleted_owner=OLD.uid)
    assert broker.settings("scores").max_deliveries == 9


def test_a_new_owners_tokens_count_as_handled_and_later_ones_do_not(
    make_broker: Any,
) -> None:
    broker = make_broker()
    brought = declare(broker, tokens=("p1", "")).handled["scores"]
    assert (brought.purge, brought.requeue) == ("p1", "")
    asked = declare(broker, tokens=("p2", "r1")).handled["scores"]
    assert (asked.purge, asked.requeue) == ("p1", "")
    broker.note_handled("scores", OLD, "purge", "p2")
    assert declare(broker, tokens=("p2", "r1")).handled["scores"].purge == "p2"
    broker.client.flushall()  # after a loss of the server the tokens count as handled: nothing is purged again
    assert declare(broker, tokens=("p2", "r1")).handled["scores"].requeue == "r1"
    again = Owner(YOUNG.name, "a-new-uid", YOUNG.created)
    broker.note_handled("scores", again, "purge", "p9")
    assert declare(broker, tokens=("p2", "r1")).handled["scores"].purge == "p2"


def test_an_empty_queue_is_removed_and_its_consumers_continue(
    make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    broker = make_broker()
    seen: list[int] = []

    @dramatiq.actor(broker=broker, queue_name="scores", dedupe="throttle", dedupe_ms=60_000)
    def note(number: int) -> None:
        seen.append(number)

    declare(broker, settings=QueueSettings(max_deliveries=9))
    run_worker(broker)
    note.send(1)
    broker.purge("scores", "dead", token="t")
    wait_until(lambda: seen == [1] and broker.stats("scores").in_flight == 0)
    assert broker.remove("scores", OLD)
    assert not set(hash_of(broker)) & {b"max_deliveries", b"managedBy"}
    note.send(2)
    note.send(1)
    wait_until(lambda: sorted(seen) == [1, 1, 2], 10)
    assert broker.settings("scores") == QueueSettings()


@pytest.mark.parametrize("place", ["ready", "delayed", "in flight", "dead"])
def test_a_queue_with_messages_is_kept_without_an_owner(make_broker: Any, place: str) -> None:
    broker = make_broker()
    declare(broker)
    queue = broker._queue("scores")
    broker.enqueue(
        dramatiq.Message("scores", "note", (1,), {}, {}),
        delay=60_000 if place == "delayed" else None,
    )
    if place == "in flight":
        broker.client.xreadgroup("workers", "me", {queue.keys.ready: ">"})
    if place == "dead":
        broker.client.xadd(queue.keys.dead, {"reason": "x", "h": "y"})
        broker.purge("scores", "ready")
    with pytest.raises(QueueManaged):
        broker.remove("scores", YOUNG)
    assert not broker.remove("scores", OLD)
    stats = broker.stats("scores")
    assert stats.ready + stats.delayed + stats.in_flight + stats.dead == 1
    assert stats.managed_by is None
    assert broker.settings("scores") == QueueSettings()


def test_a_tick_is_no_message(make_broker: Any) -> None:
    broker = make_broker()
    declare(broker)
    broker.client.xadd(broker._queue("scores").keys.ready, {"w": "1"})
    assert broker.remove("scores", OLD)
    assert broker.client.keys("test:{t}:q:scores:*") == []
