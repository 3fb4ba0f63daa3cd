"""The request or the reply of a command is lost, for every command that the broker sends."""

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dramatiq
import pytest
import redis
from tests.integration.broker_failures import workload
from tests.integration.broker_failures.fault_proxy import FaultProxy
from tests.integration.broker_failures.ledger import Ledger, account

from stanine.broker.enqueue_commands import append_command
from stanine.broker.entry import NewEntry
from stanine.broker.exchange import ProducerCall
from stanine.broker.library import library
from stanine.broker.senders import Senders

#: Every function and command of a worker.
WORKER_COMMANDS = [
    b"XREADGROUP", *(b"stanine_broker_%s_" % name for name in (
        b"ack", b"retry", b"reject", b"release", b"promote", b"join", b"beat", b"recover", b"leave", b"start", b"held",
    )),
]  # fmt: skip


def work_through(proxy: FaultProxy, make_broker: Any, ledger: Ledger) -> None:
    """Work the whole workload behind the proxy, with a stop in between."""
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


@pytest.mark.parametrize(
    "word",
    WORKER_COMMANDS,
    ids=lambda word: word.decode().removeprefix("stanine_broker_").strip("_"),
)
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


#: Consecutive lost replies: as many as redis-py's retries.
REPEATS = 4


@pytest.mark.parametrize("how", ["one", "many", "asyncio", "delayed", "unique", "unique asyncio"])
def test_a_message_is_enqueued_and_announced_once_however_many_replies_are_lost(
    proxy: FaultProxy, make_broker: Any, how: str
) -> None:
    broker, direct = make_broker(proxy.url), make_broker()
    announced: list[Any] = []

    class Ears(dramatiq.Middleware):
        def after_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
            announced.append(message.args[0])

    broker.add_middleware(Ears())
    options = {"dedupe": "simple"} if "unique" in how else {}
    messages: list[Any] = [
        dramatiq.Message("plain", "plain", (number,), {}, options) for number in range(10)
    ]
    broker.enqueue(dramatiq.Message("plain", "plain", (-1,), {}, {}))  # the library is loaded
    direct.flush("plain")
    word = {
        "delayed": b"_delay_",
        "unique": b"_enqueue_unique_",
        "unique asyncio": b"_enqueue_unique_",
    }.get(how, b"_enqueue_")
    losses = [proxy.lose_reply(word, nth) for nth in range(3, 3 + REPEATS)]

    async def send() -> None:
        for message in messages:
            await broker.enqueue_async(message)
        await broker.close_async()

    if "asyncio" in how:
        asyncio.run(send())
    elif how == "many":
        assert sum(broker.enqueue_many(messages[at : at + 2]) for at in range(0, 10, 2)) == 10
    elif how == "unique":
        assert all(broker.enqueue_unique(message) for message in messages)
    else:
        for message in messages:
            broker.enqueue(message, delay=60_000 if how == "delayed" else None)
    assert all(loss.happened for loss in losses)
    stats = direct.stats("plain")
    assert stats.ready + stats.delayed == 10
    assert announced[1:] == list(range(10))


def test_an_abandoned_call_that_arrives_late_does_nothing(
    make_broker: Any,
) -> None:
    queue, client = make_broker()._queue("q"), make_broker().client
    entry = NewEntry(b"x", b"", b"")
    late, next_one = (
        append_command(queue, ProducerCall("sender", number, from_worker=False), [entry])
        for number in (1, 2)
    )
    assert library().call(client, *next_one) == 1
    with pytest.raises(redis.ResponseError, match="STALE"):
        library().call(client, *late)
    assert library().call(client, *next_one) == 1, "what it came to"
    assert client.xlen(queue.keys.ready) == 1


def test_a_process_and_its_fork_use_different_senders(make_broker: Any) -> None:
    broker = make_broker()

    @dramatiq.actor(broker=broker)
    def note(who: str) -> None: ...

    note.send("before")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with broker._senders.reserve() as sender:
            os.write(writing, f"{sender.name} {sender.number}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    name, number = os.read(reading, 100).decode().split()
    with broker._senders.reserve() as sender:
        assert sender.name != name
        assert (sender.number, number) == (2, "1")


def test_there_is_one_sender_per_concurrent_call() -> None:
    senders, met = Senders(), threading.Barrier(8)

    def send() -> set[tuple[str, int]]:
        made = set()
        with senders.reserve() as sender:
            met.wait(10)
            made.add((sender.name, sender.number))
        for _ in range(100):
            with senders.reserve() as sender:
                made.add((sender.name, sender.number))
        return made

    with ThreadPoolExecutor(8) as pool:
        made = [
            call for future in [pool.submit(send) for _ in range(8)] for call in future.result()
        ]
    assert len(made) == len(set(made)) == 8 * 101
    assert len({name for name, _ in made}) == 8
