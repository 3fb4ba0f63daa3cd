"""What an attempt takes of the server's time, from submit to committed result, in version 0.1 and now.

    python -m benchmarks.server_time [--json] [--attempts N] [--rounds N] [--output FILE]

Keyed bulk submit (512 attempts a call, 64 ids a message, UUIDs as keys, 50 items) and drain (load and commit, 512 a call; nothing is read
from the queue or acknowledged): the time of the server's main thread, by INFO. Version 0.1 is the commit VERSION_0_1 of this repository,
unpacked into a temporary folder; peers/store_0_1.py runs it. Each round measures both on the emptied server, in an order that changes from
round to round; ratios are taken within a round. On the machine's redis-server (jemalloc) and the embedded Valkey.
"""

import argparse
import asyncio
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import redis

from benchmarks import machine
from benchmarks.peers.stanine import attempts_of, submission
from benchmarks.processes import ROOT
from benchmarks.servers import redis_server, running, valkey
from stanine.domain.result import ENGINE_VERSION, SCALE_BYTES
from stanine.messages import Outbox
from stanine.store import load_library
from stanine.store.attempts import Submission
from stanine.store.keys import Keys
from stanine.store.records import result_start
from stanine.store.results import Results

#: Version 0.1: the last commit with the first format of the store.
VERSION_0_1 = "11ca4dcfcccfe76c45750626e814eb4f6c79c270"
#: Attempts a call, and scales of the instrument.
BATCH, SCALES = 512, 5
#: Attempts before the measurement: the functions are loaded, and what a command allocates at its first call.
WARM_UP = BATCH
#: Number and token of a change of the index.
VIEW = "1 0123456789abcdef"
#: The most that the present version may take, as a share of what 0.1 takes.
MOST = 0.75


def unpack_version_0_1(directory: Path) -> None:
    """Unpack the services of version 0.1 into a directory; raises CalledProcessError where the repository does not have the commit."""
    archive = subprocess.run(["git", "archive", VERSION_0_1, "services"], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(directory, filter="data")


def measure_0_1(directory: Path, url: str, count: int) -> dict[str, float]:
    """Return the microseconds an attempt that version 0.1 takes of the server."""
    environment = {**os.environ, "PYTHONPATH": f"{directory / 'services'}:{ROOT}", "BENCH_URL": url, "BENCH_COUNT": str(count)}
    command = [sys.executable, "-m", "benchmarks.peers.store_0_1"]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure_now(url: str, count: int) -> dict[str, float]:
    """Return the microseconds an attempt that this version takes of the server."""
    keys = Keys("bench")
    client: Any = redis.Redis.from_url(url)
    # A view of the index, which the functions check.
    client.set(keys.index_change, VIEW)
    client.hset(keys.index_history, *VIEW.split(" "))
    submissions = [msgspec.structs.replace(submission(number, with_key=True), view=VIEW) for number in range(count)]
    results = Results(client, load_library(), keys, Outbox(f"{keys.partition}:unused", b""))
    body = bytes(SCALE_BYTES * SCALES)
    began = machine.main_thread_seconds(client)
    ids = asyncio.run(_submit(url, keys, submissions))
    between = machine.main_thread_seconds(client)
    for start in range(0, count, BATCH):
        part = ids[start : start + BATCH]
        loaded = results.load(part)
        record = result_start(ENGINE_VERSION, 1, results.new_commit()) + body
        results.commit(1, part, [record] * len(part), {}, loaded.view)
    ended = machine.main_thread_seconds(client)
    assert client.hget(keys.commits, 1) == b"%d" % count
    client.close()
    return {"submit_us": (between - began) / count * 1e6, "drain_us": (ended - between) / count * 1e6}


async def _submit(url: str, keys: Keys, submissions: list[Submission]) -> list[bytes]:
    store = attempts_of(url, keys)
    ids = []
    for start in range(0, len(submissions), BATCH):
        ids += [one.id for one in await store.submit(submissions[start : start + BATCH])]
    return ids


def compare(binary: str, directory: Path, count: int, rounds: int) -> tuple[str, dict[str, Any]]:
    """Return a server's version, and what both versions of Stanine take of it."""
    figures: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in ("0.1", "now", "ratio")}
    ways: dict[str, Callable[[str, int], dict[str, float]]] = {
        "0.1": lambda url, many: measure_0_1(directory, url, many),
        "now": measure_now,
    }
    with running(binary=binary) as server, redis.Redis.from_url(server.url) as client:
        name = machine.server_version(client)
        for turn in range(rounds):
            found = {}
            for way in list(ways)[:: 1 if turn % 2 else -1]:
                for many in (WARM_UP, count):
                    client.execute_command("FLUSHALL", "SYNC")
                    found[way] = ways[way](server.url, many)
                found[way]["total_us"] = found[way]["submit_us"] + found[way]["drain_us"]
            found["ratio"] = {what: found["now"][what] / found["0.1"][what] for what in found["now"]}
            told = ", ".join(f"{way} {each['total_us']:.3g}" for way, each in found.items())
            print(f"round {turn + 1} {name}: {told}", file=sys.stderr, flush=True)
            for way, each in found.items():
                for what, value in each.items():
                    figures[way][what].append(value)
    medians = {way: {what: machine.median(values) for what, values in each.items()} for way, each in figures.items()}
    spread = {way: {what: machine.spread(values) for what, values in each.items()} for way, each in figures.items()}
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
        {"bar": f"server time of keyed bulk submit and drain ≤ {MOST} of version 0.1's, {name}", "figure": ratio, "met": ratio <= MOST}
        for name, ratio in ratios.items()
    ]
    return {"machine": on, "attempts": count, "rounds": rounds, "servers": servers, "bars": bars}


def main() -> int:
    """Parse the command line, measure, print; status 2 where version 0.1 is not in the repository."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server_time", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--attempts", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    options = parser.parse_args()
    try:
        found = measure(options.attempts, options.rounds)
    except subprocess.CalledProcessError as error:
        print(f"benchmarks.server_time: commit {VERSION_0_1} is needed: {error.stderr.decode().strip()}", file=sys.stderr)
        return 2
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    if options.json:
        print(json.dumps(found))
        return 0
    for name, each in found["servers"].items():
        for way in ("0.1", "now", "ratio"):
            figures = "  ".join(f"{what.removesuffix('_us')} {value:>6}" for what, value in each[way].items())
            print(f"{name:32}{way:6} {figures}   {each['spread'][way]['total_us']}")
    for bar in found["bars"]:
        print(f"{'met    ' if bar['met'] else 'NOT met'} {bar['bar']}: {bar['figure']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
