"""Causes of a restart with older data.

Each takes a copy or a replica first and restores it later.
"""

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from tests.conftest import Server, start_server, stop_server
from tests.integration.whole.services import Services

#: Bytes lost from the end of the append-only file by a power failure.
LOST_TAIL = 64 * 1024


class OlderData:
    """A fault of the server.

    `prepare` is called while clients are active, `strike` some time later.
    """

    options: tuple[str, ...] = ("--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")

    #: Whether documents published before `prepare` survive.
    keeps_documents = True

    def __init__(self, services: Services) -> None:
        self.services = services
        self.directory = services.directory / "valkey"

    def prepare(self) -> None:
        """Take the data to restore later."""

    def strike(self) -> None:
        """Restore the older data."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop additional processes."""


class RestoredCopy(OlderData):
    """A copy of the data directory is restored."""

    def prepare(self) -> None:
        copy = self.services.directory / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.directory, copy)

    def strike(self) -> None:
        self.services.kill("valkey")
        shutil.rmtree(self.directory)
        shutil.copytree(self.services.directory / "copy", self.directory)
        self.services.start("valkey")


class PromotedReplica(OlderData):
    """A lagging replica becomes the primary at the same address."""

    _replica: Server | None = None

    def prepare(self) -> None:
        folder = self.services.directory / "replica"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self._replica = start_server(folder, *self.options, "--repl-diskless-sync-delay", "0")
        primary = redis.Redis.from_url(self.services.redis_url)
        client: Any = redis.Redis(port=self._replica.port)
        client.replicaof("127.0.0.1", primary.connection_pool.connection_kwargs["port"])
        deadline = time.monotonic() + 20
        while client.info("replication")["master_link_status"] != "up":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.2)
        client.replicaof("NO", "ONE")  # cut its link: it receives no further writes
        primary.close()
        client.close()

    def strike(self) -> None:
        assert self._replica is not None
        self.services.kill("valkey")
        stop_server(self._replica)
        shutil.rmtree(self.directory)
        shutil.copytree(self._replica.directory, self.directory)
        self.services.start("valkey")

    def close(self) -> None:
        if self._replica is not None:
            stop_server(self._replica, signal.SIGKILL)


class Flushed(OlderData):
    """FLUSHALL: the server continues without data."""

    keeps_documents = False

    def strike(self) -> None:
        with redis.Redis.from_url(self.services.redis_url) as client:
            client.flushall()


class NotPersistent(OlderData):
    """A server without persistence restarts."""

    keeps_documents = False
    options = ("--appendonly", "no")

    def strike(self) -> None:
        self.services.kill("valkey")
        self.services.start("valkey")


class CutFile(OlderData):
    """The end of the append-only file is lost."""

    def strike(self) -> None:
        self.services.kill("valkey")
        (path,) = Path(self.directory, "appendonlydir").glob("*.incr.aof")
        with path.open("r+b") as file:
            file.truncate(max(0, path.stat().st_size - LOST_TAIL))
        self.services.start("valkey")


FAULTS: dict[str, Callable[[Services], OlderData]] = {
    "restored copy": RestoredCopy,
    "promoted replica": PromotedReplica,
    "FLUSHALL": Flushed,
    "no persistence": NotPersistent,
    "append-only file cut": CutFile,
}
