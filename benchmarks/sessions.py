"""Measure latencies of session saves and submissions at a fixed rate, on one API process.

    python -m benchmarks.sessions [--json] [--saves N] [--submits N] [--seconds N] [--output FILE]

50 items; sessions are opened first, then each is saved several times and submitted, over 64 connections, from this
process. Requests are due at constant intervals, independent of the server, and latency is measured from the due time (no
coordinated omission). Append-only file everysec; no watcher scores. Afterwards the numbers of stored attempts and
acknowledged submissions are compared.
"""

import argparse
import asyncio
import hashlib
import json
import os
import secrets
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import redis

from benchmarks import machine
from benchmarks.peers import work
from benchmarks.processes import started
from benchmarks.published import NAMESPACE, Published, plain_instrument
from benchmarks.servers import free_port, running, set_appendfsync
from stanine.store.keys import Keys

CONNECTIONS = 64
#: Items per save: one page.
ITEMS_A_SAVE = 5
#: Seconds for the server to become ready; maximum of the 99th percentile in milliseconds.
PATIENCE, BAR_MS = 30.0, 50.0


class Connection:
    """A persistent HTTP connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, method: str, path: str, bearer: str, body: bytes = b""
    ) -> tuple[int, bytes]:
        """Send a request and return status and body."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        head = f"{method} {path} HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {bearer}\r\nContent-Type: application/json\r\n"
        writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        text = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in text.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        return int(text[9:12]), await reader.readexactly(length)


async def load(port: int, key: str, *, saves: int, submits: int, seconds: int) -> dict[str, Any]:
    """Open the sessions, then save and submit them at the given rates."""
    connections = [Connection(port) for _ in range(CONNECTIONS)]
    each_saves, count = max(1, round(saves / submits)), submits * seconds
    answers = json.loads(work.attempt_text(0))["answers"]
    items = sorted(answers)
    sessions: list[tuple[str, str]] = [("", "")] * count

    async def open_some(place: int) -> None:
        for number in range(place, count, CONNECTIONS):
            status, body = await connections[place].ask(
                "POST", "/v1/instruments/ipip-50/sessions", key, b"{}"
            )
            if status != 201:
                raise RuntimeError(f"a session was not opened: {status} {body[:300]!r}")
            opened = json.loads(body)
            sessions[number] = opened["session"], opened["token"]

    began = time.perf_counter()
    await asyncio.gather(*map(open_some, range(CONNECTIONS)))
    opening = time.perf_counter() - began
    pages = [
        {item: answers[item] for item in (items * 2)[at : at + ITEMS_A_SAVE]}
        for at in range(0, len(items), ITEMS_A_SAVE)
    ]
    bodies = [
        json.dumps({"seq": seq, "page": seq, "answers": pages[seq % len(pages)]}).encode()
        for seq in range(1, each_saves + 1)
    ]
    took: dict[str, list[float]] = {"save": [], "submit": []}
    refused: list[str] = []
    distance = 1 / (saves + submits)
    start = time.perf_counter() + 0.5

    async def fill_in(place: int) -> None:
        sent = 0
        for number in range(place, count, CONNECTIONS):
            name, token = sessions[number]
            for step in range(each_saves + 1):
                due = start + (sent * CONNECTIONS + place) * distance
                sent += 1
                if (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                if step < each_saves:
                    status, body = await connections[place].ask(
                        "PATCH", f"/v1/sessions/{name}", token, bodies[step]
                    )
                else:
                    status, body = await connections[place].ask(
                        "POST", f"/v1/sessions/{name}:submit", token
                    )
                took["save" if step < each_saves else "submit"].append(
                    (time.perf_counter() - due) * 1000
                )
                if status not in (200, 202):
                    refused.append(f"{status} {body[:200]!r}")

    await asyncio.gather(*map(fill_in, range(CONNECTIONS)))
    lasted = time.perf_counter() - start
    if refused:
        raise RuntimeError(f"{len(refused)} requests were refused, for example {refused[0]}")
    return {
        "sessions": count,
        "opened_per_second": machine.digits(count / opening),
        **{
            f"{what}s_per_second": machine.digits(len(each) / lasted) for what, each in took.items()
        },
        **{
            f"{what}_p{share}_ms": machine.percentile(each, share / 100)
            for what, each in took.items()
            for share in (50, 99)
        },
    }


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(saves: int, submits: int, seconds: int) -> dict[str, Any]:
    """Return all figures."""
    on = machine.machine()
    with tempfile.TemporaryDirectory(prefix="stanine-bench-") as directory, running() as server:
        log, keys_file, key = (
            Path(directory) / "api.log",
            Path(directory) / "keys.yaml",
            secrets.token_urlsafe(24),
        )
        digest = hashlib.sha256(key.encode()).hexdigest()
        keys_file.write_text(
            json.dumps(
                [
                    {
                        "name": "bench",
                        "sha256": digest,
                        "scopes": ["sessions:write"],
                        "instruments": ["*"],
                    }
                ]
            )
        )
        client: Any = redis.Redis.from_url(server.url)
        set_appendfsync(client, "everysec")
        published = Published(client, plain_instrument(), log)
        published.put_back()
        port = free_port()
        environment = {
            "STANINE_REDIS_URL": server.url,
            "STANINE_NAMESPACE": NAMESPACE,
            "STANINE_KEYS_FILE": str(keys_file),
        }
        with started(
            [sys.executable, "-m", "stanine.api", "--port", str(port)], environment, log
        ) as api:
            _await(port, log)
            asyncio.run(load(port, key, saves=200, submits=20, seconds=1))  # warm-up
            before = int(client.get(Keys(NAMESPACE).arrivals) or 0)
            taken = cpu_seconds(api.pid)
            found = asyncio.run(load(port, key, saves=saves, submits=submits, seconds=seconds))
            stored = int(client.get(Keys(NAMESPACE).arrivals) or 0) - before
            taken = cpu_seconds(api.pid) - taken
            size = int(
                client.memory_usage(
                    Keys(NAMESPACE).session(bytes.fromhex(asyncio.run(_leave_open(port, key))))
                )
            )
        version = machine.server_version(client)
    worst = max(found["save_p99_ms"], found["submit_p99_ms"])
    return {
        "machine": on,
        "server": version,
        "asked": {"saves_per_second": saves, "submits_per_second": submits, "seconds": seconds},
        **found,
        "api_cpu_us_per_request": machine.digits(
            taken * 1e6 / (found["sessions"] * (2 + round(saves / submits)))
        ),
        "bytes_per_open_session": size,
        "exact": stored == found["sessions"],
        "bars": [
            {
                "bar": f"p99 of saves and submissions ≤ {BAR_MS:g} ms",
                "figure": worst,
                "met": worst <= BAR_MS,
            }
        ],
    }


async def _leave_open(port: int, key: str) -> str:
    """Open a session with all 50 answers and keep it open, to measure its size; return its id."""
    connection = Connection(port)
    opened = json.loads(
        (await connection.ask("POST", "/v1/instruments/ipip-50/sessions", key, b"{}"))[1]
    )
    answers = json.loads(work.attempt_text(0))["answers"]
    body = json.dumps({"seq": 1, "answers": answers}).encode()
    status, _ = await connection.ask(
        "PATCH", f"/v1/sessions/{opened['session']}", opened["token"], body
    )
    assert status == 200
    return str(opened["session"])


def _await(port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise RuntimeError(f"the API is not ready: {log.read_text()[-1500:]}")
        time.sleep(0.1)


def main() -> int:
    """Run the command; status 1 if stored attempts and acknowledged submissions differ."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sessions", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--saves", type=int, default=2000, help="saves a second (2000)")
    parser.add_argument("--submits", type=int, default=200, help="submissions a second (200)")
    parser.add_argument("--seconds", type=int, default=10, help="seconds (10)")
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    options = parser.parse_args()
    found = measure(options.saves, options.submits, options.seconds)
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:24}{value}")
    return int(not found["exact"])


if __name__ == "__main__":
    sys.exit(main())
