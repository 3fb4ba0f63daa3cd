"""Measure the server's time per attempt, from submit to commit, in version 0.1 and this version.

    python -m benchmarks.server_time [--json] [--attempts N] [--rounds N] [--output FILE]

Keyed bulk submit (512 attempts per call, 64 ids per message, UUIDs as keys, 50 items) and drain (load and commit, 512
per call; without reading or acknowledging messages): the time of the server's main thread, from INFO. Version 0.1 is the
commit VERSION_0_1 of this repository, unpacked into a temporary folder; peers/store_0_1.py runs it, peers/store_now.py
this tree. Each has a separate server, emptied before each round; they alternate in slices of 10,240 attempts, so that
other load on the machine affects both equally. Ratios are computed within a round. Measured on the machine's
redis-server (jemalloc) and the embedded Valkey.
"""

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import redis

from benchmarks import machine
from benchmarks.peers.slices import BATCH
from benchmarks.processes import ROOT, Orders, started
from benchmarks.servers import redis_server, running, valkey

#: Version 0.1: the last commit with the first format of the store.
VERSION_0_1 = "11ca4dcfcccfe76c45750626e814eb4f6c79c270"
#: Calls per slice: about 80 ms of the server. In shorter slices, cold caches after the other's slice matter more.
SLICE = 20
#: Maximum time of the present version relative to version 0.1.
MOST = 0.75


def unpack_version_0_1(directory: Path) -> None:
    """Unpack version 0.1's services; raises CalledProcessError if the repository lacks the commit."""
    archive = subprocess.run(
        ["git", "archive", VERSION_0_1, "services"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(directory, filter="data")


def drive(
    orders: Mapping[str, Orders], attempts: int, rounds: int, name: str
) -> dict[str, dict[str, list[float]]]:
    """Return microseconds per attempt and the ratio of each round, by version and step."""
    figures: dict[str, dict[str, list[float]]] = {
        way: defaultdict(list) for way in (*orders, "ratio")
    }
    calls = min(SLICE, max(1, attempts // BATCH))
    slices = max(1, attempts // (calls * BATCH))
    for index in range(rounds):
        found: dict[str, Any] = {
            way: dict.fromkeys(("submit_us", "drain_us", "total_us"), 0.0) for way in orders
        }
        for each in orders.values():
            each.give("empty")
            each.give(
                "slice", batches=calls
            )  # loads the functions and makes the allocations of each command's first call
        for number in range(slices):
            for way in list(orders)[:: -1 if number % 2 else 1]:
                took = orders[way].give("slice", batches=calls)
                for step in ("submit", "drain"):
                    found[way][f"{step}_us"] += took[step] / (slices * calls * BATCH) * 1e6
        for each in found.values():
            each["total_us"] = each["submit_us"] + each["drain_us"]
        found["ratio"] = {what: found["now"][what] / found["0.1"][what] for what in found["now"]}
        outcome = ", ".join(f"{way} {each['total_us']:.3g}" for way, each in found.items())
        print(f"round {index + 1} {name}: {outcome}", file=sys.stderr, flush=True)
        for way, each in found.items():
            for what, value in each.items():
                figures[way][what].append(value)
    return figures


def compare(binary: str, directory: Path, attempts: int, rounds: int) -> tuple[str, dict[str, Any]]:
    """Return a server's version, and the times of both versions of Stanine on it."""
    paths = {
        "0.1": ("store_0_1", {"PYTHONPATH": f"{directory / 'services'}:{ROOT}"}),
        "now": ("store_now", {}),
    }
    log = directory / "log"
    with ExitStack() as stack:
        orders = {}
        for way, (module, environment) in paths.items():
            server = stack.enter_context(running(binary=binary))
            command = [sys.executable, "-m", f"benchmarks.peers.{module}"]
            process = stack.enter_context(
                started(command, {"BENCH_URL": server.url, **environment}, log, stdin=-1, stdout=-1)
            )
            orders[way] = Orders(process, log)
        with redis.Redis.from_url(server.url) as client:
            name = machine.server_version(client)
        figures = drive(orders, attempts, rounds, name)
    medians = {
        way: {what: machine.median(values) for what, values in each.items()}
        for way, each in figures.items()
    }
    spread = {
        way: {what: machine.spread(values) for what, values in each.items()}
        for way, each in figures.items()
    }
    return name, {**medians, "spread": spread}


def measure(count: int, rounds: int) -> dict[str, Any]:
    """Return everything measured."""
    on = machine.machine()
    with tempfile.TemporaryDirectory(prefix="stanine-0.1-") as directory:
        unpack_version_0_1(Path(directory))
        binaries = [binary for binary in (redis_server(), valkey()) if binary]
        servers = dict(compare(binary, Path(directory), count, rounds) for binary in binaries)
    ratios = {name: each["ratio"]["total_us"] for name, each in servers.items()}
    bars = [
        {
            "bar": f"server time of keyed bulk submit and drain ≤ {MOST} of version 0.1's, {name}",
            "figure": ratio,
            "met": ratio <= MOST,
        }
        for name, ratio in ratios.items()
    ]
    return {"machine": on, "attempts": count, "rounds": rounds, "servers": servers, "bars": bars}


def main() -> int:
    """Run the command; status 2 if version 0.1 is not in the repository."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.server_time", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--attempts", type=int, default=4 * SLICE * BATCH)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    options = parser.parse_args()
    try:
        found = measure(options.attempts, options.rounds)
    except subprocess.CalledProcessError as error:
        print(
            f"benchmarks.server_time: commit {VERSION_0_1} is needed: {error.stderr.decode().strip()}",
            file=sys.stderr,
        )
        return 2
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    if options.json:
        print(json.dumps(found))
        return 0
    for name, each in found["servers"].items():
        for way in ("0.1", "now", "ratio"):
            figures = "  ".join(
                f"{what.removesuffix('_us')} {value:>6}" for what, value in each[way].items()
            )
            print(f"{name:32}{way:6} {figures}   {each['spread'][way]['total_us']}")
    for bar in found["bars"]:
        print(f"{'met    ' if bar['met'] else 'NOT met'} {bar['bar']}: {bar['figure']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
