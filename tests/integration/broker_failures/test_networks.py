"""Slow networks, random resets, partitions, and redirection to another server."""

import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from tests.integration.broker_failures import workload
from tests.integration.broker_failures.fault_proxy import FaultProxy
from tests.integration.broker_failures.ledger import BEGUN, DONE, Ledger, account

from stanine.broker.administration import QueueStats

#: Seconds of random resets, unless STANINE_FAULT_SECONDS says more.
RESET_SECONDS = 3.0


def test_a_slow_network_costs_no_lease(proxy: FaultProxy, make_broker: Any, ledger: Ledger) -> None:
    direct, broker = make_broker(), make_broker(proxy.url)
    actors = workload.declare(broker, ledger)
    workload.configure(direct)
    workload.produce(direct, actors)
    proxy.latency = 0.05  # a heartbeat takes 0.1 s and is due every 0.17 s; the lease is 0.5 s
    worker = workload.start_worker(broker)
    workload.await_rest(direct, 30)
    proxy.latency = 0
    worker.stop(5000)
    workload.assert_at_rest(direct)
    found = account(ledger.lines(), workload.EXPECTED)
    assert not found.lost
    assert found.duplicates == 0


def reset_at_random(proxy: FaultProxy, chance: random.Random, seconds: float) -> int:
    resets = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(chance.uniform(0.01, 0.2))
        proxy.reset_all()
        resets += 1
    return resets


def work_over_resets(proxy: FaultProxy, make_broker: Any, ledger: Ledger, seconds: float) -> None:
    seed = int(os.environ.get("STANINE_SEED", time.time()))
    print(f"STANINE_SEED={seed}")  # noqa: T201 - to repeat a failed run
    direct = (
        make_broker()
    )  # a message enqueued over a broken connection may be duplicated: test_lost_replies.py
    brokers = [make_broker(proxy.url) for _ in range(2)]
    actors = [workload.declare(broker, ledger) for broker in brokers]
    workload.configure(direct)
    workers = [workload.start_worker(broker) for broker in brokers]
    sent: list[str] = []
    over = threading.Event()

    def produce() -> None:
        while not over.is_set():
            key = f"k{len(sent)}"
            direct.enqueue(actors[0]["plain"].message(key), delay=random.choice([None, 50]))
            sent.append(key)
            time.sleep(0.002)

    thread = threading.Thread(target=produce)
    thread.start()
    resets = reset_at_random(proxy, random.Random(seed), seconds)
    over.set()
    thread.join()
    workload.await_rest(direct, 20)
    workload.stop_together(*workers)
    found = account(ledger.lines(), set(sent))
    print(f"{resets} times all connections reset; {found}")  # noqa: T201 - reported
    assert resets > 5
    assert len(sent) > 50
    assert not found.lost
    assert not found.strange
    assert not found.again
    assert found.duplicates <= resets


def test_random_resets_lose_nothing(proxy: FaultProxy, make_broker: Any, ledger: Ledger) -> None:
    work_over_resets(
        proxy, make_broker, ledger, float(os.environ.get("STANINE_FAULT_SECONDS", RESET_SECONDS))
    )


@pytest.mark.parametrize("outcome", ["succeeds", "fails", "dies"])
def test_a_late_settlement_of_a_partitioned_worker_has_no_effect(
    proxy: FaultProxy, make_broker: Any, tmp_path: Path, ledger: Ledger, outcome: str
) -> None:
    direct, parted, healthy = make_broker(), make_broker(proxy.url), make_broker()
    workload.configure(direct)
    go = threading.Event()

    def declare(broker: Any, *, waits: bool) -> Any:
        @dramatiq.actor(
            broker=broker,
            queue_name="plain",
            max_retries=0 if outcome == "dies" else 5,
            min_backoff=10,
            max_backoff=20,
        )
        def take(key: str) -> None:
            ledger.note(BEGUN, [key])
            if waits:
                go.wait(20)
                if outcome != "succeeds":
                    raise ValueError
            ledger.note(DONE, [key])

        return take

    take = declare(parted, waits=True)
    declare(healthy, waits=False)
    late = workload.start_worker(parted)
    take.send("a")
    assert wait_until(lambda: len(ledger.lines()) == 1)
    proxy.partitioned = True
    other = workload.start_worker(healthy)
    workload.await_rest(direct, 5)
    assert [event for event, _, _ in ledger.lines()] == [BEGUN, BEGUN, DONE], (
        "taken over, once the lease had ended"
    )
    go.set()
    time.sleep(0.2)
    proxy.partitioned = False
    assert wait_until(lambda: direct.stats("plain").consumers == 2)  # it registers again
    time.sleep(1.0)  # its late calls arrive
    stats: QueueStats = direct.stats("plain")
    assert (stats.ready, stats.delayed, stats.in_flight, stats.dead) == (0, 0, 0, 0)
    other.stop(5000)
    healthy.close()
    direct.enqueue(take.message("b"))
    assert wait_until(lambda: (BEGUN, "b") in [line[:2] for line in ledger.lines()]), "and works on"
    late.stop(5000)


def test_a_partition_shorter_than_the_lease_costs_nothing(
    proxy: FaultProxy, make_broker: Any, ledger: Ledger
) -> None:
    direct, broker, other = make_broker(), make_broker(proxy.url), make_broker()
    actors = workload.declare(broker, ledger)
    workload.declare(other, ledger)
    workload.configure(direct)
    workload.produce(direct, actors)
    workers = [workload.start_worker(each) for each in (broker, other)]
    for _ in range(3):
        proxy.partitioned = True
        time.sleep(0.15)
        proxy.partitioned = False
        time.sleep(0.3)
    workload.await_rest(direct, 10)
    workload.stop_together(*workers)
    workload.assert_at_rest(direct)
    found = account(ledger.lines(), workload.EXPECTED)
    assert not found.lost
    assert found.duplicates == 0


def wait_until(condition: Any, seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
