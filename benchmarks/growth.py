"""Measure drains by backlog, worker processes, items, append-only file and distance to Redis.

    python -m benchmarks.growth [--json] [--quick] [--rounds N] [--only backlog,processes,items,appendfsync,distance]

Each series queues attempts, one message each, while no worker runs, starts the workers, and measures the rate from the
first count after a tenth of the backlog to the last result, and the peak memory of a worker. `distance`: the worker (not
the submitter) connects to Redis through a proxy that delays replies by a millisecond: the toxiproxy-server of
`--toxiproxy` or STANINE_TOXIPROXY, otherwise delaying.py. The backlogs of 50 k and 1 M are also drained on the
machine's redis-server, if installed: it uses jemalloc, the embedded Valkey the C library's allocator.
"""

import argparse
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from benchmarks import delivery, machine
from benchmarks.peers import work
from benchmarks.processes import Orders, resident_bytes, started
from benchmarks.published import NAMESPACE, Published, plain_instrument, scales_of
from benchmarks.servers import Server, free_port, redis_server, running, set_appendfsync

#: Seconds between two counts of the results.
LOOK = 0.01
#: Share of the backlog that is excluded from the measured time.
WARM_UP = 0.1
#: Seconds without progress after which a drain fails.
STUCK = 60.0
#: Attempts per order to the submitter, which prepares them in memory.
PART = 100_000
#: Milliseconds that the proxy adds to a round trip.
ROUND_TRIP = 1.0


@dataclass(frozen=True)
class Case:
    """One drain."""

    series: str
    value: str
    backlog: int
    processes: int = 1
    items: int = 50
    appendfsync: str = "everysec"
    far: bool = False


def backlogs(series: str, counts: tuple[int, ...], scale: float) -> list[Case]:
    """Return the cases of backlogs of these lengths."""
    return [Case(series, f"{count:,}", int(count * scale)) for count in counts]


def cases(scale: float) -> list[Case]:
    """Return all cases; `scale` reduces the backlogs."""
    usual = int(100_000 * scale)
    found = backlogs("backlog", (10_000, 50_000, 100_000, 1_000_000), scale)
    found += [Case("processes", str(count), 2 * usual, processes=count) for count in (1, 2, 4)]
    found += [
        Case("items", str(count), usual if count <= 50 else usual // 2, items=count)
        for count in (1, 5, 50, 500)
    ]
    found += [
        Case("appendfsync", mode, usual, appendfsync=mode) for mode in ("off", "everysec", "always")
    ]
    return [
        *found,
        Case("distance", "loopback", usual),
        Case("distance", f"{ROUND_TRIP:g} ms round trip", usual, far=True),
    ]


class Growth:
    """One server and its figures."""

    def __init__(self, server: Server, directory: Path, toxiproxy: str | None) -> None:
        self.server = server
        self.client: Any = redis.Redis.from_url(server.url)
        self.log = directory / "workers.log"
        self.toxiproxy = toxiproxy
        self.published: dict[int, Published] = {}

    def drain(self, case: Case) -> dict[str, float]:
        """Return rate, peak memory of a worker, and the server's time by command."""
        plain = plain_instrument(case.items)
        if case.items not in self.published:
            self.published[case.items] = Published(self.client, plain, self.log)
        self.published[case.items].put_back()
        set_appendfsync(self.client, case.appendfsync)
        environment = {
            "BENCH_URL": self.server.url,
            "BENCH_SCALES": json.dumps(scales_of(plain)),
            "BENCH_ITEMS": str(case.items),
            "STANINE_REDIS_URL": self.server.url,
            "STANINE_NAMESPACE": NAMESPACE,
        }
        with started(
            [sys.executable, "-m", "benchmarks.peers.stanine"],
            environment,
            self.log,
            stdin=-1,
            stdout=-1,
        ) as process:
            orders = Orders(process, self.log)
            for first in range(0, case.backlog, PART):
                orders.give("add_many", first=first, count=min(PART, case.backlog - first))
        with ExitStack() as stack:
            url = (
                stack.enter_context(far_url(self.server, self.toxiproxy, self.log))
                if case.far
                else self.server.url
            )
            workers = [
                stack.enter_context(
                    started(
                        [sys.executable, "-m", "stanine.result_watcher"],
                        {**environment, "STANINE_REDIS_URL": url},
                        self.log,
                    )
                )
                for _ in range(case.processes)
            ]
            rate, late, resident = self._follow(case, workers)
        check = delivery.check_stanine(self.client, case.backlog, None, None)
        if not check.exact:
            raise RuntimeError(f"{case}: {check}")
        return {"per_second": rate, "late_share": late, "worker_mib": resident / 2**20}

    def _follow(
        self, case: Case, workers: "list[subprocess.Popen[str]]"
    ) -> tuple[float, float, int]:
        """Return rate, ratio of second to first half's rate, and peak memory of a worker."""
        half, halfway, first, began, seen, moved, resident = (
            0,
            0.0,
            0,
            0.0,
            0,
            time.perf_counter(),
            0,
        )
        while True:
            done, now = delivery.count_stanine(self.client), time.perf_counter()
            if done > seen:
                seen, moved = done, now
            if not began and done >= case.backlog * WARM_UP:
                first, began = done, now
            if began and not halfway and done >= (first + case.backlog) / 2:
                half, halfway = done, now
            resident = max(
                [
                    resident,
                    *(resident_bytes(worker.pid) for worker in workers if worker.poll() is None),
                ]
            )
            if done >= case.backlog:
                if not began < halfway < now:
                    return math.nan, math.nan, resident
                late = ((case.backlog - half) / (now - halfway)) / (
                    (half - first) / (halfway - began)
                )
                return (case.backlog - first) / (now - began), late, resident
            if now - moved > STUCK:
                raise RuntimeError(
                    f"{done} of {case.backlog} results, then nothing more: {self.log.read_text()[-1000:]}"
                )
            time.sleep(LOOK)


@contextmanager
def far_url(server: Server, toxiproxy: str | None, log: Path) -> Iterator[str]:
    """Run a proxy to the server that adds ROUND_TRIP to each round trip."""
    port = free_port()
    if toxiproxy is None:
        command = [
            sys.executable,
            "-m",
            "benchmarks.delaying",
            str(port),
            str(server.port),
            str(ROUND_TRIP),
        ]
        with started(command, {}, log):
            _await(port)
            yield f"redis://127.0.0.1:{port}/0"
        return
    control = free_port()
    with started([toxiproxy, "-host", "127.0.0.1", "-port", str(control)], {}, log):
        _await(control)
        proxy = {
            "name": "redis",
            "listen": f"127.0.0.1:{port}",
            "upstream": f"127.0.0.1:{server.port}",
            "enabled": True,
        }
        _post(control, "/proxies", proxy)
        toxic = {
            "type": "latency",
            "stream": "downstream",
            "attributes": {"latency": round(ROUND_TRIP), "jitter": 0},
        }
        _post(control, "/proxies/redis/toxics", toxic)
        yield f"redis://127.0.0.1:{port}/0"


def _post(port: int, path: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=5):
        pass


def _await(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"nothing listens on port {port}")


def round_trip(url: str) -> float:
    """Return the milliseconds of a PING, to measure a proxy's delay."""
    with redis.Redis.from_url(url) as client:
        times = []
        for _ in range(200):
            began = time.perf_counter()
            client.ping()
            times.append((time.perf_counter() - began) * 1000)
    return machine.median(times)


def _rounds(
    growth: Growth,
    wanted: list[Case],
    rounds: int,
    figures: dict[str, dict[str, dict[str, list[float]]]],
) -> None:
    for index in range(rounds):
        for case in wanted:
            found = growth.drain(case)
            outcome = f"{found['per_second']:,.0f}/s, worker {found['worker_mib']:.0f} MiB"
            print(
                f"round {index + 1} {case.series} {case.value}: {outcome}",
                file=sys.stderr,
                flush=True,
            )
            at = figures.setdefault(case.series, {}).setdefault(case.value, {})
            for what, value in found.items():
                at.setdefault(what, []).append(value)


def measure(wanted: set[str], scale: float, rounds: int, toxiproxy: str | None) -> dict[str, Any]:
    """Return everything measured."""
    on = machine.machine()
    work.SCALES[:] = []
    figures: dict[str, dict[str, dict[str, list[float]]]] = {}
    with tempfile.TemporaryDirectory(prefix="stanine-bench-") as directory, running() as server:
        growth = Growth(server, Path(directory), toxiproxy)
        with far_url(server, toxiproxy, growth.log) as url:
            far = round_trip(url)
        near = round_trip(server.url)
        _rounds(growth, [case for case in cases(scale) if case.series in wanted], rounds, figures)
        version = machine.server_version(growth.client)
    jemalloc = redis_server()
    if "backlog" in wanted and jemalloc:
        with (
            tempfile.TemporaryDirectory(prefix="stanine-bench-") as directory,
            running(binary=jemalloc) as server,
        ):
            growth = Growth(server, Path(directory), toxiproxy)
            _rounds(
                growth,
                backlogs(
                    f"backlog, {machine.server_version(growth.client)}", (50_000, 1_000_000), scale
                ),
                rounds,
                figures,
            )
    out: dict[str, Any] = {
        series: {
            value: {
                **{what: machine.median(values) for what, values in at.items()},
                "spread": machine.spread(at["per_second"]),
            }
            for value, at in by_value.items()
        }
        for series, by_value in figures.items()
    }
    return {
        "machine": on,
        "server": version,
        "rounds": rounds,
        "scale": scale,
        "ping_ms": {"loopback": near, "proxy": far},
        "proxy": "toxiproxy" if toxiproxy else "delaying.py",
        **out,
        "bars": _bars(figures),
    }


def _bars(figures: dict[str, dict[str, dict[str, list[float]]]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for series in (series for series in figures if series.startswith("backlog")):
        middle, most = figures[series]["50,000"], figures[series]["1,000,000"]
        on = series.removeprefix("backlog")
        share = statistics.median(
            long / short
            for long, short in zip(most["per_second"], middle["per_second"], strict=True)
        )
        memory = statistics.median(
            long / short
            for long, short in zip(most["worker_mib"], middle["worker_mib"], strict=True)
        )
        late = statistics.median(most["late_share"])
        found += [
            {
                "bar": f"1 M backlog{on}: drain rate within 20 % of the 50 k rate",
                "figure": machine.digits(share),
                "met": share >= 0.8,
            },
            {
                "bar": f"1 M backlog{on}: its second half is drained within 20 % of its first half's rate",
                "figure": machine.digits(late),
                "met": late >= 0.8,
            },
            {
                "bar": f"1 M backlog{on}: worker memory flat (≤ 1.1 times that at 50 k)",
                "figure": machine.digits(memory),
                "met": memory <= 1.1,
            },
        ]
    return found


def main() -> int:
    """Parse the command line, measure, print."""
    series = ("backlog", "processes", "items", "appendfsync", "distance")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--quick", action="store_true", help="a twentieth of the backlogs, one round"
    )
    parser.add_argument("--rounds", type=int, help="rounds (default 3)")
    parser.add_argument(
        "--only", default=",".join(series), help="series, with commas between (default: all)"
    )
    parser.add_argument(
        "--toxiproxy",
        default=os.environ.get("STANINE_TOXIPROXY"),
        help="a toxiproxy-server (default: STANINE_TOXIPROXY)",
    )
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    options = parser.parse_args()
    wanted = set(options.only.split(","))
    if wanted - set(series):
        parser.error(f"the series are {', '.join(series)}")
    found = measure(
        wanted,
        0.05 if options.quick else 1.0,
        options.rounds or (1 if options.quick else 3),
        options.toxiproxy,
    )
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    if options.json:
        print(json.dumps(found))
    else:
        for name in series:
            for value, at in found.get(name, {}).items():
                print(
                    f"{name:12}{value:>22}{at['per_second']:>12,}/s   worker {at['worker_mib']} MiB   {at['spread']}"
                )
        for bar in found["bars"]:
            print(f"{'met    ' if bar['met'] else 'NOT met'} {bar['bar']}: {bar['figure']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
