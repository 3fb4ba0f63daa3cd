"""A trace receiver: stores each request's body; a GET returns all of them in base64.

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
    """Accepts POST /v1/traces; GET at any path returns the received bodies."""

    bodies: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Return the bodies received so far."""
        self._answer(200, json.dumps(self.bodies).encode(), "application/json")

    def do_POST(self) -> None:
        """Store the request's body."""
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
        """Log nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", PORT), Receiver).serve_forever()
