"""The permissions of the operator's Redis user suffice for Queue and Instrument."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.conftest import Server
from tests.integration.acl.rules import USERS, acl_file
from tests.integration.api.serving import document
from tests.integration.operator.contexts import Environment, ready

from stanine.broker.keys import queue_keys
from stanine_operator.redis_servers.connections import Connections

PARTITION = "stanine:{p0}"


@pytest.fixture
def admin(own_server: Callable[..., Server], tmp_path: Path) -> Iterator[Any]:
    """A server with one user per process, as an administrator."""
    path = tmp_path / "users.acl"
    path.write_text(
        acl_file("stanine", dict.fromkeys(USERS, "secret"), with_operator=True)
        + "user admin on >secret ~* &* +@all\n"
    )
    server = own_server("--aclfile", str(path), port=None)
    client = redis.Redis(port=server.port, username="admin", password="secret")
    yield client
    client.close()


@pytest.fixture
def environment(admin: Any) -> Iterator[Environment]:
    """Resources whose connection is that user's."""
    secrets: dict[str, bytes] = {"user": b"operator", "password": b"secret"}
    made = Environment(
        admin.connection_pool.connection_kwargs["port"],
        connections=Connections(lambda _namespace, _name: secrets),
    )
    refs = {
        "usernameSecretRef": {"name": "s", "key": "user"},
        "passwordSecretRef": {"name": "s", "key": "password"},
    }
    made.redis(connection={"host": "127.0.0.1", "port": made.port, **refs})
    yield made
    made.connections.close()


def denied(admin: Any) -> list[Any]:
    found: list[Any] = [
        each[b"object"] if b"object" in each else each["object"] for each in admin.acl_log()
    ]
    return found


def test_the_operators_user_has_the_permissions_for_queues_and_instruments(
    environment: Environment, admin: Any
) -> None:
    assert ready(
        environment.reconcile(environment.put("Queue", "results", queueName="results"))
    ) == (
        True,
        "Running",
    )
    keys = queue_keys(PARTITION, "results")
    admin.xadd(keys.ready, {"h": "x"})
    admin.zadd(keys.delayed, {"x": 1e15})
    for number in range(2):
        admin.xadd(keys.dead, {"h": "x", "reason": f"R{number}", "actor": "a"})
    spec: dict[str, Any] = {
        "queueName": "results",
        "maxRetries": 2,
        "desiredState": "Paused",
        "rateLimit": {"messages": 5},
    }
    for part in ("Ready", "Delayed", "Dead"):
        request = {"part": part, "token": part} | ({"reason": "R0"} if part == "Dead" else {})
        reported = environment.reconcile(
            environment.put("Queue", "results", **spec, purge=request)
        ).fields["purge"]
        assert reported == {"token": part, "outcome": "Executed", "count": 1}
    resource = environment.put("Queue", "results", **spec, requeueDead={"token": "again"})
    assert environment.reconcile(resource).fields["requeueDead"] == {
        "token": "again",
        "outcome": "Executed",
        "count": 1,
    }
    environment.lose_status(resource)
    assert environment.reconcile(resource).fields["requeueDead"] == {
        "token": "again",
        "outcome": "Executed",
        "count": 1,
    }
    assert [event.reason for event in environment.delete(resource).events] == ["QueueNotEmpty"]
    empty = environment.put("Queue", "other", queueName="other")
    environment.reconcile(empty)
    assert [event.reason for event in environment.delete(empty).events] == ["QueueDeleted"]

    instrument = environment.put("Instrument", "a-mood", **document()["spec"])
    for _ in range(2):
        assert ready(environment.reconcile(instrument)) == (False, "Indexing")
    admin.hset(f"{PARTITION}:index", "a-mood/1", b"\0\0\0\1\0\1entry")
    assert ready(environment.reconcile(instrument)) == (True, "Indexed")
    assert [event.reason for event in environment.delete(instrument).events] == [
        "InstrumentDeleted"
    ]
    answered = environment.put("Instrument", "a-mood", **document()["spec"])
    environment.reconcile(answered)
    admin.hset(f"{PARTITION}:answered", 2, 1)
    assert [event.reason for event in environment.delete(answered).events] == ["HasAttempts"]
    assert denied(admin) == []
