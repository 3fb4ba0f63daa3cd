"""Durability `Replica`: a failover loses nothing, and nothing is acknowledged without a replica."""

import signal
from collections.abc import Callable
from typing import Any

import pytest
import redis
from tests.conftest import Server, stop_server
from tests.integration.broker_failures.test_networks import wait_until
from tests.integration.store.attempting import submission
from tests.integration.stores import AsyncStore, Store, make_store

from stanine.store import durability
from stanine.store.durability import Durability
from stanine.store.errors import NotDurableError


@pytest.fixture
def pair(own_server: Callable[..., Server]) -> tuple[Server, Server]:
    """Start a primary and its replica, both with appendfsync always."""
    options = ("--appendfsync", "always", "--repl-diskless-sync-delay", "0")
    first, second = own_server(*options), own_server(*options)
    replica = redis.Redis(port=second.port)
    replica.replicaof("127.0.0.1", first.port)
    info: Any = replica.info
    assert wait_until(lambda: info("replication")["master_link_status"] == "up", 20)
    replica.close()
    return first, second


def submit(store: Store, key: str) -> Any:
    async def send(s: AsyncStore) -> Any:
        s.writer.durability = Durability.REPLICA
        return await s.attempts.submit([submission(key)])

    return store.run(send)


def test_acknowledged_writes_survive_a_killed_primary(
    pair: tuple[Server, Server],
) -> None:
    first, second = pair
    store = make_store(first.url)
    for number in range(50):
        submit(store, f"k{number}")
    store.client.close()
    stop_server(first, signal.SIGKILL)
    replica = redis.Redis(port=second.port)
    assert replica.xlen(store.outbox.stream) == 50
    replica.close()


def test_nothing_is_acknowledged_without_a_replica(
    pair: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pair
    store = make_store(first.url)
    submit(store, "before")
    stop_server(second, signal.SIGKILL)
    monkeypatch.setattr(durability, "FSYNC_TIMEOUT", 200)
    with pytest.raises(NotDurableError, match="no replica confirmed"):
        submit(store, "after")
    # the write may be stored; a retry is safe
    with pytest.raises(NotDurableError, match="no replica confirmed"):
        submit(store, "after")
    store.client.close()
