"""Brokers, workers and worker processes for the broker's tests; all are stopped after the test."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from tests.conftest import need

from stanine.broker import StreamsBroker
from stanine.broker.connection.clients import connect

MakeBroker = Callable[..., StreamsBroker]


@pytest.fixture
def make_broker(redis_url: str) -> Iterator[MakeBroker]:
    """Create brokers on the test's server, or on another URL."""
    made: list[StreamsBroker] = []

    def make(url: str = redis_url, **options: Any) -> StreamsBroker:
        broker = StreamsBroker(url, **{"namespace": "test:{t}", **options})
        made.append(broker)
        return broker

    yield make
    for broker in made:
        broker.close()


@pytest.fixture
def run_worker() -> Iterator[Callable[..., dramatiq.Worker]]:
    """Start Workers; those still running are stopped after the test."""
    started: list[dramatiq.Worker] = []

    def run(broker: StreamsBroker, *, threads: int = 2, timeout: int = 100) -> dramatiq.Worker:
        worker = dramatiq.Worker(broker, worker_threads=threads, worker_timeout=timeout)
        worker.start()
        started.append(worker)
        return worker

    yield run
    for worker in started:
        if any(thread.is_alive() for thread in worker.consumers.values()):
            worker.stop(5_000)


@pytest.fixture
def ledger(redis_url: str) -> Iterator[Any]:
    """A Redis client independent of the broker."""
    client = connect(redis_url)
    yield client
    client.close()


@pytest.fixture
def spawn_worker() -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start worker processes (worker_process.py); those still running are killed after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def spawn(url: str, mode: str = "plain", *, lease: float = 2) -> "subprocess.Popen[bytes]":
        script = Path(__file__).parent / "worker_process.py"
        process = subprocess.Popen(
            [sys.executable, str(script), url, str(lease), mode], stderr=None
        )
        started.append(process)
        client: Any = connect(url)
        eventually(lambda: str(process.pid).encode() in client.lrange("ready", 0, -1), 15)
        client.close()
        return process

    yield spawn
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait(10)


@pytest.fixture
def wait_until() -> Callable[..., float]:
    """Wait until a condition holds, or fail after a timeout; return the elapsed seconds."""
    return eventually


def eventually(condition: Callable[[], Any], timeout: float = 30.0) -> float:
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > timeout:
            raise AssertionError(f"not so within {timeout} s")
        time.sleep(0.005)
    return time.monotonic() - begun


@pytest.fixture
def oldest_redis() -> Path:
    """Debian's Redis 7.0, the oldest supported version.

    Skipped if missing, unless STANINE_REQUIRE names redis-server.
    """
    binary = Path("/usr/bin/redis-server")
    need("redis-server", found=binary.exists())
    return binary
