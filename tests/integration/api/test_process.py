"""The API process: start, requirements, stop, and memory of a long bulk request."""

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import Server, free_port
from tests.integration.api.serving import ADMIN, document

HEADERS = {"authorization": f"Bearer {ADMIN}"}
NDJSON = HEADERS | {"content-type": "application/x-ndjson"}
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def environment(valkey: Server, keys_file: Path) -> dict[str, str]:
    mine = {
        "STANINE_REDIS_URL": valkey.url,
        "STANINE_KEYS_FILE": str(keys_file),
        "STANINE_NAMESPACE": f"api-{secrets.token_hex(4)}",
    }
    return {**os.environ, **mine}


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, **changed: str) -> "subprocess.Popen[bytes]":
        with (tmp_path / "log").open("ab") as log:
            command = [sys.executable, "-m", "stanine.api", *arguments]
            started.append(
                subprocess.Popen(command, env={**environment, **changed}, stdout=log, stderr=log)
            )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def until_ready(url: str) -> None:
    began = time.monotonic()
    while True:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            assert time.monotonic() - began < 20
        time.sleep(0.02)


@pytest.fixture
def served(start: Start) -> "tuple[str, subprocess.Popen[bytes]]":
    port = free_port()
    process = start("--port", str(port))
    url = f"http://127.0.0.1:{port}"
    until_ready(url)
    return url, process


def publish(url: str, environment: dict[str, str]) -> None:
    """Publish `a-mood` and index it by a temporary indexWatcher."""
    with subprocess.Popen(
        [sys.executable, "-m", "stanine.index_watcher", "--health-port", str(free_port())],
        env=environment,
    ) as watcher:
        answer = httpx.put(
            f"{url}/v1/instruments/a-mood?wait=20", json=document(), headers=HEADERS, timeout=30
        )
        watcher.terminate()
    assert answer.json()["indexed"]


def rss(pid: int) -> int:
    """The peak memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) >> 10


def lines(count: int) -> Iterator[bytes]:
    for start in range(0, count, 1000):
        yield b"".join(
            b'{"key":"k%d","answers":{"i1":1,"i2":2,"i3":3}}\n' % number
            for number in range(start, start + 1000)
        )


def test_a_hundred_thousand_lines_need_bounded_memory(
    served: "tuple[str, subprocess.Popen[bytes]]", environment: dict[str, str]
) -> None:
    url, process = served
    publish(url, environment)
    httpx.post(
        f"{url}/v1/instruments/a-mood/attempts:bulk", content=b"".join(lines(1000)), headers=NDJSON
    )
    before = rss(process.pid)
    accepted = 0
    with httpx.stream(
        "POST",
        f"{url}/v1/instruments/a-mood/attempts:bulk",
        content=lines(100_000),
        headers=NDJSON,
        timeout=60,
    ) as answer:
        for line in answer.iter_lines():
            accepted += '"status":202' in line
    assert accepted == 100_000
    # httpx reads nothing before it has sent all, so 12 MB of answers accumulate in the process; nothing else grows
    assert rss(process.pid) - before < 48


def test_long_lines_need_bounded_memory(
    served: "tuple[str, subprocess.Popen[bytes]]", environment: dict[str, str]
) -> None:
    url, process = served
    publish(url, environment)
    before = rss(process.pid)
    content = (
        b'{"key":"k%d","answers":{"i1":1}}' % number + b" " * 250_000 + b"\n"
        for number in range(600)
    )  # 150 MB
    answer = httpx.post(
        f"{url}/v1/instruments/a-mood/attempts:bulk", content=content, headers=NDJSON, timeout=60
    )
    assert answer.text.count('"status":202') == 600
    assert rss(process.pid) - before < 48


def test_sigterm_finishes_open_requests_and_ends_held_ones(
    served: "tuple[str, subprocess.Popen[bytes]]", environment: dict[str, str]
) -> None:
    url, process = served
    publish(url, environment)
    held: list[httpx.Response] = []
    streamed: list[httpx.Response] = []
    begun, go_on = threading.Event(), threading.Event()

    def slow_lines() -> Iterator[bytes]:
        yield b'{"key":"s1","answers":{"i1":1}}\n'
        begun.set()
        go_on.wait(10)
        yield b'{"key":"s2","answers":{"i1":1}}\n'

    attempts = f"{url}/v1/instruments/a-mood/attempts"
    threads = [
        threading.Thread(
            target=lambda: held.append(
                httpx.post(
                    f"{attempts}?wait=30", json={"answers": {"i1": 1}}, headers=HEADERS, timeout=40
                )
            )
        ),
        threading.Thread(
            target=lambda: streamed.append(
                httpx.post(f"{attempts}:bulk", content=slow_lines(), headers=NDJSON, timeout=40)
            )
        ),
    ]
    for thread in threads:
        thread.start()
    begun.wait(10)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    go_on.set()
    for thread in threads:
        thread.join()
    assert held[0].status_code == 202
    assert [json.loads(line)["status"] for line in streamed[0].text.splitlines()] == [202, 202]
    assert process.wait(30) == 0


def test_a_draining_process_serves_requests_and_closes_connections(
    start: Start, environment: dict[str, str]
) -> None:
    port = free_port()
    process = start("--port", str(port), "--drain-seconds", "2")
    url = f"http://127.0.0.1:{port}"
    until_ready(url)
    with httpx.Client(base_url=url, headers=HEADERS) as kept:
        assert "connection" not in kept.get("/v1/instruments").headers
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        statuses = set()
        while time.monotonic() - began < 1.8:
            answer = kept.get("/v1/instruments")
            statuses.add((answer.status_code, answer.headers["connection"]))
        assert statuses == {(200, "close")}
        assert kept.get("/readyz").status_code == 503
    assert process.wait(30) == 0
    assert time.monotonic() - began >= 2


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"STANINE_REDIS_URL": ""}, "STANINE_REDIS_URL is not set"),
        ({"STANINE_KEYS_FILE": ""}, "STANINE_KEYS_FILE is not set"),
        ({"STANINE_KEYS_FILE": "/no/such/file"}, "STANINE_KEYS_FILE must name a file"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "use `otlp` or `none`"),
        ({"STANINE_LOG_LEVEL": "loud"}, "STANINE_LOG_LEVEL"),
    ],
)
def test_an_invalid_start_reports_a_remedy(
    start: Start, tmp_path: Path, changed: dict[str, str], says: str
) -> None:
    assert start(**changed).wait(20) == 2
    log = (tmp_path / "log").read_text()
    assert says in log
    assert "Traceback" not in log


def test_a_port_in_use_is_reported(
    served: "tuple[str, subprocess.Popen[bytes]]", start: Start, tmp_path: Path
) -> None:
    port = served[0].rsplit(":", 1)[1]
    assert start("--port", port).wait(20) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in (tmp_path / "log").read_text()
