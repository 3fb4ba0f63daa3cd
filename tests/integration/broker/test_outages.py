"""The server is killed, flushed or filled, or loses its functions.

No accepted message is lost, and work resumes.
"""

import logging
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import BrokerConnectionError
from tests.conftest import Server, stop_server

from stanine.broker.library import library


def record_into(broker: Any, done: Counter[int]) -> Any:
    lock = threading.Lock()

    @dramatiq.actor(broker=broker, batch="ids")
    def take(ids: bytes) -> None:
        with lock:
            done.update(int(ids[at : at + 8]) for at in range(0, len(ids), 8))

    return take


def test_a_server_killed_under_load_loses_no_accepted_message(
    own_server: Any, make_broker: Any, run_worker: Any
) -> None:
    server: Server = own_server("--appendfsync", "always")
    broker, producer = make_broker(server.url), make_broker(server.url)
    done: Counter[int] = Counter()
    take = record_into(broker, done)
    accepted: list[int] = []
    stop = threading.Event()

    def produce() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                producer.enqueue(take.message(ids=b"%08d" % number))
            except BrokerConnectionError:
                continue  # its outcome is unknown
            accepted.append(number)

    thread = threading.Thread(target=produce)
    thread.start()
    run_worker(broker)
    for _ in range(2):
        time.sleep(0.4)
        stop_server(server, signal.SIGKILL)
        time.sleep(0.2)
        server = own_server("--appendfsync", "always", directory=server.directory, port=server.port)
    time.sleep(0.4)
    stop.set()
    thread.join()
    broker.join("default", timeout=15_000)
    assert len(accepted) > 100
    assert set(accepted) <= set(done)
    assert broker.stats("default").dead == 0


def test_work_resumes_promptly_after_a_short_outage(
    own_server: Any, make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    server: Server = own_server()
    broker = make_broker(server.url)
    done: Counter[int] = Counter()
    take = record_into(broker, done)
    run_worker(broker)
    take.send(ids=b"%08d" % 1)
    wait_until(lambda: done[1])
    stop_server(server, signal.SIGKILL)
    time.sleep(1)
    own_server(directory=server.directory, port=server.port)
    take.send(ids=b"%08d" % 2)
    assert wait_until(lambda: done[2]) < 2, "not after the Worker's own 3 s"


def test_settlement_waits_for_the_server_and_the_message_runs_once(
    own_server: Any, make_broker: Any, run_worker: Any
) -> None:
    server: Server = own_server()
    broker = make_broker(server.url)
    runs: list[int] = []
    gone = threading.Event()

    @dramatiq.actor(broker=broker)
    def note() -> None:
        runs.append(1)
        stop_server(server, signal.SIGKILL)
        gone.set()

    run_worker(broker)
    note.send()
    assert gone.wait(10)
    own_server(directory=server.directory, port=server.port)
    broker.join("default", timeout=5000)
    assert runs == [1]


def test_flushed_functions_are_loaded_again(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    done: Counter[int] = Counter()
    take = record_into(broker, done)
    run_worker(broker)
    for number in range(5):
        broker.client.function_flush()
        take.send(ids=b"%08d" % number)
        broker.join("default", timeout=5000)
    assert done == Counter(range(5))
    assert library().is_loaded(broker.client)


@pytest.mark.parametrize("how", ["flushall", "delete"])
def test_a_deleted_queue_is_created_again(
    make_broker: Any, run_worker: Any, wait_until: Any, how: str
) -> None:
    broker = make_broker()
    done: Counter[int] = Counter()
    take = record_into(broker, done)
    run_worker(broker)
    take.send(ids=b"%08d" % 1)
    broker.join("default", timeout=5000)
    if how == "flushall":
        broker.client.flushall()
    else:
        broker.client.delete(broker.ready_key("default"))
    time.sleep(0.2)
    take.send(ids=b"%08d" % 2)
    assert wait_until(lambda: done[2]) < 3
    broker.join("default", timeout=5000)


def test_a_full_server_rejects_new_messages_and_still_drains(
    own_server: Any, make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    server: Server = own_server()
    broker = make_broker(server.url)
    broker.client.hset(
        broker._queue("default").keys.settings,
        mapping={"backoff_min_ms": 20, "backoff_max_ms": 20, "max_deliveries": 3},
    )
    seen: Counter[bytes] = Counter()
    retried: list[str] = []

    @dramatiq.actor(broker=broker, batch="ids")
    def take(ids: bytes) -> None:
        seen.update(ids[at : at + 1] for at in range(len(ids)))
        if b"x" in ids:
            raise ValueError

    @dramatiq.actor(broker=broker, min_backoff=20, max_backoff=20)
    def plain(name: str) -> None:
        retried.append(name)
        if len(retried) < 3:
            raise ValueError

    broker.enqueue_many([take.message(ids=b"o") for _ in range(50)])
    take.send(ids=b"x")
    plain.send("a")
    broker.client.set("ballast", b"x" * 30_000_000)
    broker.client.config_set("maxmemory", 20_000_000)
    for refused in (
        lambda: take.send(ids=b"1"),
        lambda: broker.enqueue_many([take.message(ids=b"1")]),
        lambda: plain.send_with_options(args=("b",), delay=5),
    ):
        with pytest.raises(BrokerConnectionError, match="Full"):
            refused()
    run_worker(broker)
    broker.join("default", timeout=10_000)
    assert retried == ["a", "a", "a"]
    assert [letter.ids for letter in broker.dead_letters("default")] == [b"x"]
    broker.client.config_set("maxmemory", 0)
    take.send(ids=b"n")
    wait_until(lambda: seen[b"n"] == 1)


def test_an_outage_is_logged_when_it_begins_and_when_it_ends(
    own_server: Any,
    make_broker: Any,
    run_worker: Any,
    wait_until: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server: Server = own_server()
    broker = make_broker(server.url)
    done: Counter[int] = Counter()
    take = record_into(broker, done)
    run_worker(broker)
    wait_until(lambda: broker.stats("default").consumers == 1)
    with caplog.at_level(logging.WARNING, "stanine.broker"):
        stop_server(server, signal.SIGKILL)
        time.sleep(1.5)
        own_server(directory=server.directory, port=server.port)
        take.send(ids=b"%08d" % 1)
        wait_until(lambda: done[1])
    lines = [
        record.getMessage() for record in caplog.records if record.name == "stanine.broker.consumer"
    ]
    assert any("Reading queue default failed: Connection" in line for line in lines)
    assert lines[-1].startswith("Reading queue default works again")
    assert len(lines) <= 4, "once per change, not per try"


def test_the_main_operations_work_on_the_oldest_redis(
    own_server: Any, oldest_redis: Path, make_broker: Any, run_worker: Any, wait_until: Any
) -> None:
    server: Server = own_server(binary=str(oldest_redis))
    broker = make_broker(server.url)
    assert broker.client.info("server")["redis_version"].startswith("7.0.")
    broker.client.hset(
        broker._queue("default").keys.settings,
        mapping={"backoff_min_ms": 20, "backoff_max_ms": 20, "max_deliveries": 3},
    )
    seen: Counter[bytes] = Counter()

    @dramatiq.actor(broker=broker, batch="ids")
    def take(ids: bytes) -> None:
        if b"x" in ids:
            raise ValueError
        seen.update(ids[at : at + 1] for at in range(len(ids)))

    @dramatiq.actor(broker=broker, min_backoff=20, max_backoff=20)
    def plain(name: str) -> None:
        seen[name.encode()] += 1
        if seen[name.encode()] < 3:
            raise ValueError

    worker = run_worker(broker)
    broker.enqueue_many([take.message(ids=b"o") for _ in range(700)])
    take.send(ids=b"x")
    plain.send("p")
    plain.send_with_options(args=("d",), delay=100)
    broker.join("default", timeout=10_000)
    assert seen == Counter({b"o": 700, b"p": 3, b"d": 3})
    assert [letter.ids for letter in broker.dead_letters("default")] == [b"x"]
    broker.client.flushall()
    take.send(ids=b"n")
    wait_until(lambda: seen[b"n"] == 1)
    stop_server(server, signal.SIGKILL)
    own_server(directory=server.directory, port=server.port, binary=str(oldest_redis))
    take.send(ids=b"m")
    wait_until(lambda: seen[b"m"] == 1)
    worker.stop(5000)
    assert broker.stats("default").consumers == 0
