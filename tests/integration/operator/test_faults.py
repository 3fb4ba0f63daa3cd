"""Problems with Redis and Secrets are reported, recover without help, and leak no password."""

import signal
import time
from collections.abc import Callable
from typing import Any

import redis
from tests.conftest import Server, free_port, stop_server
from tests.integration.operator.harness import Api, OperatorProcess, queue, redis_config, secret

from stanine_operator.redis_servers.monitor import PROBE_INTERVAL

#: Seconds within which everything converges after a fault ended.
BOUND = 60
#: Longest retry delay in seconds.
NOT_WELL = 15
REFERENCE = {"name": "redis", "key": "password"}


def test_an_unreachable_redis_is_reported_and_its_start_detected(
    api: Api, namespace: str, operator: OperatorProcess, own_server: Callable[..., Server]
) -> None:
    port = free_port()
    api.apply(redis_config(namespace, port), queue(namespace, "jobs"))
    for kind, name in (("RedisConfig", "default"), ("Queue", "jobs")):
        found = api.wait(kind, namespace, name, status="False", reason="ConnectionRefused")
        assert found["status"]["observedGeneration"] == 1
    api.wait(
        "RedisConfig", namespace, "default", "Reachable", status="False", reason="ConnectionRefused"
    )
    conditions = api.get("RedisConfig", namespace, "default")["status"]["conditions"]
    assert {each["type"]: each["status"] for each in conditions if each["status"] == "Unknown"}, (
        "what was not looked at is Unknown"
    )
    assert operator.probe("/healthz")[0] == operator.probe("/readyz")[0] == 200, (
        "neither probe depends on Redis"
    )
    own_server(port=port)
    began = time.monotonic()
    api.wait("RedisConfig", namespace, "default")
    api.wait("Queue", namespace, "jobs")
    assert time.monotonic() - began < NOT_WELL + 5
    posted = [reason for _, reason, _ in api.events(namespace, "jobs")]
    assert posted.count("ConnectionRefused") == 1, (
        "one event for a transition, however often it was looked at"
    )
    assert len(posted) == len(set(posted))


def test_a_server_that_restarts_empty_is_restored_at_once(
    api: Api, namespace: str, operator: OperatorProcess, own_server: Callable[..., Server]
) -> None:
    server = own_server()
    api.apply(redis_config(namespace, server.port), queue(namespace, "jobs"))
    api.wait("RedisConfig", namespace, "default")
    api.wait("Queue", namespace, "jobs")
    time.sleep(2 * PROBE_INTERVAL)  # it was observed unchanged
    stop_server(server, signal.SIGKILL)
    client: Any = redis.Redis(port=own_server(port=server.port).port)

    def is_back() -> bool:
        return len(client.function_list()) >= 3 and client.exists("stanine:{p0}:q:jobs:ready") == 1

    began = time.monotonic()
    while not is_back():
        assert time.monotonic() - began < 2 * PROBE_INTERVAL + 3, (
            "a turn a minute would be too late: nobody can write to it meanwhile"
        )
        time.sleep(0.1)
    client.close()


def test_a_server_that_drops_packets_delays_no_other_resource(
    api: Api, namespace: str, start_operator: Callable[..., OperatorProcess], port: int
) -> None:
    """A connection to 192.0.2.1 (reserved for documentation) is never answered."""
    quick = {"connectTimeoutMilliseconds": 1000}
    api.apply(redis_config(namespace, 6379, name="void", connection={"host": "192.0.2.1", **quick}))
    api.create_many(
        [
            queue(namespace, f"void-{number}", redisConfigRef={"name": "void"})
            for number in range(40)
        ]
    )
    operator = start_operator("--namespace", namespace, "--workers", "2")
    api.wait("RedisConfig", namespace, "void", status="False")
    api.apply(redis_config(namespace, port), queue(namespace, "jobs"))
    began = time.monotonic()
    api.wait("Queue", namespace, "jobs")
    assert time.monotonic() - began < 15
    assert operator.probe("/healthz")[0] == 200


def test_a_rotated_password_takes_effect_with_the_secret(
    api: Api, namespace: str, operator: OperatorProcess, own_server: Callable[..., Server]
) -> None:
    server = own_server("--requirepass", "first")
    api.apply(
        secret(namespace, "redis", password="first"),
        redis_config(namespace, server.port, connection={"passwordSecretRef": REFERENCE}),
        queue(namespace, "jobs"),
    )
    api.wait("RedisConfig", namespace, "default")
    api.wait("Queue", namespace, "jobs")
    client = redis.Redis(port=server.port, password="first")
    client.config_set("requirepass", "second")
    client.client_kill_filter(skipme=True, _type="normal")
    api.apply(queue(namespace, "jobs", maxRetries=7))  # work with the old password
    api.wait("Queue", namespace, "jobs", status="False", reason="AuthFailed")
    api.wait("RedisConfig", namespace, "default", "Reachable", status="False", reason="AuthFailed")
    api.apply(secret(namespace, "redis", password="second"))
    began = time.monotonic()
    api.wait("RedisConfig", namespace, "default")
    api.wait("Queue", namespace, "jobs")
    assert time.monotonic() - began < NOT_WELL + 5


def test_a_password_rotated_in_server_and_secret_causes_no_failure(
    api: Api, namespace: str, operator: OperatorProcess, own_server: Callable[..., Server]
) -> None:
    server = own_server("--requirepass", "first")
    connection = {"passwordSecretRef": REFERENCE}
    api.apply(
        secret(namespace, "redis", password="first"),
        redis_config(namespace, server.port, connection=connection),
    )
    api.apply(queue(namespace, "jobs"))
    api.wait("Queue", namespace, "jobs")
    client = redis.Redis(port=server.port, password="first")
    client.config_set("requirepass", "second")
    api.apply(secret(namespace, "redis", password="second"))
    client.client_kill_filter(skipme=True, _type="normal")
    for number in (8, 9):
        api.apply(queue(namespace, "jobs", maxRetries=number))
        api.wait("Queue", namespace, "jobs", within=10)
    assert "AuthFailed" not in [reason for _, reason, _ in api.events(namespace, "jobs")]


def test_a_missing_reference_is_reported_and_its_creation_detected(
    api: Api, namespace: str, operator: OperatorProcess, own_server: Callable[..., Server]
) -> None:
    server = own_server("--requirepass", "canary-password")
    api.apply(queue(namespace, "jobs"))
    api.wait("Queue", namespace, "jobs", status="False", reason="RedisConfigNotFound")
    api.apply(redis_config(namespace, server.port, connection={"passwordSecretRef": REFERENCE}))
    api.wait(
        "RedisConfig", namespace, "default", "Reachable", status="False", reason="SecretNotFound"
    )
    api.wait("Queue", namespace, "jobs", status="False", reason="SecretNotFound")
    api.apply(secret(namespace, "redis", other="x"))
    api.wait(
        "RedisConfig",
        namespace,
        "default",
        status="False",
        reason="SecretKeyMissing",
        within=NOT_WELL + 5,
    )
    api.apply(secret(namespace, "redis", password="canary-password\n"))
    api.wait(
        "RedisConfig",
        namespace,
        "default",
        status="False",
        reason="SecretUnreadable",
        within=NOT_WELL + 5,
    )
    api.apply(secret(namespace, "redis", password="canary-password"))
    api.wait("RedisConfig", namespace, "default", within=NOT_WELL + 5)
    api.wait("Queue", namespace, "jobs", within=NOT_WELL + 5)


def test_a_password_appears_only_in_its_secret(
    api: Api,
    namespace: str,
    start_operator: Callable[..., OperatorProcess],
    own_server: Callable[..., Server],
) -> None:
    canary = "canary-3f9a17c2"
    server = own_server("--requirepass", canary)
    password = {"passwordSecretRef": REFERENCE}
    operator = start_operator("--namespace", namespace, STANINE_LOG_LEVEL="DEBUG")
    api.apply(
        secret(namespace, "redis", password=canary, wrong=f"{canary}-wrong", user=canary),
        redis_config(namespace, server.port, connection={"passwordSecretRef": REFERENCE}),
        queue(namespace, "jobs"),
        redis_config(namespace, server.port, "wrong", keyNamespace="a", connection={"passwordSecretRef": REFERENCE | {"key": "wrong"}}),
        redis_config(namespace, server.port, "user", keyNamespace="b", connection={"usernameSecretRef": REFERENCE} | password),
        redis_config(namespace, server.port, "tls", keyNamespace="c", connection={"passwordSecretRef": REFERENCE, "tls": {}}),
        redis_config(namespace, server.port, "ca", keyNamespace="d", connection={"tls": {"caSecretRef": REFERENCE}}),
    )  # fmt: skip
    api.wait("Queue", namespace, "jobs")
    api.wait("RedisConfig", namespace, "wrong", status="False", reason="AuthFailed")
    api.wait("RedisConfig", namespace, "user", status="False", reason="AuthFailed")
    api.wait("RedisConfig", namespace, "tls", status="False", reason="TLSHandshakeFailed")
    api.wait("RedisConfig", namespace, "ca", status="False", reason="SecretUnreadable")
    operator.stop()
    everything = [operator.log.read_text()]
    everything += [
        str(api.list_all(kind, namespace))
        for kind in ("RedisConfig", "Queue", "Instrument", "Event", "ConfigMap")
    ]
    stored = redis.Redis(port=server.port, password=canary)
    everything += [
        str(stored.hgetall(key)) for key in stored.scan_iter() if stored.type(key) == b"hash"
    ]
    assert len(everything[0]) > 1000
    assert not [text for text in everything if canary in text]


def test_consecutive_problems_are_reported_and_every_generation_is_evaluated(
    api: Api, namespace: str, operator: OperatorProcess, port: int
) -> None:
    api.apply(redis_config(namespace, port))
    api.wait("RedisConfig", namespace, "default")
    api.apply(redis_config(namespace, free_port()))
    api.wait("RedisConfig", namespace, "default", status="False", reason="ConnectionRefused")
    api.apply(redis_config(namespace, port, connection={"host": "no-such-host.invalid"}))
    api.wait("RedisConfig", namespace, "default", status="False", reason="NameNotFound")
    api.apply(redis_config(namespace, port))
    api.wait("RedisConfig", namespace, "default", within=10)
