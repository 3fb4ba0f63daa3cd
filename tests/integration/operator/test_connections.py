"""Connections are shared, verified before use, and retried at a limited rate."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
import redis
from tests.conftest import Server, free_port, stop_server

from stanine_operator.controller.problems import SECRET_NOT_FOUND, OperatorProblem
from stanine_operator.controller.resource import Key, Resource
from stanine_operator.redis_servers.connections import (
    PROBLEM_FRESH,
    SECRETS_FRESH,
    VERIFIED_FRESH,
    Connections,
)
from stanine_operator.redis_servers.places import address_of


class Secrets:
    """Secrets that count their reads."""

    def __init__(self, **values: bytes) -> None:
        self.values = values
        self.reads = 0

    def __call__(self, namespace: str, name: str) -> dict[str, bytes]:
        self.reads += 1
        if name not in self.values:
            raise OperatorProblem(SECRET_NOT_FOUND, f"There is no Secret {name}.")
        return {"password": self.values[name]}


class Clock:
    """A clock that is set manually."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Scene:
    """Connections and their surroundings."""

    def __init__(self, **secrets: bytes) -> None:
        self.secrets, self.clock = Secrets(**secrets), Clock()
        self.connections = Connections(self.secrets, clock=self.clock)
        self.changes: list[Key] = []
        self.connections.changed = self.changes.append

    def problem(self, config: Resource) -> str:
        with pytest.raises(OperatorProblem) as caught:
            self.connections.open(config)
        return caught.value.reason


@pytest.fixture
def scenes() -> Iterator[Callable[..., Scene]]:
    """Scenes whose connections are closed."""
    made: list[Scene] = []

    def make(**secrets: bytes) -> Scene:
        made.append(Scene(**secrets))
        return made[-1]

    yield make
    for scene in made:
        scene.connections.close()


def config(port: int, name: str = "default", **connection: Any) -> Resource:
    spec = {"connection": {"host": "127.0.0.1", "port": port} | connection}
    return Resource(
        kind="RedisConfig", namespace="n", name=name, uid=f"uid-{name}", spec=spec, version="1"
    )


def commands(port: int, name: str, password: str | None = None) -> int:
    """Return how often a server received a command."""
    with contextlib.closing(redis.Redis(port=port, password=password)) as client:
        found: Any = client.info("commandstats")
    return int(found.get(f"cmdstat_{name}", {"calls": 0})["calls"])


@pytest.fixture
def deaf() -> Iterator[tuple[int, list[int]]]:
    """A port that accepts and closes connections, with their number."""
    listening = socket.create_server(("127.0.0.1", 0))
    accepted: list[int] = []

    def accept() -> None:
        while True:
            try:
                listening.accept()[0].close()
            except OSError:
                return
            accepted.append(1)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listening.getsockname()[1], accepted
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(5)


def test_a_thousand_queues_of_one_server_cause_one_ping_and_one_read(
    own_server: Callable[..., Server], scenes: Callable[..., Scene]
) -> None:
    server = own_server("--requirepass", "secret")
    scene = scenes(redis=b"secret")
    mine = config(server.port, passwordSecretRef={"name": "redis", "key": "password"})
    with ThreadPoolExecutor(16) as pool:
        opened = set(pool.map(lambda _: id(scene.connections.open(mine)), range(1000)))
    assert len(opened) == 1
    assert scene.secrets.reads == 1
    assert commands(server.port, "ping", "secret") == 1
    scene.clock.now += VERIFIED_FRESH + 1
    scene.connections.open(mine)
    assert commands(server.port, "ping", "secret") == 2
    scene.clock.now += SECRETS_FRESH + 1
    scene.connections.open(mine)
    assert scene.secrets.reads == 2
    assert scene.changes == []


def test_a_thousand_queues_of_an_unreachable_server_cause_one_attempt(
    deaf: tuple[int, list[int]], scenes: Callable[..., Scene]
) -> None:
    port, accepted = deaf
    scene = scenes()
    mine = config(port)
    with ThreadPoolExecutor(16) as pool:
        reasons = set(pool.map(lambda _: scene.problem(mine), range(1000)))
    assert reasons == {"ConnectionLost"}
    one_attempt = len(accepted)
    assert one_attempt <= 4
    scene.clock.now += PROBLEM_FRESH + 1
    scene.problem(mine)
    assert one_attempt < len(accepted) <= 2 * one_attempt


def test_a_password_rotated_in_server_and_secret_is_read_again_at_once(
    own_server: Callable[..., Server], scenes: Callable[..., Scene]
) -> None:
    server = own_server("--requirepass", "first")
    scene = scenes(redis=b"first")
    mine = config(server.port, passwordSecretRef={"name": "redis", "key": "password"})
    before = scene.connections.open(mine)
    with contextlib.closing(redis.Redis(port=server.port, password="first")) as client:
        client.config_set("requirepass", "second")
        client.client_kill_filter(skipme=True, _type="normal")
    scene.secrets.values["redis"] = b"second"
    with pytest.raises(redis.RedisError) as caught:
        before.client.get("a")
    assert "first" not in str(caught.value)
    scene.connections.report_failure(mine, OperatorProblem("AuthFailed", ""))
    after = scene.connections.open(mine)
    assert after is not before
    assert after.client.ping()
    assert scene.changes == [mine.key], "whoever stands on it is woken"


def test_a_wrong_password_is_read_again_until_it_is_right(
    own_server: Callable[..., Server], scenes: Callable[..., Scene]
) -> None:
    server = own_server("--requirepass", "right")
    scene = scenes(redis=b"wrong")
    mine = config(server.port, passwordSecretRef={"name": "redis", "key": "password"})
    assert scene.problem(mine) == "AuthFailed"
    scene.secrets.values["redis"] = b"right"
    assert scene.problem(mine) == "AuthFailed", "what was just found out is repeated"
    scene.clock.now += PROBLEM_FRESH + 1
    assert scene.connections.open(mine).client.ping()


def test_a_corrected_spec_is_tried_at_once(valkey: Server, scenes: Callable[..., Scene]) -> None:
    scene = scenes()
    assert scene.problem(config(free_port())) == "ConnectionRefused"
    assert scene.connections.open(config(valkey.port)).client.ping()


def test_a_stopped_server_is_detected_and_its_return_too(
    own_server: Callable[..., Server], scenes: Callable[..., Scene]
) -> None:
    server = own_server()
    scene = scenes()
    mine = config(server.port)
    scene.connections.open(mine)
    stop_server(server)
    scene.clock.now += VERIFIED_FRESH + 1
    assert scene.problem(mine) == "ConnectionRefused"
    own_server(directory=server.directory, port=server.port)
    scene.clock.now += PROBLEM_FRESH + 1
    assert scene.connections.open(mine).client.ping()
    assert scene.changes == [mine.key, mine.key]


def test_a_resource_deleted_with_its_secret_is_finalized_with_the_open_connection(
    own_server: Callable[..., Server], scenes: Callable[..., Scene]
) -> None:
    server = own_server("--requirepass", "secret")
    scene = scenes(redis=b"secret")
    mine = config(server.port, passwordSecretRef={"name": "redis", "key": "password"})
    opened = scene.connections.open(mine)
    scene.secrets.values.clear()
    scene.clock.now += SECRETS_FRESH + 1
    assert scene.connections.open(msgspec.structs.replace(mine, deleting=True)) is opened
    assert scene.problem(mine) == SECRET_NOT_FOUND


def test_two_databases_of_one_server_are_two_connections_to_one_address(
    valkey: Server, scenes: Callable[..., Scene]
) -> None:
    scene = scenes()
    first, second = config(valkey.port, "a"), config(valkey.port, "b", db=1)
    assert address_of(first) == address_of(second) == ("server", "127.0.0.1", valkey.port)
    scene.connections.open(first).client.set("only-in-first", 1)
    assert not scene.connections.open(second).client.exists("only-in-first")
    scene.connections.open(first).client.delete("only-in-first")


def test_representations_of_a_connection_contain_no_password(
    own_server: Callable[..., Server], scenes: Callable[..., Scene]
) -> None:
    server = own_server("--requirepass", "canary")
    scene = scenes(redis=b"canary")
    opened = scene.connections.open(
        config(server.port, passwordSecretRef={"name": "redis", "key": "password"})
    )
    assert "canary" not in repr(opened) + repr(opened.client) + repr(opened.broker) + repr(
        scene.connections
    )
