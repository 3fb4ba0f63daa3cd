"""The API and a resultWatcher as processes on one server, with a key, to be killed and started again. Used by exports.py."""

import hashlib
import http.client
import json
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.processes import started
from benchmarks.published import NAMESPACE
from benchmarks.servers import free_port

#: Seconds for the API to become ready.
PATIENCE = 60.0


class Services:
    """The API and a resultWatcher on one server."""

    def __init__(self, redis_url: str, directory: Path, scopes: Sequence[str]) -> None:
        self.log = directory / "services.log"
        self.port, self.key = free_port(), secrets.token_urlsafe(24)
        keys_file = directory / "keys.yaml"
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        keys_file.write_text(
            json.dumps(
                [{"name": "bench", "sha256": digest, "scopes": list(scopes), "instruments": ["*"]}]
            )
        )
        self._environment = {
            "STANINE_REDIS_URL": redis_url,
            "STANINE_NAMESPACE": NAMESPACE,
            "STANINE_KEYS_FILE": str(keys_file),
        }
        #: For commands.
        self.caller = {
            "STANINE_API_URL": f"http://127.0.0.1:{self.port}",
            "STANINE_KEY": self.key,
            "TMPDIR": str(directory),
        }
        self._running: dict[str, ExitStack] = {}
        self._pids: dict[str, int] = {}

    def start_api(self) -> None:
        """Start the API and wait until it is ready."""
        self._start("api", "stanine.api", "--port", str(self.port))
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the API is not ready: {self.log.read_text()[-1500:]}")
            time.sleep(0.1)

    def start_watcher(self) -> None:
        """Start the resultWatcher."""
        self._start("watcher", "stanine.result_watcher")

    def _start(self, name: str, module: str, *options: str) -> None:
        entered = ExitStack()
        process = entered.enter_context(
            started([sys.executable, "-m", module, *options], self._environment, self.log)
        )
        self._running[name], self._pids[name] = entered, process.pid

    def _is_ready(self) -> bool:
        try:
            status, _ = self.get("/readyz")
        except OSError:
            return False
        return status == 200

    def kill(self, name: str) -> None:
        """Send SIGKILL to a service."""
        self._running.pop(name).close()

    def stop(self) -> None:
        """Kill all services."""
        for name in list(self._running):
            self.kill(name)

    def pid(self, name: str) -> int:
        """Return the process id of a service."""
        return self._pids[name]

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of a GET."""
        connection = self.connection()
        connection.request("GET", path, headers=self.headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def connection(self) -> http.client.HTTPConnection:
        """Return a new connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    @property
    def headers(self) -> dict[str, str]:
        """The key as a header."""
        return {"Authorization": f"Bearer {self.key}"}
