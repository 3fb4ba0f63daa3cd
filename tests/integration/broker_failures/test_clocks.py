"""Workers and producers with wrong or changing clocks.

Leases, delays and retries use the server's clock.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from tests.conftest import free_port, need, valkey_binary
from tests.integration.broker_failures import workload
from tests.integration.broker_failures.ledger import BEGUN, Ledger, account
from tests.integration.broker_failures.test_networks import wait_until

from stanine.broker import StreamsBroker
from stanine.broker.entry import GROUP

#: The path of Debian's libfaketime for multithreaded processes.
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


@pytest.fixture
def faketime() -> Path:
    need("faketime", found=bool(LIBRARIES))
    return LIBRARIES[0]


Start = Callable[[str, str], "subprocess.Popen[bytes]"]
#: Seconds for a process to start on a busy machine; it normally takes one.
BEGINS_WITHIN = 60


@pytest.fixture
def start_process(redis_url: str, tmp_path: Path, faketime: Path) -> Iterator[Start]:
    """Start workload processes with a changed wall clock.

    Monotonic clocks are unchanged, as in reality.
    """
    started: list[subprocess.Popen[bytes]] = []

    def start(role: str, offset: str) -> "subprocess.Popen[bytes]":
        clock = tmp_path / f"clock-{role}-{offset}"
        clock.write_text(offset)
        environment = {
            **os.environ, "LD_PRELOAD": str(faketime), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "0",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1",
        }  # fmt: skip
        command = [
            sys.executable,
            "-m",
            "tests.integration.broker_failures.doomed_worker",
            role,
            redis_url,
            "test",
            str(tmp_path),
            "",
        ]
        with (tmp_path / "log").open("ab") as log:
            started.append(
                subprocess.Popen(
                    command, cwd=Path(__file__).parents[3], env=environment, stdout=log, stderr=log
                )
            )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("offset", ["+1d", "-1d", "+61s", "-61s"])
def test_a_worker_with_a_wrong_clock_works_like_any_other(
    make_broker: Callable[..., StreamsBroker],
    ledger: Ledger,
    tmp_path: Path,
    start_process: Start,
    offset: str,
) -> None:
    broker = make_broker()
    actors = workload.declare(broker, ledger)
    workload.configure(broker)
    workload.produce(broker, actors)
    workload.leave_orphans(broker)
    wrong = start_process("worker", offset)
    assert wait_until(lambda: any(event == BEGUN for event, _, _ in ledger.lines()), BEGINS_WITHIN)
    right = workload.start_worker(broker)
    assert wrong.wait(BEGINS_WITHIN) == 0, (tmp_path / "log").read_text()[-2000:]
    workload.await_rest(broker, 10)
    right.stop(5000)
    workload.assert_at_rest(broker)
    found = account(ledger.lines(), workload.EXPECTED)
    assert not found.lost
    assert found.duplicates == 0, "neither took over what the other held"
    assert {process for _, _, process in ledger.lines()} == {os.getpid(), wrong.pid}, "both worked"


@pytest.mark.parametrize("offset", ["+1d", "-1d"])
def test_a_delay_is_independent_of_the_producers_clock(
    make_broker: Callable[..., StreamsBroker],
    ledger: Ledger,
    tmp_path: Path,
    start_process: Start,
    offset: str,
) -> None:
    broker = make_broker()
    workload.declare(broker, ledger)
    workload.configure(broker)
    producer = start_process("producer", offset)
    assert producer.wait(BEGINS_WITHIN) == 0, (tmp_path / "log").read_text()[-2000:]
    client: Any = broker.client
    ((_, first),) = client.xrange(broker.ready_key("plain"), count=1)
    stamped = dramatiq.Message.decode(first[b"h"]).message_timestamp
    assert abs(stamped / 1000 - time.time()) > 86_000, "its clock was a day off"
    worker = workload.start_worker(broker)
    workload.await_rest(broker, 30)  # delayed by 50 ms, not by a day
    worker.stop(5000)
    sent = {key for event, key, _ in ledger.lines() if event == "sent"}
    found = account(ledger.lines(), sent)
    assert len(sent) > 20
    assert not found.lost
    assert found.duplicates == 0


def test_a_jumping_clock_ends_no_lease(
    make_broker: Callable[..., StreamsBroker], ledger: Ledger, tmp_path: Path, start_process: Start
) -> None:
    broker = make_broker()
    actors: Any = workload.declare(broker, ledger)
    workload.configure(broker)
    broker.enqueue_many([actors["slow"].message(f"slow-{number}") for number in range(40)])
    process = start_process("worker", "+0")
    clock = tmp_path / "clock-worker-+0"
    assert wait_until(lambda: any(event == BEGUN for event, _, _ in ledger.lines()), BEGINS_WITHIN)
    other = workload.start_worker(broker)
    for offset in ("+1d", "-1d", "+0"):
        time.sleep(0.05)
        clock.write_text(offset)
    assert process.wait(BEGINS_WITHIN) == 0
    workload.await_rest(broker, 10)
    other.stop(5000)
    found = account(ledger.lines(), set(workload.SLOW))
    assert not found.lost
    assert found.duplicates == 0


@pytest.fixture
def moved_server(tmp_path: Path, faketime: Path) -> Iterator[tuple[str, Path]]:
    """A server whose clock is set by a file: its URL and the file."""
    clock, port = tmp_path / "server-clock", free_port()
    clock.write_text("+0")
    environment = {
        **os.environ, "LD_PRELOAD": str(faketime), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "0",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1",
    }  # fmt: skip
    command = [
        valkey_binary(),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(tmp_path),
        "--save",
        "",
    ]
    with (tmp_path / "server.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    yield f"redis://127.0.0.1:{port}/0", clock
    process.kill()
    process.wait()


@pytest.mark.parametrize("moved", [-3600, 3600])
def test_setting_the_servers_clock_stops_no_rate_limited_queue_and_extends_no_lease(
    make_broker: Callable[..., StreamsBroker], moved_server: tuple[str, Path], moved: int
) -> None:
    url, clock = moved_server
    broker = make_broker(url, lease_seconds=1)
    seen: list[int] = []

    @dramatiq.actor(broker=broker)
    def work(number: int) -> None:
        seen.append(number)

    client: Any = broker.client
    queue = broker._queue("default")
    assert wait_until(client.ping, BEGINS_WITHIN)
    client.hset(queue.keys.settings, mapping={"rate_messages": 20, "rate_burst": 2})
    worker = workload.start_worker(broker)
    broker.enqueue_many(work.message(number) for number in range(10))
    assert wait_until(lambda: len(seen) == 10, 20)
    queue.join(client, "ghost", broker.defaults)
    with client.pipeline(transaction=True) as pipe:  # so that the worker gets none of them
        for number in range(100, 103):
            pipe.xadd(queue.keys.ready, {"h": work.message(number).encode()})
        pipe.xreadgroup(GROUP, "ghost", {queue.keys.ready: ">"}, count=3)
        pipe.execute()
    before = client.time()[0]
    clock.write_text(f"{moved:+}")
    assert wait_until(lambda: abs(client.time()[0] - before - moved) < 60, 5)
    broker.enqueue_many(work.message(number) for number in range(10, 20))
    assert wait_until(lambda: len(seen) == 23, 30)
    assert not broker._leases[0].lost
    worker.stop(5000)
    assert sorted(seen) == [*range(20), *range(100, 103)]
