"""A server filled with messages.

It rejects more, allows settlement, and accepts messages again when drained.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dramatiq.errors import BrokerConnectionError
from tests.conftest import Server
from tests.integration.broker_failures import workload
from tests.integration.broker_failures.ledger import Ledger, account

from stanine.broker import StreamsBroker

#: Bytes of `maxmemory` beyond the use of an empty server.
ROOM = 3_000_000
#: Bytes of payload per message, so that few fill the server.
PADDING = "x" * 2000


@pytest.fixture
def full(
    own_server: Callable[..., Server], make_broker: Callable[..., StreamsBroker]
) -> Iterator[StreamsBroker]:
    """A broker on a server with little memory."""
    broker = make_broker(own_server().url)
    workload.configure(broker)
    client: Any = broker.client
    client.config_set("maxmemory", client.info("memory")["used_memory"] + ROOM)
    yield broker
    client.config_set("maxmemory", 0)


def fill(broker: StreamsBroker, actor: Any, prefix: str) -> list[str]:
    """Enqueue until the server rejects a message; return the keys of accepted ones."""
    taken: list[str] = []
    while True:
        key = f"{prefix}-{len(taken)}"
        try:
            broker.enqueue(actor.message_with_options(args=(key,), padding=PADDING))
        except BrokerConnectionError as error:
            assert "Full" in str(error)  # noqa: PT017 - ends the loop
            return taken
        taken.append(key)


def test_a_queue_that_filled_the_server_drains_and_accepts_messages_again(
    full: StreamsBroker, ledger: Ledger
) -> None:
    actors = workload.declare(full, ledger)
    sent = fill(
        full, actors["plain"], "failing"
    )  # each fails once, so that retries and promotions happen while the server is full
    assert len(sent) > 300
    worker = workload.start_worker(full)
    workload.await_rest(full, 30)
    worker.stop(5000)
    again = fill(full, actors["plain"], "again")
    assert len(again) > len(sent) / 2, "without a restart of the server"
    worker = workload.start_worker(full)
    workload.await_rest(full, 30)
    worker.stop(5000)
    found = account(ledger.lines(), {*sent, *again})
    print(found)  # noqa: T201 - reported
    assert not found.lost
    assert not found.strange
    assert found.duplicates == 0


def test_a_full_server_lets_a_dead_consumers_work_be_taken_over(
    full: StreamsBroker, ledger: Ledger
) -> None:
    actors = workload.declare(full, ledger)
    sent = fill(full, actors["slow"], "slow")[:50]
    full.flush("slow")
    full.enqueue_many([actors["slow"].message(key) for key in sent])
    workload.leave_orphans(full)
    fill(full, actors["plain"], "ballast")
    worker = workload.start_worker(full)
    full.join("slow", timeout=10_000)
    full.flush("plain")
    worker.stop(5000)
    assert not account(ledger.lines(), set(sent)).lost


def test_producers_of_a_full_server_lose_no_accepted_message(
    full: StreamsBroker, make_broker: Callable[..., StreamsBroker], ledger: Ledger
) -> None:
    actors = workload.declare(full, ledger)
    fill(full, actors["plain"], "before")
    taken: list[str] = []
    refused = [0]
    over = threading.Event()

    def produce() -> None:
        number = 0
        while not over.is_set():
            number += 1
            try:
                full.enqueue(
                    actors["plain"].message_with_options(
                        args=(f"during-{number}",), padding=PADDING
                    )
                )
            except BrokerConnectionError:
                refused[0] += 1
                time.sleep(0.001)
            else:
                taken.append(f"during-{number}")

    producer = threading.Thread(target=produce)
    producer.start()
    time.sleep(0.2)
    worker = workload.start_worker(full)
    time.sleep(1.5)
    over.set()
    producer.join()
    workload.await_rest(full, 30)
    worker.stop(5000)
    found = account([line for line in ledger.lines() if line[1].startswith("during")], set(taken))
    print(f"{refused[0]} refused; {found}")  # noqa: T201 - reported
    assert refused[0] > 10
    assert len(taken) > 100
    assert not found.lost
    assert found.duplicates == 0
