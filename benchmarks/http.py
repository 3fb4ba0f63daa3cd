# ruff: noqa: A005 - the command is named by what it measures; it is run as a module of the package, so nothing is shadowed
"""Compare HTTP submissions to one process: Stanine's API, Fastify + BullMQ, FastAPI + Dramatiq.

    python -m benchmarks.http [--json] [--quick] [--rounds N] [--only a,b]

All check a key, validate 50 answers against the form, store the record, queue a message each, and return id and token;
in bulk (NDJSON, one attempt per line, 2,000 lines per request, 4 connections) they also check the caller's key for
repeats. No worker drains the queue during the load. Separate processes generate it: wrk (one thread) for single
submissions, over 64 connections ("single") and over one ("sequential"), and bulk_load.py in bulk. Append-only file
everysec. After each run the numbers of stored and accepted attempts are compared. The peers: peers/http_*.
"""

import argparse
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from benchmarks import machine
from benchmarks.peers import work
from benchmarks.peers.roster import PEERS, versions
from benchmarks.processes import ROOT, started
from benchmarks.published import NAMESPACE, Published, plain_instrument
from benchmarks.servers import free_port, running, set_appendfsync
from stanine.store.keys import Keys

#: Lines per bulk request, and concurrent requests.
LINES, BULK_CONNECTIONS = 2000, 4
#: Connections of wrk.
CONNECTIONS = 64
#: Number of different bodies of single submissions.
BODIES = 500
#: Seconds until a server must respond.
PATIENCE = 20.0


@dataclass(frozen=True)
class Served:
    """A server that accepts attempts."""

    name: str
    command: tuple[str, ...]
    bulk_path: str
    #: Approximate attempts per second in bulk; determines the size of the load.
    pace: int
    #: The peer whose environment it runs in.
    peer: str


_BENCH = ROOT / ".stanine" / "bench-venv" / "bin" / "uvicorn"
SERVERS = (
    Served(
        "stanine",
        (sys.executable, "-m", "stanine.api", "--port", "{port}"),
        "/v1/instruments/ipip-50/attempts:bulk",
        50_000,
        "stanine",
    ),
    Served(
        "fastify_bullmq",
        ("node", str(ROOT / "benchmarks/peers/http_bullmq.mjs"), "{port}"),
        "/v1/instruments/ipip-50/bulk",
        8_000,
        "bullmq",
    ),
    Served(
        "fastapi_dramatiq",
        (
            str(_BENCH),
            "benchmarks.peers.http_dramatiq:app",
            "--port",
            "{port}",
            "--loop",
            "uvloop",
            "--http",
            "httptools",
            "--no-access-log",
            "--log-level",
            "warning",
        ),
        "/v1/instruments/ipip-50/bulk",
        2_500,
        "dramatiq",
    ),
)


class Measuring:
    """One Redis server and the figures measured on it."""

    def __init__(self, url: str, directory: Path, seconds: float) -> None:
        self.url = url
        self.client: Any = redis.Redis.from_url(url)
        self.seconds = seconds
        self.log = directory / "servers.log"
        self.key = secrets.token_urlsafe(24)
        self.keys_file = directory / "keys.yaml"
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        self.keys_file.write_text(
            json.dumps(
                [
                    {
                        "name": "bench",
                        "sha256": digest,
                        "scopes": ["attempts:write"],
                        "instruments": ["*"],
                    }
                ]
            )
        )
        self.bodies = directory / "bodies"
        texts = [
            work.attempt_text(number).replace(b'"instrument":"ipip-50",', b"")
            for number in range(BODIES)
        ]
        self.bodies.write_bytes(b"\n".join(texts) + b"\n")
        self.published = Published(self.client, plain_instrument(), self.log)
        self.figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.exact: dict[str, bool] = {}

    def measure(self, served: Served) -> str:
        """Run one server under load, with single and bulk submissions."""
        self.published.put_back()
        port = free_port()
        environment = {
            "BENCH_URL": self.url,
            "BENCH_KEY": self.key,
            "STANINE_REDIS_URL": self.url,
            "STANINE_NAMESPACE": NAMESPACE,
            "STANINE_KEYS_FILE": str(self.keys_file),
            "NODE_ENV": "production",
        }
        with started([word.format(port=port) for word in served.command], environment, self.log):
            self._await(served, port)
            self._single(served, port, 1.0)  # warm-up
            alone = self._single(served, port, max(1.0, self.seconds // 2), connections=1)
            self._note(
                served,
                "sequential",
                alone["requests"] / alone["seconds"],
                alone["p50"],
                alone["p99"],
            )
            before = self._stored(served)
            single = self._single(served, port, self.seconds)
            self._check(served, before, single["requests"] - single["refused"], slack=CONNECTIONS)
            self._note(
                served,
                "single",
                single["requests"] / single["seconds"],
                single["p50"],
                single["p99"],
            )
            before = self._stored(served)
            bulk = self._bulk(served, port)
            self._check(served, before, bulk["accepted"], slack=0)
            rate = bulk["accepted"] / bulk["seconds"]
            self._note(
                served,
                "bulk",
                rate,
                machine.percentile(bulk["ms"], 0.5),
                machine.percentile(bulk["ms"], 0.99),
            )
        return f"single {single['requests'] / single['seconds']:,.0f}/s, bulk {rate:,.0f}/s"

    def _note(self, served: Served, how: str, rate: float, p50: float, p99: float) -> None:
        for what, value in (("per_second", rate), ("p50_ms", p50), ("p99_ms", p99)):
            self.figures[f"{how}_{what}"][served.name].append(value)

    def _await(self, served: Served, port: int) -> None:
        """Wait until the server accepts attempts."""
        deadline = time.monotonic() + PATIENCE
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/instruments/ipip-50/attempts",
            self.bodies.read_bytes().split(b"\n")[0],
            {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"},
        )
        while True:
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    if answer.status == 202:
                        return
            except urllib.error.HTTPError as error:
                problem = f"{error.code} {error.read()[:500]!r}"
            except OSError as error:
                problem = str(error)
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"{served.name} does not take attempts: {problem}; {self.log.read_text()[-1500:]}"
                )
            time.sleep(0.05)

    def _single(
        self, served: Served, port: int, seconds: float, connections: int = CONNECTIONS
    ) -> dict[str, Any]:
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds:g}s",
            "-s",
            "benchmarks/single.lua",
            f"http://127.0.0.1:{port}/",
        ]
        environment = {**os.environ, "BENCH_BODIES": str(self.bodies), "BENCH_KEY": self.key}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout.rpartition("JSON ")[2])
        if found["refused"] or found["broken"]:
            raise RuntimeError(f"{served.name}: {found}; {self.log.read_text()[-1500:]}")
        return found

    def _bulk(self, served: Served, port: int) -> dict[str, Any]:
        requests = max(BULK_CONNECTIONS, round(served.pace * self.seconds / LINES))
        load = {
            "port": port,
            "path": served.bulk_path,
            "key": self.key,
            "connections": BULK_CONNECTIONS,
            "requests": requests,
            "lines": LINES,
            "first": 0,
        }
        command = [sys.executable, "-m", "benchmarks.bulk_load"]
        done = subprocess.run(
            command, cwd=ROOT, input=json.dumps(load), capture_output=True, text=True, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        if found["accepted"] != requests * LINES:
            raise RuntimeError(
                f"{served.name} accepted {found['accepted']} of {requests * LINES} attempts; {self.log.read_text()[-1500:]}"
            )
        return found

    def _stored(self, served: Served) -> int:
        if served.name == "stanine":
            return int(self.client.get(Keys(NAMESPACE).arrivals) or 0)
        return int(self.client.hlen(work.ATTEMPTS))

    def _check(self, served: Served, before: int, accepted: int, slack: int) -> None:
        """Compare stored with accepted attempts; wrk may end with one open request per connection."""
        time.sleep(0.2)
        stored = self._stored(served) - before
        self.exact[served.name] = (
            self.exact.get(served.name, True) and accepted <= stored <= accepted + slack
        )


def measure(servers: list[Served], seconds: float, rounds: int) -> dict[str, Any]:
    """Return all figures."""
    on = machine.machine()
    with tempfile.TemporaryDirectory(prefix="stanine-bench-") as directory, running() as server:
        measuring = Measuring(server.url, Path(directory), seconds)
        set_appendfsync(measuring.client, "everysec")
        for index in range(rounds):
            for served in servers[index % len(servers) :] + servers[: index % len(servers)]:
                outcome = measuring.measure(served)
                print(f"round {index + 1} {served.name:18} {outcome}", file=sys.stderr, flush=True)
        version = machine.server_version(measuring.client)
    figures = measuring.figures
    single, bulk, alone = (figures[f"{how}_per_second"] for how in ("single", "bulk", "sequential"))
    ratios: dict[str, list[float]] = {}
    for name in single:
        if name != "stanine" and "stanine" in single:
            for how, by_server in (("single", single), ("bulk", bulk), ("sequential", alone)):
                ratios[f"{how}: stanine/{name}"] = [
                    mine / other
                    for mine, other in zip(by_server["stanine"], by_server[name], strict=True)
                ]
        ratios[f"{name}: bulk/single"] = [
            many / one for many, one in zip(bulk[name], single[name], strict=True)
        ]
        ratios[f"{name}: bulk/sequential"] = [
            many / one for many, one in zip(bulk[name], alone[name], strict=True)
        ]
    medians = {name: machine.median(values) for name, values in ratios.items()}
    least = {
        "stanine: bulk/single": 20.0,
        "stanine: bulk/sequential": 20.0,
        "single: stanine/fastify_bullmq": 1.5,
    }
    peers = tuple(peer for peer in PEERS if peer.name in {served.peer for served in servers})
    return {
        "machine": on,
        "server": version,
        "versions": versions(peers) | _http_versions(servers),
        "rounds": rounds,
        **{
            what: {name: machine.median(values) for name, values in by_server.items()}
            for what, by_server in figures.items()
        },
        "delivery": {name: {"exact": exact} for name, exact in measuring.exact.items()},
        "ratios": medians,
        "spread": {
            **{
                what: {name: machine.spread(values) for name, values in by_server.items()}
                for what, by_server in figures.items()
            },
            "ratios": {name: machine.spread(values) for name, values in ratios.items()},
        },
        "bars": [
            {"bar": f"{name} ≥ {bar:g}", "figure": medians[name], "met": medians[name] >= bar}
            for name, bar in least.items()
            if name in medians
        ],
    }


def _http_versions(servers: list[Served]) -> dict[str, str]:
    names = {served.name for served in servers}
    found = {
        "wrk": subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
        .stdout.split("\n")[0]
        .split(" [")[0]
    }
    if "fastify_bullmq" in names:
        found["fastify"] = json.loads(
            (ROOT / "benchmarks/node_modules/fastify/package.json").read_text()
        )["version"]
    if "fastapi_dramatiq" in names:
        for package in ("fastapi", "uvicorn", "pydantic"):
            command = [
                str(_BENCH.parent / "python"),
                "-c",
                f"from importlib.metadata import version; print(version({package!r}))",
            ]
            found[package] = subprocess.run(
                command, capture_output=True, text=True, check=True
            ).stdout.strip()
    return found


def main() -> int:
    """Run the command; status 1 if stored and accepted attempts differ, 2 without wrk."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.http", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--seconds", type=int, help="seconds of each load (default 6, quick 2)")
    parser.add_argument("--rounds", type=int, help="rounds (default 5)")
    parser.add_argument(
        "--only", help=f"of {', '.join(served.name for served in SERVERS)}, with commas between"
    )
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print(
            "benchmarks.http: wrk is not there; install it with the package manager (Debian: apt-get install wrk)",
            file=sys.stderr,
        )
        return 2
    there = {peer.name for peer in PEERS if peer.is_there}
    wanted = set(options.only.split(",")) if options.only else {served.name for served in SERVERS}
    servers = [served for served in SERVERS if served.name in wanted and served.peer in there]
    found = measure(
        servers,
        float(options.seconds or (2 if options.quick else 6)),
        options.rounds or (1 if options.quick else 5),
    )
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    if options.json:
        print(json.dumps(found))
    else:
        for what in (
            f"{how}_{figure}"
            for how in ("sequential", "single", "bulk")
            for figure in ("per_second", "p50_ms", "p99_ms")
        ):
            for name, value in found[what].items():
                ends = found["spread"][what][name]
                print(f"{what:20}{name:20}{value:>12,}   ({ends['min']:,} to {ends['max']:,})")
        for bar in found["bars"]:
            print(f"{'met    ' if bar['met'] else 'NOT met'} {bar['bar']}: {bar['figure']}")
    return int(not all(each["exact"] for each in found["delivery"].values()))


if __name__ == "__main__":
    sys.exit(main())
