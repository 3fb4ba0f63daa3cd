"""`make demo`: the whole way on this machine, on the answers of 2,800 real people, checked against published figures.

Starts everything as `stanine up` does, in a temporary directory and on free ports; leaves nothing running and nothing behind. Ends with a
status other than 0 and the reason if anything fails or a mean is off.
"""

import io
import os
import signal
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

from stanine.cli.client import Api, connect
from stanine.cli.exits import FAILED, INTERRUPTED, CliError
from stanine.cli.publish import Document, put, read_document
from stanine.cli.result_list import ResultList
from stanine.cli.sample_data import SampleDataMissingError, read_table
from stanine.cli.stack import Stack
from stanine.cli.submissions import open_source
from stanine.cli.submit import Counts, send
from stanine.cli.terminal import emit, note, show_table
from stanine.store.keys import BLOCK_SIZE, Keys

#: Rows of psych's bfi.
PEOPLE = 2_800
#: Mean and standard deviation over valid items that the data's authors publish (psych::bfi), to six decimals.
PUBLISHED = {
    "agreeableness": (4.652095, 0.898402),
    "conscientiousness": (4.265732, 0.951347),
    "extraversion": (4.145083, 1.060904),
    "neuroticism": (3.162268, 1.196331),
    "openness": (4.586649, 0.808374),
}
#: Half a unit of the sixth decimal.
_TOLERANCE = 0.5e-6
#: Single submissions that are timed, and those before them that are not: the first requests load code and open connections.
_SINGLES, _WARM_UP = 200, 20
#: Where the documents are in a checkout.
_INSTRUMENT = Path(__file__).parents[3] / "examples" / "instruments" / "bfi-25.yaml"
#: Seconds until all is scored.
_TIMEOUT = 60.0
#: Seconds between looks for more results.
_POLL = 0.01


def main() -> int:
    """Run the demo; return the exit status."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does: everything is stopped on the way out
    try:
        with _running() as stack:
            note(f"started in {time.monotonic() - began:.1f} s: Valkey, API, indexWatcher, resultWatcher")
            with connect(stack.url, stack.key) as api:
                faults = _demonstrate(api, stack)
            stack.refuse_dead()
    except KeyboardInterrupt:
        note("stopped; nothing is left running")
        return INTERRUPTED
    except (CliError, SampleDataMissingError) as error:
        note("the demo failed:", *(str(line) for line in error.args))
        return FAILED
    if faults:
        note("the demo failed:", *faults)
        return FAILED
    emit(f"\nAll as published. It took {time.monotonic() - began:.1f} s; nothing is left running.")
    return 0


def _demonstrate(api: Api, stack: Stack) -> list[str]:
    document = read_document(str(_INSTRUMENT))
    name = document.instrument.metadata.name
    put(api, document, wait=True)
    stream = io.BytesIO(read_table("bfi"))
    counts = Counts(name)
    sending = time.monotonic()
    with open_source(stream, "psych's bfi") as source:
        send(api, source, counts)
    scored = _await_scores(api, name, counts.taken)
    seconds = time.monotonic() - sending
    emit(f"{name}: {counts.rows:,} people, their answers from psych's bfi\n")
    faults = _compare(scored)
    if (counts.rows, counts.taken) != (PEOPLE, PEOPLE):
        faults.append(f"{PEOPLE:,} people answered, but {counts.rows:,} were read and {counts.taken:,} taken")
    emit(f"\nin bulk: {counts.rows / seconds:,.0f} attempts/s, from the first line sent to the last result read")
    records, keys = _bytes_per_attempt(stack)
    emit(f"memory: {records:,.0f} bytes an attempt with its result, and {keys:,.0f} for the index of the callers' keys")
    times = sorted(_time_singles(api, document))
    emit(f"one by one, submitted and scored in one request: p50 {_quantile(times, 0.5):.1f} ms, p99 {_quantile(times, 0.99):.1f} ms")
    return faults


@contextmanager
def _running() -> Iterator[Stack]:
    """Run a stack of its own: no variable of the environment may lead the demo to anybody's real data."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STANINE_")}
    with tempfile.TemporaryDirectory(prefix="stanine-demo-") as directory:
        stack = Stack(Path(directory), port=0, environment=environment, note=note)
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


def _await_scores(api: Api, name: str, expected: int) -> dict[str, list[float]]:
    """Follow the list of results, which is in the order of commits, until all are there; return the scores of each scale."""
    found: dict[str, list[float]] = {}
    deadline = time.monotonic() + _TIMEOUT
    seen = 0
    listed = ResultList(api, name)
    while True:
        for item in listed.read():
            seen += 1
            if item["state"] != "Scored":
                raise CliError(f"an attempt could not be scored: {item.get('reason')}")
            for scale, scored in item["scales"].items():
                if scored["raw"] is not None:
                    found.setdefault(scale, []).append(scored["raw"])
        if seen >= expected:
            return found
        if not listed.at_end:
            continue
        if time.monotonic() > deadline:
            raise CliError(f"{seen:,} of {expected:,} attempts were scored within {_TIMEOUT:.0f} s")
        time.sleep(_POLL)


def _compare(scored: dict[str, list[float]]) -> list[str]:
    """Print what came out beside what is published; return where they differ."""
    faults, rows = [], []
    for scale, published in PUBLISHED.items():
        values = scored.get(scale, [0.0, 0.0])
        mean, deviation = statistics.fmean(values), statistics.stdev(values)
        agrees = all(abs(found - known) <= _TOLERANCE for found, known in zip((mean, deviation), published, strict=True))
        if not agrees:
            faults.append(f"{scale}: mean {mean:.6f} and SD {deviation:.6f}, but {published[0]:.6f} and {published[1]:.6f} are published")
        row = {"scale": scale, "n": len(values), "mean": f"{mean:.6f}", "sd": f"{deviation:.6f}"}
        rows.append(row | {"published mean": f"{published[0]:.6f}", "published sd": f"{published[1]:.6f}"})
    show_table(rows)
    return faults


def _bytes_per_attempt(stack: Stack) -> tuple[float, float]:
    """Return the bytes that records (with the callers' keys in them), and the index of these keys, take per attempt.

    As the server counts them.
    """
    client: Any = redis.Redis.from_url(stack.redis_url)
    keys = Keys(stack.namespace)
    try:
        attempts = int(client.get(keys.arrivals) or 0)
        blocks = range((attempts + BLOCK_SIZE - 1) // BLOCK_SIZE + 1)

        def size(*names: str) -> int:
            return sum(client.memory_usage(name, samples=0) or 0 for name in names)

        records = size(*(name for block in blocks for name in (keys.attempts(block), keys.results(block))))
        buckets = client.scan_iter(match=f"{keys.partition}:k:*", count=10_000)
        return records / max(attempts, 1), size(*buckets) / max(attempts, 1)
    finally:
        client.close()


def _time_singles(api: Api, document: Document) -> Iterator[float]:
    """Submit attempts one at a time, under another name so that the means stay; yield the milliseconds of each."""
    name = "bfi-25-one-by-one"
    renamed = msgspec.json.decode(document.text)
    renamed["metadata"]["name"] = name
    text = msgspec.json.encode(renamed)
    api.request("PUT", f"/v1/instruments/{name}", params={"wait": 30}, content=text, headers={"content-type": "application/json"})
    answers = {item.id: 1 + place % 6 for place, item in enumerate(document.instrument.spec.items)}
    path, headers = f"/v1/instruments/{name}/attempts", {"content-type": "application/json"}
    for number in range(_WARM_UP + _SINGLES):
        body = msgspec.json.encode({"key": f"single-{number}", "answers": answers})
        began = time.perf_counter()
        answer = api.request("POST", path, params={"wait": 10}, content=body, headers=headers)
        milliseconds = (time.perf_counter() - began) * 1000
        if msgspec.json.decode(answer.content)["state"] != "Scored":
            raise CliError(f"single submission {number} was not scored within 10 s")
        if number >= _WARM_UP:
            yield milliseconds


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    sys.exit(main())
