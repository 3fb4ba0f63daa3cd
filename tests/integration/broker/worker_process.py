"""A worker process for tests to kill: `worker_process.py URL LEASE_SECONDS MODE`.

Its actors record their runs in Redis; the test reads them as its ledger.
"""

import os
import signal
import sys
import threading
import time

import dramatiq

from stanine.broker import StreamsBroker
from stanine.broker.connection.clients import connect

ID_BYTES = 8


def main(url: str, lease_seconds: str, mode: str) -> None:
    broker = StreamsBroker(url, namespace="test:{t}", lease_seconds=float(lease_seconds))
    ledger = connect(url)

    @dramatiq.actor(broker=broker, queue_name="batches", batch="ids")
    def record(ids: bytes) -> None:
        ledger.rpush("started", os.getpid())
        if mode == "hang":
            time.sleep(3600)
        if mode == "slow":
            time.sleep(0.02)
        if mode == "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        with ledger.pipeline(transaction=False) as pipeline:
            for start in range(0, len(ids), ID_BYTES):
                pipeline.hincrby("done", ids[start : start + ID_BYTES], 1)
            pipeline.execute()

    @dramatiq.actor(broker=broker, queue_name="singles", max_retries=0)
    def single(name: str) -> None:
        ledger.rpush("started", name)
        if name == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        if mode == "slow":
            time.sleep(0.3)
        ledger.hincrby("done", name, 1)

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=100)
    worker.start()
    ledger.rpush("ready", os.getpid())
    stop.wait()
    worker.stop(10_000)
    broker.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
