"""Measure submit to stored result without HTTP: drain of a backlog, and latency when idle.

    python -m benchmarks.whole_way [--attempts 50000] [--latencies 500] [--appendfsync everysec|no] [--json]

Starts a Valkey, an indexWatcher and one resultWatcher process. Attempts of the 50-item IPIP inventory, five scales, are
queued, one message each, while no watcher runs; then the watcher is started and the time from its first to its last
commit is measured. Latency is measured in this process: from the submit to the notification of the commit.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import redis
from tests.conftest import start_server, stop_server

from stanine.broker import StreamsBroker
from stanine.broker.connection.clients import connect_async
from stanine.domain.instruments.document import canonical, digest, read_yaml
from stanine.domain.instruments.instrument import form_digest, parse_instrument
from stanine.messages import BUILD_INDEX, SCORE_ATTEMPTS, MessageRoute, Outbox
from stanine.store import load_library
from stanine.store.attempts import MAX_SUBMISSIONS, Attempts, Submission
from stanine.store.durability import Writer
from stanine.store.index import AsyncIndex
from stanine.store.instruments import Instruments
from stanine.store.keys import Keys
from stanine.store.reading import AttemptRecords
from stanine.store.records import RANDOM_BYTES, id_random
from stanine.store.waiting import ResultWaiter

INSTRUMENT = Path(__file__).parents[1] / "examples" / "instruments" / "ipip-50.yaml"


class Bench:
    """A store with a separate key namespace, and the watchers as processes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys = Keys("bench")
        self.broker = StreamsBroker(url=url, namespace=self.keys.partition)
        self.client = connect_async(url)
        writer = Writer(self.client, load_library())
        self.attempts = Attempts(self.client, writer, self.keys, self._outbox(SCORE_ATTEMPTS))
        self.instruments = Instruments(self.client, writer, self.keys, self._outbox(BUILD_INDEX))
        self.index = AsyncIndex(self.client, self.keys)
        self.waiter = ResultWaiter(self.client, self.keys, AttemptRecords(self.client, self.keys))
        self.chance = random.Random(1)

    def _outbox(self, route: MessageRoute) -> Outbox:
        return Outbox(
            self.broker.ready_key(route.queue), self.broker.head(route.queue, route.actor)
        )

    def watcher(self, name: str) -> "subprocess.Popen[bytes]":
        """Start a watcher as a process."""
        environment = {
            **os.environ,
            "STANINE_REDIS_URL": self.url,
            "STANINE_NAMESPACE": "bench",
            "OTEL_SDK_DISABLED": "true",
        }
        return subprocess.Popen(
            [sys.executable, "-m", f"stanine.{name}"], env=environment, stderr=subprocess.DEVNULL
        )

    async def publish(self) -> None:
        """Publish the instrument and wait until it is indexed."""
        plain = read_yaml(INSTRUMENT.read_bytes())
        instrument = parse_instrument(plain)
        document = canonical(plain)
        await self.instruments.publish(
            "ipip-50", document, digest(document), form_digest(instrument)
        )
        while self.index.entries.newest("ipip-50") is None:
            await asyncio.sleep(0.05)
            await self.index.refresh()

    def submission(self) -> Submission:
        """Return one person's answers."""
        codes = bytes(self.chance.choices(range(5), k=50))
        return Submission(
            1, 1, codes, secrets.token_bytes(16), id_random(secrets.token_bytes(RANDOM_BYTES))
        )

    async def backlog(self, count: int) -> float:
        """Queue attempts, one message each; return the seconds."""
        began = time.perf_counter()
        for start in range(0, count, MAX_SUBMISSIONS):
            await self.attempts.submit(
                [self.submission() for _ in range(min(MAX_SUBMISSIONS, count - start))],
                ids_per_message=1,
            )
        return time.perf_counter() - began

    async def committed(self) -> int:
        """Return the number of results."""
        counts: Any = self.client.hvals(self.keys.commits)
        return sum(int(count) for count in await counts)

    async def drain(self, count: int) -> tuple[float, float]:
        """Return seconds from the first to the last observed commit, and attempts per second."""
        watcher = self.watcher("result_watcher")
        try:
            done, first, began = 0, 0, 0.0
            while done < count:
                done = await self.committed()
                if done and not began:
                    began, first = time.perf_counter(), done
                await asyncio.sleep(0.005)
            seconds = time.perf_counter() - began
            return seconds, (count - first) / seconds
        finally:
            watcher.terminate()
            watcher.wait(30)

    async def latencies(self, count: int) -> list[float]:
        """Return the milliseconds from submit to stored result of single attempts when idle."""
        watcher = self.watcher("result_watcher")
        listening = asyncio.create_task(self.waiter.run())
        try:
            await asyncio.sleep(2)
            found = []
            for _ in range(count):
                await asyncio.sleep(0.01)
                began = time.perf_counter()
                (one,) = await self.attempts.submit([self.submission()])
                answer = await self.waiter.wait(one.id, 10)
                assert answer is not None
                assert answer[1] is not None
                found.append((time.perf_counter() - began) * 1000)
            return found
        finally:
            listening.cancel()
            watcher.terminate()
            watcher.wait(30)


async def measure(url: str, attempts: int, latencies: int) -> dict[str, Any]:
    """Return all figures."""
    bench = Bench(url)
    indexer = bench.watcher("index_watcher")
    try:
        await bench.publish()
    finally:
        indexer.terminate()
        indexer.wait(30)
    before = redis.Redis.from_url(url).info("memory")["used_memory"]
    enqueue = await bench.backlog(attempts)
    _, rate = await bench.drain(attempts)
    after = redis.Redis.from_url(url).info("memory")["used_memory"]
    found = sorted(await bench.latencies(latencies))
    await bench.client.aclose()
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "attempts": attempts,
        "enqueue_per_second": round(attempts / enqueue),
        "drain_per_second": round(rate),
        "bytes_per_attempt_and_result": round((after - before) / attempts),
        "pick_up_ms": {
            "p50": round(statistics.median(found), 2), "p99": round(found[int(len(found) * 0.99) - 1], 2), "max": round(found[-1], 2)
        },
    }  # fmt: skip


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--attempts", type=int, default=50_000)
    parser.add_argument("--latencies", type=int, default=500)
    parser.add_argument("--appendfsync", default="everysec", choices=["everysec", "no", "always"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        server = start_server(Path(directory), "--appendfsync", options.appendfsync)
        try:
            found = asyncio.run(measure(server.url, options.attempts, options.latencies))
        finally:
            stop_server(server)
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:32} {value}")


if __name__ == "__main__":
    main()
