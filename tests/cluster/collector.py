"""A receiver of traces for the cluster: keeps each request's body, and answers all of them, in base64, to whoever asks.

test_telemetry.py runs it in a pod, from a ConfigMap, with the image's own Python.
"""

import base64
import gzip
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

#: OTLP over HTTP.
PORT = 4318


class Receiver(BaseHTTPRequestHandler):
    """Takes /v1/traces, and tells what it took at any address."""

    bodies: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Tell what was sent so far."""
        self._answer(200, json.dumps(self.bodies).encode(), "application/json")

    def do_POST(self) -> None:
        """Keep what is sent."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/v1/traces":
            self.bodies.append(base64.b64encode(body).decode())
        self._answer(200 if self.path == "/v1/traces" else 404, b"", "application/x-protobuf")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", PORT), Receiver).serve_forever()
