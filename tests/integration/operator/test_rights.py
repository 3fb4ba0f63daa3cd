"""The operator's own Redis user may do all that Queue and Instrument ask for: every turn, every request, and their ends."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.conftest import Server
from tests.integration.acl.rules import USERS, acl_file
from tests.integration.api.serving import document
from tests.integration.operator.contexts import Land, ready

from stanine.broker.keys import queue_keys
from stanine_operator.redis_servers.connections import Connections

PARTITION = "stanine:{p0}"


@pytest.fixture
def admin(own_server: Callable[..., Server], tmp_path: Path) -> Iterator[Any]:
    """A server with one user a process, as somebody who may do anything."""
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
def land(admin: Any) -> Iterator[Land]:
    """Resources whose connection is that user's."""
    secrets: dict[str, bytes] = {"user": b"operator", "password": b"secret"}
    made = Land(
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
    land: Land, admin: Any
) -> None:
    assert ready(land.reconcile(land.put("Queue", "results", queueName="results"))) == (
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
        told = land.reconcile(land.put("Queue", "results", **spec, purge=request)).fields["purge"]
        assert told == {"token": part, "outcome": "Executed", "count": 1}
    resource = land.put("Queue", "results", **spec, requeueDead={"token": "again"})
    assert land.reconcile(resource).fields["requeueDead"] == {
        "token": "again",
        "outcome": "Executed",
        "count": 1,
    }
    land.lose_status(resource)
    assert land.reconcile(resource).fields["requeueDead"] == {
        "token": "again",
        "outcome": "Executed",
        "count": 1,
    }
    assert [event.reason for event in land.delete(resource).events] == ["QueueNotEmpty"]
    empty = land.put("Queue", "other", queueName="other")
    land.reconcile(empty)
    assert [event.reason for event in land.delete(empty).events] == ["QueueDeleted"]

    instrument = land.put("Instrument", "a-mood", **document()["spec"])
    for _ in range(2):
        assert ready(land.reconcile(instrument)) == (False, "Indexing")
    admin.hset(f"{PARTITION}:index", "a-mood/1", b"\0\0\0\1\0\1entry")
    assert ready(land.reconcile(instrument)) == (True, "Indexed")
    assert [event.reason for event in land.delete(instrument).events] == ["InstrumentDeleted"]
    answered = land.put("Instrument", "a-mood", **document()["spec"])
    land.reconcile(answered)
    admin.hset(f"{PARTITION}:answered", 2, 1)
    assert [event.reason for event in land.delete(answered).events] == ["HasAttempts"]
    assert denied(admin) == []
