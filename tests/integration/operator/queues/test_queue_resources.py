"""Queue resources with a real API server and the operator process: every field and its effect."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
from tests.conftest import Server
from tests.integration.operator.harness import Api, OperatorProcess, Refused, queue, redis_config

from stanine.broker import QueueState, StreamsBroker
from stanine.broker.lease import ConsumerLease
from stanine.broker.settings import QueueSettings

NAME = "results"


@pytest.fixture
def broker(
    api: Api, namespace: str, valkey: Server, redis_url: str, operator: OperatorProcess
) -> Iterator[StreamsBroker]:
    """The broker of the RedisConfig while the operator runs."""
    assert operator.is_ready()
    api.apply(redis_config(namespace, valkey.port))
    made = StreamsBroker(redis_url, namespace="stanine:{p0}")
    yield made
    made.close()


@pytest.fixture
def apply(api: Api, namespace: str) -> Callable[..., dict[str, Any]]:
    """Apply the Queue with exactly these fields, and wait until it is ready."""

    def do(**spec: Any) -> dict[str, Any]:
        api.apply(queue(namespace, NAME, **spec))
        return api.wait("Queue", namespace, NAME)

    return do


def eventually(condition: Callable[[], Any], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "not so in time"
        time.sleep(0.02)


def reasons(resource: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        each["type"]: (each["status"], each["reason"]) for each in resource["status"]["conditions"]
    }


def test_every_field_reaches_consumers_and_its_removal_restores_the_default(
    broker: StreamsBroker, apply: Callable[..., dict[str, Any]]
) -> None:
    resource = apply(
        maxRetries=7, minBackoffMilliseconds=11, maxBackoffMilliseconds=22, leaseSeconds=3, maxDeliveries=4, batch={"maxMessages": 9},
        deadLetter={"maxLength": 5, "ttlSeconds": 6}, rateLimit={"messages": 8, "periodMilliseconds": 500, "burst": 2},
        desiredState="Draining",
    )  # fmt: skip
    assert reasons(resource) == {
        "Ready": ("True", "Drained"),
        "Bootstrapped": ("True", "Bootstrapped"),
        "Paused": ("False", "Draining"),
    }
    assert resource["status"]["state"] == "Draining"
    assert broker.settings(NAME) == QueueSettings(
        lease_ms=3000, max_deliveries=4, max_retries=7, backoff_min_ms=11, backoff_max_ms=22, batch_max_messages=9, rate_messages=8,
        rate_period_ms=500, rate_burst=2, dead_max_length=5, dead_max_age_ms=6000,
    )  # fmt: skip
    assert broker.state(NAME) is QueueState.DRAINING
    assert broker.client.xinfo_groups(broker._queue(NAME).keys.ready)
    resource = apply()
    assert reasons(resource)["Ready"] == ("True", "Running")
    assert (broker.settings(NAME), broker.state(NAME)) == (QueueSettings(), QueueState.RUNNING)
    assert broker.stats(NAME).managed_by is not None


def test_a_running_consumer_follows_state_retries_and_rate_without_a_restart(
    broker: StreamsBroker, apply: Callable[..., dict[str, Any]]
) -> None:
    tries: list[tuple[int, float]] = []

    @dramatiq.actor(broker=broker, queue_name=NAME)
    def fail(number: int) -> None:
        tries.append((number, time.monotonic()))
        if number < 0:
            raise ValueError

    apply(maxRetries=1, minBackoffMilliseconds=10, maxBackoffMilliseconds=20)
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=100)
    worker.start()

    def lease() -> ConsumerLease:
        return broker._leases[0]

    try:
        fail.send(-1)
        eventually(lambda: broker.stats(NAME).dead == 1)
        assert [number for number, _ in tries] == [-1, -1]
        apply(maxRetries=0, desiredState="Paused")
        eventually(lambda: lease().is_paused and lease().settings.max_retries == 0)
        fail.send(-2)
        time.sleep(1)
        assert len(tries) == 2, "paused"
        apply(maxRetries=0, rateLimit={"messages": 5, "burst": 1})
        eventually(lambda: broker.stats(NAME).dead == 2)
        assert [number for number, _ in tries] == [-1, -1, -2], "no retry any more"
        eventually(lambda: lease().settings.rate_messages == 5)
        for number in range(6):
            fail.send(number)
        eventually(lambda: len(tries) == 9)
        assert tries[-1][1] - tries[-6][1] > 0.8, "five a second"
        status = apply(desiredState="Running")["status"]
        assert status["consumers"] == 1
    finally:
        worker.stop(5_000)


def test_purge_and_requeue_are_executed_once_per_new_token(
    broker: StreamsBroker, api: Api, namespace: str, apply: Callable[..., dict[str, Any]]
) -> None:
    broker.enqueue_many(dramatiq.Message(NAME, "note", (number,), {}, {}) for number in range(3))
    reported = apply(purge={"part": "Ready", "token": "first"}, desiredState="Paused")["status"]
    assert (reported["purge"], reported["ready"]) == (
        {"token": "first", "outcome": "NotExecuted"},
        3,
    )
    reported = apply(purge={"part": "Ready", "token": "second"}, desiredState="Paused")["status"]
    eventually(lambda: api.get("Queue", namespace, NAME)["status"]["purge"]["token"] == "second")
    assert api.get("Queue", namespace, NAME)["status"]["purge"] == {
        "token": "second",
        "outcome": "Executed",
        "count": 3,
    }
    assert broker.stats(NAME).ready == 0
    fields: Any = {"h": b"x", "reason": "ValueError", "actor": "note"}
    broker.client.xadd(broker._queue(NAME).keys.dead, fields)
    apply(
        requeueDead={"token": "third", "reason": "ValueError", "actor": "note"},
        desiredState="Paused",
    )
    assert (broker.stats(NAME).ready, broker.stats(NAME).dead) == (1, 0)
    api.delete("Queue", namespace, NAME)
    api.wait_gone("Queue", namespace, NAME)
    reported = apply(
        purge={"part": "Ready", "token": "second"},
        requeueDead={"token": "third"},
        desiredState="Paused",
    )["status"]
    assert broker.stats(NAME).ready == 1, "created again, it purges nothing again"
    assert [event[1] for event in api.events(namespace, NAME)].count("Purged") >= 1


def test_deleting_a_resource_deletes_only_an_empty_queue(
    broker: StreamsBroker, api: Api, namespace: str, apply: Callable[..., dict[str, Any]]
) -> None:
    apply(deletionPolicy="Delete")
    assert api.get("Queue", namespace, NAME)["metadata"]["finalizers"]
    broker.enqueue(dramatiq.Message(NAME, "note", (1,), {}, {}))
    began = time.monotonic()
    api.delete("Queue", namespace, NAME)
    api.wait_gone("Queue", namespace, NAME)
    assert time.monotonic() - began < 60
    assert broker.stats(NAME).ready == 1
    eventually(
        lambda: any(
            each[:2] == ("Warning", "QueueNotEmpty") for each in api.events(namespace, NAME)
        )
    )
    apply(deletionPolicy="Delete")
    broker.purge(NAME, "ready")
    api.delete("Queue", namespace, NAME)
    api.wait_gone("Queue", namespace, NAME)
    left = broker.client.keys("stanine:{p0}:q:results:*")
    # Only the producer's record of its last call, which expires (SENT_MS).
    assert all(b":sent:" in key and broker.client.pttl(key) > 0 for key in left), left


def test_a_retained_queue_is_kept(
    broker: StreamsBroker, api: Api, namespace: str, apply: Callable[..., dict[str, Any]]
) -> None:
    assert "finalizers" not in apply(maxDeliveries=3)["metadata"]
    api.delete("Queue", namespace, NAME)
    api.wait_gone("Queue", namespace, NAME)
    assert broker.settings(NAME).max_deliveries == 3


def test_of_two_resources_for_one_queue_the_younger_takes_over_after_deletion(
    broker: StreamsBroker, api: Api, namespace: str, apply: Callable[..., dict[str, Any]]
) -> None:
    apply(maxDeliveries=3)
    time.sleep(1.1)  # creationTimestamp counts seconds
    api.apply(queue(namespace, "younger", queueName=NAME, maxDeliveries=9))
    reported = api.wait("Queue", namespace, "younger", status="False", reason="ResourceConflict")
    assert reasons(reported)["Bootstrapped"] == ("False", "ResourceConflict")
    assert broker.settings(NAME).max_deliveries == 3
    api.delete("Queue", namespace, NAME)
    api.wait("Queue", namespace, "younger")
    assert broker.settings(NAME).max_deliveries == 9


def test_invalid_specs_are_rejected_by_the_api_server(api: Api, namespace: str) -> None:
    wrong = (
        {"minBackoffMilliseconds": 9, "maxBackoffMilliseconds": 8},
        {"maxRetries": -1},
        {"desiredState": "Stopped"},
    )
    for spec in wrong:
        with pytest.raises(Refused):
            api.apply(queue(namespace, "wrong", **spec))
