"""Measure the memory of API, watcher and commands with many attempts, and check what they export.

    python -m benchmarks.exports [--attempts 100000,1000000] [--json] [--output FILE]

Attempts of 50 items with two attributes and a key are submitted in bulk and scored by one resultWatcher; then every
export and every statistic is run. Sizes are cumulative on one server, and API and watcher are started again for each,
so that the peaks of two sizes can be compared. Every export must contain each accepted attempt once. Exports that are
killed, client and API, and continued must equal those that were not. A million attempts take about an hour.
"""

import argparse
import filecmp
import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis

from benchmarks import machine
from benchmarks.api_services import Services
from benchmarks.export_files import Identities, cut, in_lines, in_parquet, in_table
from benchmarks.peak_memory import FLAT, Finished, peak_bytes, reset_peak, run_command, size_of
from benchmarks.peers import work
from benchmarks.published import NAMESPACE, Published, plain_instrument
from benchmarks.servers import running, set_appendfsync
from stanine.store.keys import Keys

#: Lines per bulk request.
LINES = 2000
#: Seconds without progress of the watcher after which the run fails.
STUCK = 60.0
#: Times that a bulk request is sent until all its lines are accepted.
TRIES = 10
#: Bytes of an answer that are read at once.
PART = 1 << 16
#: Share of an export after which it is interrupted.
INTERRUPTED_AT = 1 / 3
SCOPES = ["attempts:write", "attempts:read", "results:read", "instruments:read"]
NAME = "ipip-50"
LIST = f"/v1/instruments/{NAME}/attempts"
ALL = "answers,attributes,labels"


def instrument() -> Any:
    """Return the 50 IPIP markers with two attributes."""
    plain = plain_instrument()
    plain["spec"]["attributes"] = [
        {"id": "sex", "title": "Sex", "values": ["female", "male"]},
        {"id": "age", "title": "Age in years", "type": "Integer"},
    ]
    return plain


def line(number: int) -> bytes:
    """Return an attempt as a line of a bulk request."""
    about = {
        "key": f"k{number}",
        "participant": f"p{number // 2}",
        "attributes": {"sex": ("female", "male")[number % 2], "age": 18 + number % 60},
    }
    own = work.attempt_text(number).replace(b'"instrument":"ipip-50",', b"")
    return json.dumps(about).encode()[:-1] + b"," + own[1:] + b"\n"


class Measuring:
    """One server with attempts; figures of each step, all exports checked against the accepted attempts."""

    def __init__(self, client: Any, services: Services, directory: Path) -> None:
        self._client, self._services, self._directory = client, services, directory
        self._commits = Keys(NAMESPACE).commits
        self.accepted = Identities()
        self._figures: dict[str, dict[str, Any]] = {}

    def at(self, count: int) -> dict[str, dict[str, Any]]:
        """Have `count` attempts, run every step with fresh services; return the figures by step."""
        self._figures = {}
        self._services.start_api()
        self._services.start_watcher()
        self._load(count)
        self._services.kill("watcher")
        self._stream("GET attempts, NDJSON", "application/x-ndjson", in_lines)
        self._stream("GET attempts, CSV", "text/csv", in_table)
        self._figure_of("statistics --by sex", _counted)
        self._figure_of("reliability", lambda found: found["people"])
        self._figure_of("norms --by sex,age:10", lambda found: found["people"])
        self._export(f"results -o csv --with {ALL}", in_table)
        self._export("answers -o ndjson", in_lines)
        self._export("answers -o csv", in_table)
        self._export("answers -o parquet", in_parquet)
        self._interrupt("answers -o ndjson", "answers -o csv", "GET attempts, CSV")
        self._services.stop()
        return self._figures

    def _load(self, count: int) -> None:
        """Submit in bulk until there are `count` attempts, and wait for their results."""
        began = time.perf_counter()
        for first in range(self.accepted.count, count, LINES):
            body = b"".join(line(number) for number in range(first, min(count, first + LINES)))
            self.accepted = self.accepted.add(self._submit(body))
        self._await_results(count)
        self._note(
            "Submit in bulk, score",
            time.perf_counter() - began,
            watcher=peak_bytes(self._services.pid("watcher")),
        )

    def _submit(self, body: bytes) -> list[str]:
        """Submit lines until all are accepted, as a client does; their keys make that harmless. Return the attempts."""
        headers = {"Content-Type": "application/x-ndjson", **self._services.headers}
        for _ in range(TRIES):
            connection = self._services.connection()
            connection.request("POST", f"{LIST}:bulk", body, headers)
            lines = [json.loads(each) for each in connection.getresponse().read().splitlines()]
            connection.close()
            accepted = [each["attempt"] for each in lines if each.get("status") == 202]
            if len(accepted) == body.count(b"\n"):
                return accepted
            refused = [each for each in lines if each.get("status") != 202][:1]
            print(f"{len(accepted):,} lines were accepted; {refused}", file=sys.stderr, flush=True)
        raise RuntimeError("not all lines are accepted")

    def _await_results(self, count: int) -> None:
        seen, moved = -1, time.monotonic()
        while seen < count:
            found = sum(map(int, self._client.hvals(self._commits)))
            if found > seen:
                seen, moved = found, time.monotonic()
            elif time.monotonic() - moved > STUCK:
                raise RuntimeError(f"{seen:,} of {count:,} attempts are scored")
            time.sleep(0.1)

    def _stream(self, step: str, accept: str, ids_in: Callable[[Path], Identities]) -> None:
        """Read the list of attempts over HTTP to its end."""
        output, began = self._file(step), time.perf_counter()
        output.unlink(missing_ok=True)
        self._begin()
        if not self._read_list(accept, output, ""):
            raise RuntimeError(f"{step} was aborted")
        self._note(step, time.perf_counter() - began, output=output)
        self._check(step, ids_in(output))

    def _read_list(self, accept: str, output: Path, after: str, kill_at: int = 0) -> bool:
        """Append an answer to a file; kill the API when it has `kill_at` bytes. Return whether the answer is complete."""
        connection = self._services.connection()
        query = f"?after={after}" if after else ""
        connection.request(
            "GET", LIST + query, headers={"Accept": accept, **self._services.headers}
        )
        answer = connection.getresponse()
        try:
            with output.open("ab") as file:
                while part := answer.read1(PART):
                    file.write(part)
                    if kill_at and file.tell() >= kill_at:
                        self._services.kill("api")
                        kill_at = 0
        except (http.client.IncompleteRead, ConnectionError):
            return False
        finally:
            connection.close()
        return True

    def _export(self, options: str, ids_in: Callable[[Path], Identities]) -> None:
        """Run a command that exports, and check its file."""
        output = self._file(options)
        self._begin()
        done = self._run(options, output)
        self._note(options, done.seconds, command=done.peak, output=output)
        self._check(options, ids_in(output))

    def _run(self, options: str, output: Path, **more: Any) -> Finished:
        """Run a command on the instrument. Raises RuntimeError if it fails and nothing interrupts it."""
        name, *others = options.split()
        command = [sys.executable, "-m", "stanine.cli.main", name, NAME, *others]
        log = self._directory / "commands.log"
        done = run_command(command, self._services.caller, output, log, **more)
        if done.status and not more.get("interrupt"):
            raise RuntimeError(f"{options}: {log.read_text()[-1500:]}")
        return done

    def _interrupt(self, lines: str, table: str, streamed: str) -> None:
        """Interrupt three exports in the middle, and continue them; the files must be those of the whole exports."""
        self._interrupt_command(lines, kills_command=True)
        self._interrupt_command(table, kills_command=False)
        whole, resumed = self._file(streamed), self._file(f"{streamed} resumed")
        if self._read_list("text/csv", resumed, "", int(size_of(whole) * INTERRUPTED_AT)):
            raise RuntimeError(f"{streamed} was not interrupted")
        self._services.start_api()
        self._append(resumed, lambda part: self._read_list("text/csv", part, cut(resumed)))
        self._compare(streamed, whole, resumed)

    def _interrupt_command(self, options: str, *, kills_command: bool) -> None:
        whole, resumed = self._file(options), self._file(f"{options} resumed")
        left = [size_of(whole) * INTERRUPTED_AT]

        def interrupt(process: "subprocess.Popen[str]") -> None:
            if left and size_of(resumed) >= left[0]:
                left.clear()
                if kills_command:
                    process.send_signal(signal.SIGKILL)
                self._services.kill("api")
                self._services.start_api()

        done = self._run(options, resumed, interrupt=interrupt)
        if left:
            raise RuntimeError(f"{options} was not interrupted")
        if done.status:
            self._append(resumed, lambda part: self._run(f"{options} --after {cut(resumed)}", part))
        self._compare(options, whole, resumed)

    def _append(self, file: Path, write: Callable[[Path], object]) -> None:
        """Append what `write` writes into another file, without the header of a table."""
        part = file.with_name("part")
        part.unlink(missing_ok=True)
        write(part)
        with part.open("rb") as source, file.open("ab") as target:
            first = source.readline()
            if first.startswith(b"{"):
                target.write(first)
            shutil.copyfileobj(source, target)

    def _compare(self, step: str, whole: Path, resumed: Path) -> None:
        if not filecmp.cmp(whole, resumed, shallow=False):
            raise RuntimeError(f"{step}: {resumed} differs from {whole}")
        resumed.unlink()

    def _figure_of(self, options: str, people: Callable[[Any], int]) -> None:
        """Run a command that computes figures, and check the number of people."""
        output = self._file(options)
        self._begin()
        done = self._run(f"{options} -o json", output)
        self._note(options, done.seconds, command=done.peak)
        if people(json.loads(output.read_text())) != self.accepted.count:
            raise RuntimeError(f"{options}: not all attempts are counted in {output}")

    def _file(self, step: str) -> Path:
        return self._directory / re.sub(r"\W+", "-", step)

    def _begin(self) -> None:
        reset_peak(self._services.pid("api"))

    def _check(self, step: str, found: Identities) -> None:
        if found != self.accepted:
            raise RuntimeError(
                f"{step}: {found.count:,} attempts, not the {self.accepted.count:,} accepted ones"
            )

    def _note(
        self,
        step: str,
        seconds: float,
        *,
        command: int = 0,
        watcher: int = 0,
        output: Path | None = None,
    ) -> None:
        peaks = {
            "api": peak_bytes(self._services.pid("api")),
            "command": command,
            "watcher": watcher,
        }
        self._figures[step] = {
            "seconds": machine.digits(seconds),
            **{f"{name}_mib": machine.digits(peak / 2**20) for name, peak in peaks.items() if peak},
            **({"bytes": size_of(output)} if output else {}),
        }
        print(f"{self.accepted.count:,} {step}: {self._figures[step]}", file=sys.stderr, flush=True)


def _counted(found: Any) -> int:
    """Return the number of people that all groups of statistics have together."""
    return sum(next(iter(each["scales"].values()))["n"] for each in found["groups"])


def bars(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the targets: peaks with the most attempts at most 1.1 times those with the fewest."""
    low, high = min(found, key=int), max(found, key=int)
    fewest, most = found[low], found[high]
    made = []
    for process in ("api", "command", "watcher"):
        ratios = {
            step: each[f"{process}_mib"] / fewest[step][f"{process}_mib"]
            for step, each in most.items()
            if f"{process}_mib" in each
        }
        if not ratios:
            continue
        step = max(ratios, key=lambda each: ratios[each])
        made.append(
            {
                "bar": f"exports of {int(high):,} attempts: {process} memory flat (≤ {FLAT} times that at {int(low):,})",
                "figure": machine.digits(ratios[step]),
                "step": step,
                "met": ratios[step] <= FLAT,
            }
        )
    return made


def measure(sizes: Sequence[int]) -> dict[str, Any]:
    """Return all figures."""
    with tempfile.TemporaryDirectory(prefix="stanine-bench-") as name, running() as server:
        directory = Path(name)
        client: Any = redis.Redis.from_url(server.url)
        set_appendfsync(client, "everysec")
        Published(client, instrument(), directory / "index_watcher.log")
        services = Services(server.url, directory, SCOPES)
        measuring = Measuring(client, services, directory)
        on = machine.machine()
        try:
            found = {str(size): measuring.at(size) for size in sorted(sizes)}
        finally:
            services.stop()
        version = machine.server_version(client)
    return {
        "machine": on,
        "server": version,
        "attempts": found,
        "bars": bars(found) if len(found) > 1 else [],
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.exports", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--attempts", default="100000,1000000", help="numbers (100000,1000000)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    options = parser.parse_args()
    found = measure([int(each) for each in options.attempts.split(",")])
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    if options.json:
        print(json.dumps(found))
    for bar in found["bars"]:
        print(f"{bar}", file=sys.stderr)


if __name__ == "__main__":
    main()
