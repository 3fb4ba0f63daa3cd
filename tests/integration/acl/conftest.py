"""All processes with one Redis user each, on a server that reads the aclfile of the chart."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.integration.acl.rules import USERS, acl_file
from tests.integration.whole.services import Services

from stanine import store
from stanine.broker.bootstrap import QueueDeclaration, bootstrap
from stanine.broker.connection.clients import connect
from stanine.messages import BUILD_INDEX, SCORE_ATTEMPTS
from stanine.store import settings as configuration
from stanine.store.keys import Keys
from stanine.store.settings.changes import Configuration

PROCESSES = ("api", "index-watcher", "result-watcher")


@dataclass
class Guarded:
    """The services with their users; `admin` is a test user with all rights."""

    services: Services
    keys: Keys
    passwords: dict[str, str]
    with_operator: bool
    admin: Any
    admin_url: str

    def url(self, user: str) -> str:
        return self.services.redis_url_as(user, self.passwords[user])

    @contextmanager
    def configuring(self) -> Iterator[Configuration]:
        """Return the runtime settings as the operator changes them."""
        client = connect(self.url("operator"))
        yield Configuration(client, configuration.load_library(), self.keys)
        client.close()

    def denied(self) -> list[str]:
        """Return and clear the denied operations since the last call, as `USER: REASON OBJECT`."""
        entries = self.admin.execute_command("ACL", "LOG")
        self.admin.execute_command("ACL", "LOG", "RESET")
        return [
            f"{each['username']}: {each['reason']} {each['object']}" for each in map(_text, entries)
        ]

    def load_functions(self) -> None:
        """Load the functions, as the operator does before the services start."""
        queues = [QueueDeclaration(route.queue) for route in (BUILD_INDEX, SCORE_ATTEMPTS)]
        client = connect(self.url("operator"))
        bootstrap(
            client,
            namespace=self.keys.partition,
            queues=queues,
            libraries=[store.load_library(), configuration.load_library()],
        )
        client.close()


def _text(entry: Any) -> dict[str, str]:
    """Return one entry of ACL LOG, from RESP3 or RESP2."""
    pairs = entry.items() if isinstance(entry, dict) else zip(entry[::2], entry[1::2], strict=True)
    return {_word(name): _word(value) for name, value in pairs}


def _word(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def guarded(directory: Path, *, with_operator: bool, server_binary: str | None = None) -> Guarded:
    """Start the server; the test starts the services with their credentials.

    Another binary is a server before Redis 7.2.
    """
    passwords = {user: secrets.token_hex(8) for user in (*USERS, "admin")}
    namespace = "acl-test"
    path = directory / "users.acl"
    rules = acl_file(
        namespace, passwords, with_operator=with_operator, old_server=server_binary is not None
    )
    path.write_text(rules + f"user admin on >{passwords['admin']} ~* &* +@all\n")
    options = ("--appendfsync", "always", "--aclfile", str(path))
    services = Services(
        directory, namespace=namespace, server_options=options, server_binary=server_binary
    )
    for process in PROCESSES:
        services.environments[process] = {
            "STANINE_REDIS_URL": services.redis_url_as(process, passwords[process])
        }
    services.start("valkey")
    url = services.redis_url_as("admin", passwords["admin"])
    return Guarded(
        services, Keys(namespace), passwords, with_operator, redis.Redis.from_url(url), url
    )


@pytest.fixture(
    scope="module", params=[True, False], ids=["with the operator", "without the operator"]
)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """Start all processes."""
    made = guarded(tmp_path_factory.mktemp("guarded"), with_operator=request.param)
    try:
        if made.with_operator:
            made.load_functions()
        made.admin.hset(made.keys.config, "sweepSeconds", 1)
        made.services.start(*PROCESSES)
        made.services.await_ready()
        yield made
    finally:
        made.admin.close()
        made.services.stop()
