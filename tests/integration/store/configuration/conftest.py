"""Runtime settings on the supported servers, with an older service."""

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.conftest import Server, need

from stanine.broker.connection.clients import connect
from stanine.broker.connection.ownership import Owner
from stanine.store.keys import Keys
from stanine.store.settings import load_library
from stanine.store.settings.changes import Configuration

MANAGER = Owner("RedisConfig default/main", "uid-1", "2026-11-23T08:00:00Z", "operator-1")
YOUNGER = Owner("RedisConfig default/other", "uid-2", "2026-11-23T09:00:00Z", "operator-1")


class Place:
    """The settings, their keys, and the server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client: Any = connect(url)
        self.keys = Keys("test")
        self.configuration = self.over(self.client)

    def over(self, client: Any) -> Configuration:
        """Return the same settings over another connection."""
        return Configuration(client, load_library(), self.keys)

    def hash(self) -> dict[str, str]:
        return {
            name.decode(): value.decode()
            for name, value in self.client.hgetall(self.keys.config).items()
        }

    def string(self) -> Any:
        """Return what a service of the string layout reads, or None."""
        text = self.client.get(self.keys.config_string)
        return None if text is None else json.loads(text)

    def everything(self) -> dict[str, Any]:
        """Return all keys with their contents, without owner and revision times."""
        kinds: dict[bytes, Callable[[bytes], Any]] = {
            b"hash": self.client.hgetall,
            b"string": self.client.get,
        }
        found = {
            key: kinds[self.client.type(key)](key) for key in sorted(self.client.keys("test:*"))
        }
        meta = found.get(self.keys.config_meta.encode(), {})
        for name in (b"managedBy", b"managedUntil"):
            meta.pop(name, None)
        history = found.get(self.keys.config_history.encode(), {})
        history.update({number: record.split(b"\n", 1)[1] for number, record in history.items()})
        return found


@pytest.fixture(params=["valkey", "redis-7"])
def place(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Place]:
    """Empty settings on the session's server and on the oldest supported one."""
    if request.param == "redis-7":
        redis_url = request.getfixturevalue("oldest_server").url
    made = Place(redis_url)
    made.client.flushall()
    yield made
    made.client.close()


@pytest.fixture
def oldest_server(own_server: Callable[..., Server]) -> Server:
    binary = shutil.which("redis-server")
    need("redis-server", found=binary is not None)
    return own_server(binary=binary)
