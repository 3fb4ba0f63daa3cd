"""Measure re-scoring: attempts per second, memory of the resultWatcher and of the server, dry run and run.

    python -m benchmarks.rescoring [--attempts 100000,1000000] [--json] [--output FILE]

All attempts at the 50 IPIP markers get other scores, because one item of each scale is no longer reverse-keyed. The
result watcher is a process of its own. At the end every result is compared with a fresh scoring by the audit of
`stanine check --scores`.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

from benchmarks import machine
from benchmarks.memory import in_stanine
from benchmarks.peak_memory import FLAT, peak_bytes
from benchmarks.processes import started
from benchmarks.published import NAMESPACE, plain_instrument
from benchmarks.servers import Server, redis_server, running
from stanine.broker import StreamsBroker
from stanine.broker.connection.clients import connect_async
from stanine.domain.instruments.document import canonical, digest
from stanine.domain.instruments.instrument import form_digest, parse_instrument
from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.domain.statistics.rescoring import decode_changes
from stanine.index_watcher.index_builder import IndexBuilder
from stanine.messages import RESCORE, RUN_ID_BYTES, Outbox
from stanine.store import load_library
from stanine.store.audit import Auditor
from stanine.store.durability import Writer
from stanine.store.index import Index
from stanine.store.instruments import InstrumentHistory, Instruments
from stanine.store.keys import Keys
from stanine.store.rescoring import Rescorings
from stanine.store.sweep import Sweep

#: Seconds between two looks at the run.
LOOK = 0.05
#: Seconds without progress after which a run counts as failed.
STUCK = 60.0


def corrected() -> Any:
    """Return the instrument with one item of each scale keyed the other way."""
    plain = plain_instrument()
    for scale in plain["spec"]["scales"]:
        first = scale["items"][0]
        scale["items"][0] = first.removeprefix("-") if first.startswith("-") else f"-{first}"
    return plain


class Measurement:
    """One server with scored attempts."""

    def __init__(self, server: Server, log: Path) -> None:
        self._client: Any = redis.Redis.from_url(server.url)
        self._url, self._log, self._keys = server.url, log, Keys(NAMESPACE)
        broker = StreamsBroker(url=server.url, namespace=self._keys.partition)
        library = load_library()
        self._outbox = Outbox(
            broker.ready_key(RESCORE.queue), broker.head(RESCORE.queue, RESCORE.actor)
        )
        broker.close()
        self._library = library
        self._history = InstrumentHistory(self._client, self._keys)
        self._rescorings = Rescorings(self._client, library, self._keys, self._outbox)

    def publish(self, plain: Any) -> None:
        """Publish and index a document."""

        async def write() -> None:
            client = connect_async(self._url)
            writer = Writer(client, self._library)
            unused = Outbox(f"{self._keys.partition}:unused", b"")
            data = canonical(plain)
            form = form_digest(parse_instrument(plain))
            instruments = Instruments(client, writer, self._keys, unused)
            await instruments.publish(plain["metadata"]["name"], data, digest(data), form)
            await client.aclose()

        asyncio.run(write())
        index = Index(self._client, self._library, self._keys)
        IndexBuilder(self._history, index, ENGINE_VERSION).build([plain["metadata"]["name"]])

    def fill(self, count: int) -> None:
        """Store attempts with results of the first revision."""
        in_stanine(self._client, self._url, count)

    def run(self, name: str, *, dry_run: bool) -> dict[str, float]:
        """Re-score everything with one watcher process; return the figures."""
        before = self._client.info("memory")["used_memory"]
        environment = {"STANINE_REDIS_URL": self._url, "STANINE_NAMESPACE": NAMESPACE}
        command = [sys.executable, "-m", "stanine.result_watcher"]
        with started(command, environment, self._log, gently=True) as process:
            token = os.urandom(8).hex()
            outcome = self._rescorings.start(
                name, self._history, run=os.urandom(RUN_ID_BYTES), token=token, dry_run=dry_run
            )
            assert outcome.name == "STARTED", outcome
            began, first, seen, moved = 0.0, 0, 0, time.perf_counter()
            while True:
                run = self._rescorings.read(1)
                now = time.perf_counter()
                assert run is not None
                if run.position > seen:
                    seen, moved = run.position, now
                if not began and run.position > 0:
                    began, first = now, run.position
                if run.state != "Running":
                    break
                if now - moved > STUCK:
                    raise RuntimeError(f"stuck at {seen}: {self._log.read_text()[-1000:]}")
                time.sleep(LOOK)
            peak = peak_bytes(process.pid)
        if run.state != "Completed":
            raise RuntimeError(f"the run failed: {run.reason}")
        changes = decode_changes(run.report)
        used = self._client.info("memory")["used_memory"] - before
        return {
            "attempts": changes.attempts,
            "changed": changes.changed,
            "per_second": machine.digits((run.total - first) / (now - began)),
            "watcher_mib": machine.digits(peak / 2**20),
            **(
                {} if dry_run else {"server_bytes_a_changed": round(used / max(1, changes.changed))}
            ),
        }

    def check(self) -> dict[str, float]:
        """Compare every result with a fresh scoring."""
        sweep = Sweep(self._client, self._library, self._keys)
        audit = Auditor(self._client, self._history, sweep, self._keys).audit()
        if not audit.is_sound:
            raise RuntimeError(f"wrong results: {audit}")
        return {"equal": audit.equal}


def measure(count: int) -> dict[str, dict[str, float]]:
    """Return the figures of dry run and run, and how many results the check found equal."""
    with (
        tempfile.TemporaryDirectory(prefix="stanine-bench-") as directory,
        running(binary=redis_server()) as server,
    ):
        measurement = Measurement(server, Path(directory) / "watcher.log")
        plain = plain_instrument()
        measurement.publish(plain)
        measurement.fill(count)
        measurement.publish(corrected())
        name = plain["metadata"]["name"]
        return {
            "dry run": measurement.run(name, dry_run=True),
            "run": measurement.run(name, dry_run=False),
            "check": measurement.check(),
        }


def bars(found: dict[str, dict[str, dict[str, float]]]) -> list[dict[str, Any]]:
    """Return the target: the watcher's peak with the most attempts at most 1.1 times that with the fewest."""
    low, high = min(found, key=int), max(found, key=int)
    ratio = found[high]["run"]["watcher_mib"] / found[low]["run"]["watcher_mib"]
    return [
        {
            "bar": f"re-scoring {int(high):,} attempts: watcher memory flat (≤ {FLAT} times that at {int(low):,})",
            "figure": machine.digits(ratio),
            "met": ratio <= FLAT,
        }
    ]


def measure_all(sizes: Sequence[int]) -> dict[str, Any]:
    """Return the document with all figures."""
    on = machine.machine()
    found = {str(size): measure(size) for size in sizes}
    return {"machine": on, "attempts": found, "bars": bars(found) if len(found) > 1 else []}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--attempts", default="100000,1000000", help="numbers (100000,1000000)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    options = parser.parse_args()
    found = measure_all([int(each) for each in options.attempts.split(",")])
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    if options.json:
        print(json.dumps(found))
        return
    print(found["machine"])
    for size, figures in found["attempts"].items():
        for what, each in figures.items():
            print(
                f"{size} {what}: {', '.join(f'{name} {value:,}' for name, value in each.items())}"
            )


if __name__ == "__main__":
    main()
