"""The ways in which a server comes back with older data. Each takes a copy or a replica first, and puts it in place later."""

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from tests.conftest import Server, start_server, stop_server
from tests.integration.whole.services import Services

#: Bytes that a power loss takes from the end of the append-only file.
LOST_TAIL = 64 * 1024


class OlderData:
    """What happens to the server. `prepare` is called while clients are at work, `strike` some time later."""

    options: tuple[str, ...] = ("--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")

    #: Whether documents survive that were published before `prepare`.
    keeps_documents = True

    def __init__(self, services: Services) -> None:
        self.services = services
        self.directory = services.directory / "valkey"

    def prepare(self) -> None:
        """Take what comes back later."""

    def strike(self) -> None:
        """Put it in place."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop what was started besides."""


class RestoredCopy(OlderData):
    """A copy of the data directory is put back."""

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
    """A replica that lags behind becomes the primary; to the clients it has the same address."""

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
        client.replicaof("NO", "ONE")  # its link is cut: what comes from now on it never gets
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
    """FLUSHALL: the server goes on without any data."""

    keeps_documents = False

    def strike(self) -> None:
        with redis.Redis.from_url(self.services.redis_url) as client:
            client.flushall()


class NotPersistent(OlderData):
    """A server that keeps nothing is started again."""

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
