import socket
import urllib.error
import urllib.request
from pathlib import Path

import msgspec
import pytest

from stanine.telemetry.health import HealthReport, HealthServer
from stanine.telemetry.heartbeats import Heartbeats
from stanine.telemetry.metrics import make_registry


def get(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_health_port_serves_liveness_readiness_and_metrics() -> None:
    now, reasons = 0.0, ["bootstrap is not done"]
    heartbeats = Heartbeats(clock=lambda: now)
    heartbeats.expect("sweep", within=5)
    server = HealthServer(
        "127.0.0.1", 0, heartbeats=heartbeats, ready=lambda: reasons, registry=make_registry()
    )
    server.start()
    try:
        assert get(server.port, "/healthz") == (200, b'{"ok":true,"reasons":[]}')
        status, body = get(server.port, "/readyz")
        assert (status, msgspec.json.decode(body, type=HealthReport)) == (
            503,
            HealthReport(False, ["bootstrap is not done"]),
        )
        reasons = []
        assert get(server.port, "/readyz?verbose")[0] == 200
        now = 6.0
        assert get(server.port, "/healthz")[0] == 503
        assert b"process_cpu_seconds_total" in get(server.port, "/metrics")[1]
        assert get(server.port, "/else")[0] == 404
    finally:
        server.stop()
    # The port is released immediately.
    HealthServer(
        "127.0.0.1", server.port, heartbeats=heartbeats, ready=list, registry=make_registry()
    ).stop()


def test_the_health_port_listens_where_there_is_only_ipv6() -> None:
    addresses = Path("/proc/net/if_inet6")
    if not addresses.exists() or f"{1:032x}" not in addresses.read_text():
        pytest.skip("this machine has no IPv6")
    server = HealthServer("::", 0, heartbeats=Heartbeats(), ready=list, registry=make_registry())
    server.start()
    try:
        with socket.create_connection(("::1", server.port), timeout=5) as client:
            client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.0 200")
    finally:
        server.stop()
