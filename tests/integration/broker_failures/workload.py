"""A workload that covers the broker: retries, delays, batches, dead letters, slow actors.

Shared by the test and the processes that it kills. Keys identify messages in the ledger.
"""

import os
import signal
import threading
import time
from typing import Any

import dramatiq
from tests.integration.broker_failures.ledger import BEGUN, DONE, SETTLED, Ledger

from stanine.broker import StreamsBroker
from stanine.broker.administration import write_settings
from stanine.broker.entry import GROUP
from stanine.broker.settings import QueueSettings

#: Bytes of an id in a batch: the key itself.
ID_BYTES = 8
#: Milliseconds of a lease: the minimum, for quick takeovers.
LEASE_MS = 500
#: Seconds that a slow message takes, so that some are unfinished when a worker stops.
SLOW_SECONDS = 0.02
#: Seconds that each of LAST takes in a process that stops early, however busy the machine is.
LAST_SECONDS = 1.0
QUEUES = ("plain", "batches", "slow")

PLAIN = [f"plain-{n}" for n in range(12)]
FAILING = [f"failing-{n}" for n in range(4)]
DEAD = [f"dead-{n}" for n in range(2)]
DELAYED = [f"delayed-{n}" for n in range(4)]
BATCHED = [f"batch{n:03}" for n in range(120)]
SLOW = [f"slow-{n}" for n in range(40)]
#: The last slow messages; more than the worker's threads, so that it has to release some when it stops.
LAST = SLOW[-8:]
#: Kills the process that starts it; 8 bytes, like a key in a batch.
POISON = "poisoned"
EXPECTED = {*PLAIN, *FAILING, *DELAYED, *BATCHED, *SLOW}


class NoteSettled(dramatiq.Middleware):
    """Records settled messages, which must never run again."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def after_ack(self, broker: Any, message: Any) -> None:
        if message._exception is None and not message.lease.lost:
            self._ledger.note(SETTLED, keys_of(message))


def keys_of(message: Any) -> list[str]:
    ids = message.kwargs.get("ids")
    return [message.args[0]] if ids is None else split_ids(ids)


def split_ids(ids: bytes) -> list[str]:
    return [ids[at : at + ID_BYTES].decode() for at in range(0, len(ids), ID_BYTES)]


def declare(broker: StreamsBroker, ledger: Ledger, last_seconds: float = SLOW_SECONDS) -> Any:
    """Declare the actors; return them by name. Each of LAST takes `last_seconds`."""
    broker.add_middleware(NoteSettled(ledger))

    @dramatiq.actor(broker=broker, queue_name="plain", min_backoff=20, max_backoff=40)
    def plain(key: str) -> None:
        ledger.note(BEGUN, [key])
        if key.startswith("failing") and ledger.is_first_time(key):
            raise ValueError
        ledger.note(DONE, [key])

    @dramatiq.actor(broker=broker, queue_name="plain", max_retries=0)
    def die(key: str) -> None:
        raise ValueError

    @dramatiq.actor(broker=broker, queue_name="batches", batch="ids")
    def batch(ids: bytes) -> None:
        keys = split_ids(ids)
        ledger.note(BEGUN, keys)
        if POISON in keys:
            os.kill(os.getpid(), signal.SIGKILL)
        if BATCHED[13] in keys and ledger.is_first_time("batch"):
            raise ValueError
        ledger.note(DONE, keys)

    @dramatiq.actor(broker=broker, queue_name="slow")
    def slow(key: str) -> None:
        ledger.note(BEGUN, [key])
        if key == POISON:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(last_seconds if key in LAST else SLOW_SECONDS)
        ledger.note(DONE, [key])

    actors: Any = {"plain": plain, "die": die, "batch": batch, "slow": slow}
    return actors


def configure(broker: StreamsBroker) -> None:
    """Declare the queues with short leases and pauses, and a limit beyond the number of kills."""
    settings = QueueSettings(
        lease_ms=LEASE_MS, backoff_min_ms=20, backoff_max_ms=40, max_deliveries=10
    )
    for name in QUEUES:
        broker.declare_queue(name)
        write_settings(broker.client, broker._queue(name), settings.as_fields(), overwrite=True)


def produce(broker: StreamsBroker, actors: Any) -> None:
    """Enqueue everything."""
    broker.enqueue_many([actors["plain"].message(key) for key in (*PLAIN, *FAILING)])
    broker.enqueue_many([actors["die"].message(key) for key in DEAD])
    broker.enqueue_many([actors["batch"].message(ids=key.encode()) for key in BATCHED])
    broker.enqueue_many([actors["slow"].message(key) for key in SLOW])
    for at, key in enumerate(DELAYED):
        broker.enqueue(actors["plain"].message(key), delay=30 + 60 * at)


def leave_orphans(broker: StreamsBroker) -> None:
    """Leave some entries pending for a dead consumer."""
    for name in QUEUES:
        queue = broker._queue(name)
        queue.join(broker.client, "ghost", QueueSettings(lease_ms=LEASE_MS))
        broker.client.xreadgroup(GROUP, "ghost", {queue.keys.ready: ">"}, count=5)
        broker.client.zadd(queue.keys.leases, {"ghost": 1})


def assert_at_rest(broker: StreamsBroker) -> None:
    """Assert that everything is settled, and only the expected messages are dead, once each."""
    for name in QUEUES:
        stats = broker.stats(name)
        assert (stats.ready, stats.delayed, stats.in_flight) == (0, 0, 0), (name, stats)
    letters = [
        dramatiq.Message.decode(letter.head).args[0] for letter in broker.dead_letters("plain")
    ]
    assert sorted(letters) == DEAD
    assert broker.dead_letters("batches") == broker.dead_letters("slow") == []


def await_rest(broker: StreamsBroker, seconds: float) -> None:
    """Wait until nothing is ready, delayed or in flight."""
    deadline = time.monotonic() + seconds
    for name in QUEUES:
        broker.join(name, timeout=max(1, int((deadline - time.monotonic()) * 1000)))


def start_worker(broker: StreamsBroker) -> dramatiq.Worker:
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=100)
    worker.start()
    return worker


def stop_together(*workers: dramatiq.Worker) -> None:
    """Stop workers concurrently."""
    threads = [threading.Thread(target=worker.stop, args=(5000,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
