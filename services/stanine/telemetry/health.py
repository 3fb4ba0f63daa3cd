"""Health server of the watchers: /healthz, /readyz and /metrics.

Started by their composition roots.

The API serves the same endpoints itself.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from .heartbeats import Heartbeats
from .metrics import expose

#: Seconds for a probe to send its request; an idle connection is then closed.
_READ_TIMEOUT = 5


class HealthReport(msgspec.Struct, frozen=True):
    """Body of /healthz and /readyz: status and reasons.

    A ready API may give reasons for work that it rejects.
    """

    ok: bool
    reasons: list[str] = []


class HealthServer:
    """A small HTTP server in a daemon thread.

    `ready` returns the reasons why this process is not ready; it is called for every probe, so it must be cheap.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        heartbeats: Heartbeats,
        ready: Callable[[], Sequence[str]],
        registry: CollectorRegistry,
    ) -> None:
        """Bind the port (0: a free one, see `port`). Raises OSError if it is in use."""
        self._server = _server_class(host)((host, port), _handler(heartbeats, ready, registry))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            name="health",
            daemon=True,
        )

    @property
    def port(self) -> int:
        """The bound port."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Start serving."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and release the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


def _server_class(host: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    return Server


def _handler(
    heartbeats: Heartbeats, ready: Callable[[], Sequence[str]], registry: CollectorRegistry
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _READ_TIMEOUT

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/healthz":
                self._report(heartbeats.late())
            elif path == "/readyz":
                self._report(ready())
            elif path == "/metrics":
                self._send(200, *expose(registry, self.headers.get("Accept", "")))
            else:
                self._send(404, b"", "text/plain")

        def _report(self, reasons: Sequence[str]) -> None:
            body = msgspec.json.encode(HealthReport(ok=not reasons, reasons=list(reasons)))
            self._send(503 if reasons else 200, body, "application/json")

        def _send(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
            """Log nothing: probes come every few seconds."""

    return Handler
