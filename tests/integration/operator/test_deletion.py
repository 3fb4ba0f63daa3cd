"""Deletion of resources during outages, and the annotation that pauses reconciliation."""

import time
from collections.abc import Callable

import redis
from tests.conftest import Server, stop_server
from tests.integration.operator.harness import Api, OperatorProcess, queue, redis_config, secret
from tests.integration.operator.hurried_operator import FACTOR

from stanine.broker.keys import queue_keys
from stanine.store.keys import Keys
from stanine_operator.controller.reconciler import (
    FINALIZE_RETRY,
    FINALIZE_TIMEOUT,
    FINALIZE_TIMEOUT_UNREACHABLE,
)

#: Seconds within which everything converges after a fault ended.
BOUND = 60
#: Longest retry delay in seconds.
NOT_WELL = 15
REFERENCE = {"name": "redis", "key": "password"}


def test_deleting_a_queue_while_redis_is_down_completes_within_a_minute_with_a_warning(
    api: Api,
    namespace: str,
    start_operator: Callable[..., OperatorProcess],
    own_server: Callable[..., Server],
) -> None:
    assert FINALIZE_TIMEOUT + FINALIZE_RETRY + 10 < BOUND, "with time for the last attempt"
    start_operator(hurried=True)
    server = own_server()
    api.apply(
        redis_config(namespace, server.port), queue(namespace, "jobs", deletionPolicy="Delete")
    )
    made = api.wait("Queue", namespace, "jobs")
    assert made["metadata"]["finalizers"] == ["stanine.dev/operator"]
    stop_server(server)
    began = time.monotonic()
    api.delete("Queue", namespace, "jobs")
    api.wait_gone("Queue", namespace, "jobs", within=BOUND)
    assert FINALIZE_TIMEOUT / FACTOR <= time.monotonic() - began < BOUND
    warnings = [
        message
        for kind, reason, message in api.events(namespace, "jobs")
        if (kind, reason) == ("Warning", "ConnectionRefused")
    ]
    assert any("its data in Redis was kept" in message for message in warnings)


def test_deleting_everything_at_once_leaves_nothing_behind(
    api: Api, namespace: str, operator: OperatorProcess, own_server: Callable[..., Server]
) -> None:
    """RedisConfig and Secret disappear first; the open connection serves the others."""
    server = own_server("--requirepass", "first")
    api.apply(
        secret(namespace, "redis", password="first"),
        redis_config(namespace, server.port, connection={"passwordSecretRef": REFERENCE}),
        queue(namespace, "jobs", deletionPolicy="Delete"),
    )
    api.wait("Queue", namespace, "jobs")
    client = redis.Redis(port=server.port, password="first")
    assert list(client.scan_iter("*q:jobs*"))
    api.delete("Secret", namespace, "redis")
    api.delete("RedisConfig", namespace, "default")
    api.wait_gone("RedisConfig", namespace, "default")
    api.delete("Queue", namespace, "jobs")
    api.wait_gone("Queue", namespace, "jobs", within=20)
    assert not list(client.scan_iter("*q:jobs:ready*"))


def test_a_queue_without_redis_config_is_deleted_soon(
    api: Api, namespace: str, start_operator: Callable[..., OperatorProcess]
) -> None:
    assert FINALIZE_TIMEOUT_UNREACHABLE + FINALIZE_RETRY < 30
    start_operator(hurried=True)
    api.apply(queue(namespace, "jobs", deletionPolicy="Delete"))
    api.wait("Queue", namespace, "jobs", status="False", reason="RedisConfigNotFound")
    began = time.monotonic()
    api.delete("Queue", namespace, "jobs")
    api.wait_gone("Queue", namespace, "jobs", within=30)
    assert time.monotonic() - began < 30
    assert ("Warning", "RedisConfigNotFound") in [
        event[:2] for event in api.events(namespace, "jobs")
    ]


def test_the_finalizer_follows_the_deletion_policy(
    api: Api, namespace: str, operator: OperatorProcess, port: int
) -> None:
    api.apply(redis_config(namespace, port), queue(namespace, "jobs"))
    assert "finalizers" not in api.wait("Queue", namespace, "jobs")["metadata"]
    api.apply(queue(namespace, "jobs", deletionPolicy="Delete"))
    assert api.wait("Queue", namespace, "jobs")["metadata"]["finalizers"] == [
        "stanine.dev/operator"
    ]
    api.patch(
        "Queue",
        namespace,
        "jobs",
        {"metadata": {"finalizers": ["stanine.dev/operator", "example.com/other"]}},
    )
    api.apply(queue(namespace, "jobs", deletionPolicy="Retain"))
    assert api.wait("Queue", namespace, "jobs")["metadata"]["finalizers"] == ["example.com/other"]


def test_a_paused_resource_is_not_reconciled_and_keeps_ready(
    api: Api, namespace: str, operator: OperatorProcess, port: int, redis_url: str
) -> None:
    api.apply(redis_config(namespace, port), queue(namespace, "jobs", maxRetries=1))
    ready = next(
        each
        for each in api.wait("Queue", namespace, "jobs")["status"]["conditions"]
        if each["type"] == "Ready"
    )
    api.patch(
        "Queue", namespace, "jobs", {"metadata": {"annotations": {"stanine.dev/paused": "true"}}}
    )
    api.wait("Queue", namespace, "jobs", "Paused", reason="ReconciliationPaused")
    client = redis.Redis.from_url(redis_url)
    settings = queue_keys(Keys("stanine").partition, "jobs").settings
    before = client.hgetall(settings)
    api.apply(queue(namespace, "jobs", maxRetries=2))
    time.sleep(2)
    assert client.hgetall(settings) == before
    found = api.get("Queue", namespace, "jobs")
    assert next(each for each in found["status"]["conditions"] if each["type"] == "Ready") == ready
    api.patch(
        "Queue", namespace, "jobs", {"metadata": {"annotations": {"stanine.dev/paused": None}}}
    )
    api.wait("Queue", namespace, "jobs")
    assert client.hgetall(settings) != before
    api.wait("Queue", namespace, "jobs", "Paused", status="False")


def test_a_paused_resource_can_be_deleted_and_its_data_is_kept(
    api: Api, namespace: str, operator: OperatorProcess, port: int
) -> None:
    api.apply(redis_config(namespace, port), queue(namespace, "jobs", deletionPolicy="Delete"))
    api.wait("Queue", namespace, "jobs")
    api.patch(
        "Queue", namespace, "jobs", {"metadata": {"annotations": {"stanine.dev/paused": "true"}}}
    )
    api.wait("Queue", namespace, "jobs", "Paused", reason="ReconciliationPaused")
    api.delete("Queue", namespace, "jobs")
    api.wait_gone("Queue", namespace, "jobs", within=20)
    assert list(redis.Redis(port=port).scan_iter("*jobs*"))
    assert ("Warning", "PausedKept") in [event[:2] for event in api.events(namespace, "jobs")]
