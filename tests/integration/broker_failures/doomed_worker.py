"""A process that works or produces the workload, and may die at a step.

`python doomed_worker.py ROLE URL NAMESPACE DIRECTORY STEP`
"""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.integration.broker_failures import workload
from tests.integration.broker_failures.ledger import Ledger
from tests.integration.failpoints import Doom, Step

from stanine.broker import StreamsBroker
from stanine.broker.connection.functions import Library
from stanine.broker.library import PREFIX
from stanine.broker.reader import Reader

#: Seconds after its first message at which the worker stops, so that releasing and leaving are steps, too.
WORK_SECONDS = 0.35
#: Steps of its work, all of which it reaches before it stops.
STEPS = {"beat", "start", "ack", "retry", "reject", "promote"}
#: Seconds that it waits for a first message and for all steps, on a busy machine.
BEGINS_WITHIN = 20
#: Messages enqueued one by one by a producer, in each way.
PRODUCED = 5


def arm(doom: Doom) -> None:
    """Make every call to Redis a step."""
    reader: Any = Reader
    library: Any = Library
    reader.read = doom.wrap(lambda *_args: "XREADGROUP", reader.read)
    library.call = doom.wrap(
        lambda _self, _client, function, _keys, _args=(): function.removeprefix(f"{PREFIX}_"),
        library.call,
    )


def work(broker: StreamsBroker, ledger: Ledger, doom: Doom) -> None:
    workload.declare(broker, ledger, workload.LAST_SECONDS)
    worker = workload.start_worker(broker)
    deadline = time.monotonic() + BEGINS_WITHIN
    while time.monotonic() < deadline and all(
        process != os.getpid() for _, _, process in ledger.lines()
    ):
        time.sleep(0.01)
    time.sleep(WORK_SECONDS)
    while time.monotonic() < deadline and not set(doom.calls) >= STEPS:
        time.sleep(0.01)
    worker.stop(5000)


def produce(broker: StreamsBroker, ledger: Ledger) -> None:
    """Enqueue in every way, and record what was accepted."""
    actors = workload.declare(broker, ledger)
    for number in range(PRODUCED):
        broker.enqueue(actors["plain"].message(f"one-{number}"))
        ledger.note("sent", [f"one-{number}"])
        broker.enqueue(actors["plain"].message(f"later-{number}"), delay=50)
        ledger.note("sent", [f"later-{number}"])
        many = [f"many-{number}-{each}" for each in range(3)]
        broker.enqueue_many([actors["plain"].message(key) for key in many])
        ledger.note("sent", many)


def main(role: str, url: str, namespace: str, directory: str, step: str) -> None:
    if "LD_PRELOAD" in os.environ:
        clock: Any = time
        clock.sleep = (
            threading.Event().wait
        )  # Python sleeps until a monotonic time, which libfaketime 0.9.10 rejects
    doom = Doom(Step.read(step))
    arm(doom)
    ledger = Ledger(Path(directory))
    broker = StreamsBroker(url, namespace=namespace, lease_seconds=workload.LEASE_MS / 1000)
    if role == "worker":
        work(broker, ledger, doom)
    else:
        produce(broker, ledger)
    broker.close()
    doom.write_calls(Path(directory) / "calls.json")


if __name__ == "__main__":
    main(*sys.argv[1:])
