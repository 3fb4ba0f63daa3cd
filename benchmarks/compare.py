"""Compare Stanine's queue with alternatives: the same work, the same server, the same run.

    python -m benchmarks.compare [--json] [--quick | --smoke] [--rounds N] [--peers a,b] [--appendfsync everysec,off] [--output FILE]

The work: an attempt of 50 answers is queued, loaded, scored on 5 scales with reverse-keyed items, and its result is
stored once. Every round measures all peers, each on the emptied server, in an order that rotates by one from round to
round: its submitter submits one by one, then in bulk, while no worker runs; then one worker process is started and
drains the backlog; then, on the idle queue, single attempts are submitted at random times and polled until their
results are stored. After both, every result is checked. Ratios are computed within a round.

Output: with --json one document, otherwise a table. Command lines of the peers: peers/*.py.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import redis

from benchmarks import delivery, machine
from benchmarks.peers import work
from benchmarks.peers.roster import PEERS, Peer, versions
from benchmarks.processes import Orders, started
from benchmarks.published import NAMESPACE, Published, entry_of, plain_instrument, scales_of
from benchmarks.servers import running, set_appendfsync
from stanine.store.keys import Keys

#: Seconds between two counts of the results.
LOOK = 0.004
#: Share of a backlog that is excluded from the measured time: start-up and warm-up (V8 compiles).
WARM_UP = 0.1
#: Peers whose results are in Stanine's records.
OURS = frozenset({"stanine", "floor"})
#: The targets of DESIGN 10: (figure, Stanine's variant and the peer, minimum ratio, append-only file).
BARS = (
    ("drain", "bullmq", 12.0, "off"),
    ("drain", "bullmq", 10.0, "everysec"),
    ("drain", "dramatiq", 60.0, "off"),
    ("drain", "dramatiq", 60.0, "everysec"),
    ("drain", "floor", 0.6, "off"),
    ("drain", "floor", 0.6, "everysec"),
)


@dataclass(frozen=True)
class Plan:
    """Extent of the measurement. A quick run has noisier figures and is otherwise the same."""

    rounds: int
    drain_seconds: float
    single_seconds: float
    latencies: int
    slow_latencies: int
    gaps: tuple[float, float]
    largest: int
    #: Seconds without progress after which a drain fails.
    stuck: float
    #: Seconds after which no further measurement is started; omitted ones are named. None: no limit.
    limit: float | None = None

    def counts(self, peer: Peer) -> tuple[int, int, int]:
        """Return the numbers of attempts submitted one by one, in bulk, and for latency."""
        single = max(20, int(min(peer.pace, 1500) * self.single_seconds))
        backlog = min(self.largest, max(40, int(peer.pace * self.drain_seconds)))
        return single, backlog, self.slow_latencies if peer.pick_up > 0.1 else self.latencies


# Many short rounds rather than few long ones: other load on the machine then affects all peers equally.
FULL = Plan(
    rounds=8,
    drain_seconds=1.2,
    single_seconds=0.5,
    latencies=25,
    slow_latencies=12,
    gaps=(0.05, 0.25),
    largest=150_000,
    stuck=30.0,
)
QUICK = Plan(
    rounds=1,
    drain_seconds=0.7,
    single_seconds=0.15,
    latencies=40,
    slow_latencies=4,
    gaps=(0.005, 0.02),
    largest=50_000,
    stuck=10.0,
    limit=48.0,
)
#: For tests: each measurement once with minimal numbers; its figures are meaningless.
SMOKE = Plan(
    rounds=1,
    drain_seconds=0.03,
    single_seconds=0.02,
    latencies=3,
    slow_latencies=1,
    gaps=(0.005, 0.01),
    largest=1_500,
    stuck=30.0,
)


class Comparison:
    """One server and its figures: by (figure, append-only file), for each peer, one a round."""

    def __init__(self, url: str, directory: Path, peers: Sequence[Peer], plan: Plan) -> None:
        self.client: Any = redis.Redis.from_url(url)
        self.peers = peers
        self.plan = plan
        self.log = directory / "peers.log"
        plain = plain_instrument()
        self.entry = entry_of(plain)
        scales = scales_of(plain)
        self.environment = {
            "BENCH_URL": url,
            "BENCH_SCALES": json.dumps(scales),
            "STANINE_REDIS_URL": url,
            "STANINE_NAMESPACE": NAMESPACE,
        }
        work.SCALES[:] = [(scale["id"], scale["items"], scale["minValid"]) for scale in scales]
        self.scores = delivery.expected()
        self.published = Published(self.client, plain, self.log)
        self.figures: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self.latencies: dict[str, list[float]] = defaultdict(list)
        self.deliveries: dict[str, list[delivery.Delivery]] = defaultdict(list)
        self.faults: dict[str, str] = {}
        self.skipped: list[str] = []
        self.chance = random.Random(4)

    def run(self, modes: Sequence[str]) -> None:
        """Measure."""
        start = time.perf_counter()
        for index in range(self.plan.rounds):
            for mode in modes:
                set_appendfsync(self.client, mode)
                for peer in self._order(index, mode, modes):
                    began = time.perf_counter()
                    if self.plan.limit and began - start > self.plan.limit:
                        self.skipped.append(f"{peer.name}, appendonly {mode}")
                        continue
                    try:
                        outcome = self._measure(peer, mode, with_latency=mode == modes[0])
                    except (RuntimeError, TimeoutError, redis.RedisError) as error:
                        self.faults[peer.name] = outcome = f"failed: {error}"
                    note(
                        f"round {index + 1} appendonly {mode:8} {peer.name:14} {time.perf_counter() - began:5.1f} s  {outcome}"
                    )

    def _order(self, index: int, mode: str, modes: Sequence[str]) -> list[Peer]:
        """Return the round's peers in order; a quick run limits the second mode to those in BARS."""
        order = [*self.peers[index % len(self.peers) :], *self.peers[: index % len(self.peers)]]
        named = {"stanine", *(peer for _, peer, _, _ in BARS)}
        return (
            order
            if self.plan.limit is None or mode == modes[0]
            else [peer for peer in order if peer.name in named]
        )

    def _measure(self, peer: Peer, mode: str, *, with_latency: bool) -> str:
        self.published.put_back()
        single, backlog, samples = self.plan.counts(peer)
        total = single + backlog
        ours = peer.name in OURS
        count = delivery.count_stanine if ours else delivery.count_json
        with started(peer.submitter, self.environment, self.log, stdin=-1, stdout=-1) as process:
            orders = Orders(process, self.log)
            before = self._memory()
            self._note(
                "enqueue", mode, peer, single / orders.give("add", first=0, count=single)["seconds"]
            )
            self._note(
                "bulk_enqueue",
                mode,
                peer,
                backlog / orders.give("add_many", first=single, count=backlog)["seconds"],
            )
            records = self._record_bytes(ours=ours)
            self._note("message_bytes", mode, peer, (self._memory() - before - records) / total)
            self._note("record_bytes", mode, peer, records / total)
            with started(peer.worker, self.environment, self.log) as worker:
                rate = self._drain(
                    lambda: count(self.client), total, lambda: worker.poll() is not None
                )
                self.figures["drain", mode][peer.name].append(rate)
                self._check(peer, total)
                if with_latency and peer.submits:
                    gaps = [self.chance.uniform(*self.plan.gaps) for _ in range(samples)]
                    self.latencies[peer.name] += orders.give("latency", first=total, gaps=gaps)[
                        "ms"
                    ]
                    self._check(peer, total + samples)
        return f"{total:,} drained at {rate:,.0f}/s"

    def _note(self, what: str, mode: str, peer: Peer, value: float) -> None:
        if peer.submits:
            self.figures[what, mode][peer.name].append(value)

    def _memory(self) -> int:
        return int(self.client.info("memory")["used_memory"])

    def _record_bytes(self, *, ours: bool) -> int:
        if not ours:
            return int(self.client.memory_usage(work.ATTEMPTS, samples=0))
        pipeline = self.client.pipeline(transaction=False)
        for key in self.client.scan_iter(
            match=Keys(NAMESPACE).partition.replace("{", "\\{") + ":a:*", count=1000
        ):
            pipeline.memory_usage(key, samples=0)
        return sum(pipeline.execute())

    def _drain(self, count: Callable[[], int], total: int, has_ended: Callable[[], bool]) -> float:
        """Return attempts per second from the first count after the warm-up to the last result."""
        first, began, seen, moved = 0, 0.0, 0, time.perf_counter()
        while True:
            done, now = count(), time.perf_counter()
            if done > seen:
                seen, moved = done, now
            if not began and done >= total * WARM_UP:
                first, began = done, now
            if done >= total:
                return (
                    (total - first) / (now - began)
                    if now > began and total > first
                    else float("nan")
                )
            if now - moved > self.plan.stuck or (has_ended() and count() == done):
                raise RuntimeError(
                    f"{done} of {total} results, then nothing more: {self.log.read_text()[-1000:]}"
                )
            time.sleep(LOOK)

    def _check(self, peer: Peer, sent: int) -> None:
        if peer.name == "floor":
            found = delivery.check_stanine(
                self.client, sent, None, self.entry
            )  # the floor does not score
        elif peer.name == "stanine":
            found = delivery.check_stanine(self.client, sent, self.scores, self.entry)
        else:
            found = delivery.check_json(self.client, sent, self.scores)
        self.deliveries[peer.name].append(found)


def summary(comparison: Comparison, modes: Sequence[str]) -> dict[str, Any]:
    """Return medians, spreads, and the ratios of each round."""
    out: dict[str, Any] = {}
    spread: dict[str, Any] = {}
    ratios: dict[str, Any] = {}
    for (what, mode), by_peer in comparison.figures.items():
        name = what if mode == modes[0] else f"{what}_appendonly_{mode}"
        out[name] = {peer: machine.median(values) for peer, values in by_peer.items()}
        spread[name] = {peer: machine.spread(values) for peer, values in by_peer.items()}
        if not what.endswith("_bytes"):
            ours = by_peer.get("stanine", [])
            paired = {
                peer: [mine / other for mine, other in zip(ours, values, strict=False)]
                for peer, values in by_peer.items()
                if peer != "stanine"
            }
            ratios[name] = {
                f"stanine/{peer}": machine.median(values)
                for peer, values in paired.items()
                if values
            }
            spread[f"{name} ratios"] = {
                f"stanine/{peer}": machine.spread(values)
                for peer, values in paired.items()
                if values
            }
    out["latency_ms"] = {
        peer: {
            "p50": machine.percentile(values, 0.5),
            "p99": machine.percentile(values, 0.99),
            "max": machine.digits(max(values)),
            "samples": len(values),
        }
        for peer, values in comparison.latencies.items()
    }
    out["delivery"] = {
        # the first failed check, if any
        peer: {
            **asdict(min(checks, key=lambda check: check.exact)),
            "checks": len(checks),
            "exact": all(check.exact for check in checks),
        }
        for peer, checks in comparison.deliveries.items()
    }
    return {
        **out,
        "ratios": ratios,
        "spread": spread,
        "bars": _bars(ratios, out["latency_ms"], modes),
    }


def _bars(
    ratios: dict[str, Any], latency: dict[str, Any], modes: Sequence[str]
) -> list[dict[str, Any]]:
    found = []
    for what, peer, least, mode in BARS:
        name = what if mode == modes[0] else f"{what}_appendonly_{mode}"
        ratio = ratios.get(name, {}).get(f"stanine/{peer}")
        if mode in modes and ratio is not None:
            found.append(
                {
                    "bar": f"{what} ≥ {least:g} times {peer}, appendonly {mode}",
                    "figure": ratio,
                    "met": ratio >= least,
                }
            )
    if "stanine" in latency:
        for share, most in (("p50", 4.0), ("p99", 20.0)):
            figure = latency["stanine"][share]
            found.append(
                {
                    "bar": f"idle pick-up {share} ≤ {most:g} ms",
                    "figure": figure,
                    "met": figure <= most,
                }
            )
    return found


def note(text: str) -> None:
    """Print progress on standard error."""
    print(text, file=sys.stderr, flush=True)


def compare(peers: Sequence[Peer], plan: Plan, modes: Sequence[str]) -> dict[str, Any]:
    """Measure the installed peers and return the document."""
    there = tuple(peer for peer in peers if peer.is_there)
    left_out = [peer.name for peer in peers if not peer.is_there]
    if left_out:
        note(f"left out, not installed (benchmarks/install.sh): {', '.join(left_out)}")
    on = machine.machine()
    with tempfile.TemporaryDirectory(prefix="stanine-bench-") as directory, running() as server:
        comparison = Comparison(server.url, Path(directory), there, plan)
        comparison.run(modes)
        found = summary(comparison, modes)
        version = machine.server_version(comparison.client)
    return {
        "machine": on,
        "server": version,
        "versions": versions(there),
        "rounds": plan.rounds,
        "appendonly": list(modes),
        "left_out": left_out,
        "failed": comparison.faults,
        "skipped": comparison.skipped,
        "attempts": {peer.name: sum(plan.counts(peer)[:2]) for peer in there},
        **found,
    }


def table(found: dict[str, Any]) -> str:
    """Return the document as a table."""
    names = [
        name for name in found if name.startswith(("drain", "enqueue", "bulk", "message", "record"))
    ]
    lines = [found["machine"], found["server"], ""]
    for name in names:
        lines.append(name)
        for peer, value in sorted(found[name].items(), key=lambda pair: -pair[1]):
            low, high = (found["spread"][name][peer][end] for end in ("min", "max"))
            ratio = found["ratios"].get(name, {}).get(f"stanine/{peer}")
            lines.append(
                f"  {peer:16}{value:>12,}   ({low:,} to {high:,}){f'   stanine is {ratio} times that' if ratio else ''}"
            )
    lines.append("latency_ms")
    lines += [f"  {peer:16}{values}" for peer, values in found["latency_ms"].items()]
    lines += [
        f"{'met    ' if bar['met'] else 'NOT met'} {bar['bar']}: {bar['figure']}"
        for bar in found["bars"]
    ]
    return "\n".join(lines)


def main() -> int:
    """Run the command; status 1 if a peer failed or lost work, or Stanine was not exactly once."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--quick", action="store_true", help="one small round: ends within 60 s, noisier"
    )
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="as little as possible, for tests: the figures mean nothing",
    )
    parser.add_argument("--rounds", type=int, help="rounds (default 8)")
    parser.add_argument("--peers", help="only these, by name, with commas between")
    parser.add_argument(
        "--appendfsync",
        help="append-only files to measure with: everysec, off, always (default everysec,off)",
    )
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    options = parser.parse_args()
    plan = SMOKE if options.smoke else QUICK if options.quick else FULL
    if options.rounds:
        plan = Plan(**{**asdict(plan), "rounds": options.rounds})
    modes = (options.appendfsync or "everysec,off").split(",")
    known = {peer.name for peer in PEERS}
    wanted = set(options.peers.split(",")) if options.peers else known
    if wanted - known or set(modes) - {"everysec", "off", "always"}:
        parser.error(
            f"peers are {', '.join(sorted(known))}; append-only files are everysec, off, always"
        )
    found = compare([peer for peer in PEERS if peer.name in wanted], plan, modes)
    text = json.dumps(found, indent=None if options.json else 1)
    if options.output:
        options.output.write_text(text + "\n")
    print(text if options.json else table(found))
    # Peers may deliver twice by design: reported, not an error.
    ours = (each for name, each in found["delivery"].items() if name in OURS)
    complete = all(
        each["stored"] == each["sent"] and not each["wrong"] for each in found["delivery"].values()
    )
    return int(bool(found["failed"]) or not complete or not all(each["exact"] for each in ours))


if __name__ == "__main__":
    sys.exit(main())
