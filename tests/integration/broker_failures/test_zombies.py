"""A process that is stopped past its lease and continued: its late settlements have no effect."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from tests.integration.broker_failures import workload
from tests.integration.broker_failures.ledger import BEGUN, DONE, Ledger
from tests.integration.broker_failures.test_networks import wait_until

from stanine.broker import StreamsBroker

_SCRIPT = """
import os, signal, sys, time
from pathlib import Path
import dramatiq
from stanine.broker import StreamsBroker
from tests.integration.broker_failures.ledger import BEGUN, DONE, Ledger

url, directory, outcome = sys.argv[1:]
ledger = Ledger(Path(directory))
broker = StreamsBroker(url, namespace="test")

def stop(keys):
    ledger.note(BEGUN, keys)
    if ledger.is_first_time("stop"):
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.2)  # this thread may go on for a moment before all are stopped
        if outcome == "dies":
            raise KeyError
        if outcome == "fails":
            raise ValueError
    ledger.note(DONE, keys)

@dramatiq.actor(broker=broker, queue_name="plain", throws=KeyError, min_backoff=10, max_backoff=20)
def take(key):
    stop([key])

@dramatiq.actor(broker=broker, queue_name="batches", batch="ids")
def batch(ids):
    stop([ids.decode()])

worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=100)
worker.start()
time.sleep(60)
"""


@pytest.fixture
def start_zombie(
    redis_url: str, tmp_path: Path
) -> Iterator[Callable[[str], "subprocess.Popen[bytes]"]]:
    """Start a process that stops itself during its first message.

    `how` selects how that message ends.
    """
    started: list[subprocess.Popen[bytes]] = []

    def start(outcome: str) -> "subprocess.Popen[bytes]":
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _SCRIPT, redis_url, str(tmp_path), outcome],
                cwd=Path(__file__).parents[3],
                stdout=log,
                stderr=log,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        os.kill(process.pid, signal.SIGCONT)
        process.kill()
        process.wait(10)


@pytest.mark.parametrize("outcome", ["succeeds", "fails", "dies"])
@pytest.mark.parametrize("queue", ["plain", "batches"])
def test_a_late_settlement_of_a_zombie_has_no_effect(
    make_broker: Callable[..., StreamsBroker],
    ledger: Ledger,
    start_zombie: Any,
    outcome: str,
    queue: str,
) -> None:
    broker = make_broker()
    workload.configure(broker)
    message: Any = (
        dramatiq.Message("plain", "take", ("a",), {}, {})
        if queue == "plain"
        else dramatiq.Message("batches", "batch", (), {"ids": b"a"}, {})
    )
    broker.enqueue(message)
    zombie = start_zombie(outcome)
    assert wait_until(lambda: _is_stopped(zombie.pid), 10)
    healthy = start_zombie("succeeds")
    broker.join(queue, timeout=10_000)
    assert [line[:2] for line in ledger.lines()] == [(BEGUN, "a"), (BEGUN, "a"), (DONE, "a")]
    os.kill(zombie.pid, signal.SIGCONT)
    assert wait_until(lambda: broker.stats(queue).consumers == 2), "it registers again"
    time.sleep(0.3)
    stats = broker.stats(queue)
    assert (stats.ready, stats.delayed, stats.in_flight, stats.dead) == (0, 0, 0, 0)
    healthy.kill()
    broker.enqueue(message)
    assert wait_until(lambda: [line[1:] for line in ledger.lines()][-1] == ("a", zombie.pid)), (
        "and works on"
    )


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
