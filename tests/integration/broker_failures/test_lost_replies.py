"""The reply to a command is lost after the server executed it, or the request before it did: for every command that the broker sends."""

import time
from collections import Counter
from typing import Any

import pytest
from tests.integration.broker_failures import workload
from tests.integration.broker_failures.fault_proxy import FaultProxy
from tests.integration.broker_failures.ledger import Ledger, account

#: Every function and command that a worker sends, in its words.
WORKER_COMMANDS = [
    b"XREADGROUP", *(b"stanine_broker_%s_" % name for name in (
        b"ack", b"retry", b"reject", b"release", b"promote", b"join", b"beat", b"recover", b"leave", b"start", b"held",
    )),
]  # fmt: skip


def work_through(proxy: FaultProxy, make_broker: Any, ledger: Ledger) -> None:
    """Do the whole workload behind the proxy, with a stop in the midst of it."""
    direct = make_broker()
    broker = make_broker(proxy.url)
    actors = workload.declare(broker, ledger)
    workload.configure(direct)
    workload.produce(direct, actors)
    workload.leave_orphans(direct)
    worker = workload.start_worker(broker)
    time.sleep(0.3)
    worker.stop(5000)
    broker.close()
    successor = make_broker(proxy.url)
    workload.declare(successor, ledger)
    worker = workload.start_worker(successor)
    workload.await_rest(direct, 10)
    worker.stop(5000)
    workload.assert_at_rest(direct)


@pytest.mark.parametrize("word", WORKER_COMMANDS, ids=lambda word: word.decode().removeprefix("stanine_broker_").strip("_"))
@pytest.mark.parametrize("executed", [True, False], ids=["reply", "request"])
def test_nothing_is_lost_or_repeated_when_a_workers_command_loses_its(
    proxy: FaultProxy, make_broker: Any, ledger: Ledger, word: bytes, *, executed: bool
) -> None:
    lose = proxy.lose_reply if executed else proxy.lose_request
    losses = [lose(word, nth) for nth in (1, 3)]
    work_through(proxy, make_broker, ledger)
    assert losses[0].happened
    found = account(ledger.lines(), workload.EXPECTED)
    assert not found.lost
    assert not found.strange
    assert found.duplicates == 0, "the process lived on, so it knows what it did"


@pytest.mark.parametrize("executed", [True, False], ids=["reply", "request"])
def test_delayed_messages_are_enqueued_once_when_the_producer_loses_its(
    proxy: FaultProxy, make_broker: Any, ledger: Ledger, *, executed: bool
) -> None:
    broker = make_broker(proxy.url)
    actors = workload.declare(broker, ledger)
    lose = proxy.lose_reply if executed else proxy.lose_request
    losses = [lose(b"stanine_broker_delay_", nth) for nth in (1, 3)]
    for number in range(10):
        broker.enqueue(actors["plain"].message(str(number)), delay=60_000)
    assert all(loss.happened for loss in losses)
    assert broker.stats("plain").delayed == 10


@pytest.mark.parametrize("how", ["one", "many"])
def test_messages_whose_enqueueing_lost_its_reply_are_there_twice_at_the_most(
    proxy: FaultProxy, make_broker: Any, ledger: Ledger, how: str
) -> None:
    broker, direct = make_broker(proxy.url), make_broker()
    actors = workload.declare(broker, ledger)
    proxy.lose_reply(b"XADD" if how == "one" else b"stanine_broker_enqueue_", 3)
    messages = [actors["plain"].message(str(number)) for number in range(10)]
    for message in messages:
        if how == "one":
            broker.enqueue(message)
        else:
            broker.enqueue_many([message])
    worker = workload.start_worker(broker)
    direct.declare_queue("plain")
    direct.join("plain", timeout=5000)
    worker.stop(5000)
    done = Counter(key for event, key, _ in ledger.lines() if event == "done")
    print(f"enqueued 10, replies lost 1, duplicates {sum(done.values()) - 10}")  # noqa: T201 - reported, not hidden
    assert set(done) == {str(number) for number in range(10)}
    assert sum(done.values()) <= 11, "only the one whose outcome was unknown"
