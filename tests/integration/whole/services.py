"""All of Stanine as real processes that a test may kill.

Valkey with appendfsync always, the API, both watchers.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from tests.conftest import Server, free_port, start_server

KEY = "a-key-of-the-tests"
SCOPES = [
    "instruments:read", "instruments:write", "attempts:write", "attempts:read", "results:read", "sessions:write", "invitations:write",
    "erase", "operate",
]  # fmt: skip


class Services:
    """The processes by name: valkey, api, index-watcher, result-watcher; and pages, if a test starts them."""

    def __init__(
        self,
        directory: Path,
        *,
        namespace: str = "stanine",
        server_options: tuple[str, ...] = ("--appendfsync", "always"),
        server_binary: str | None = None,
    ) -> None:
        self.directory = directory
        #: By name: a module with arguments that runs the service's own.
        self.launchers: dict[str, list[str]] = {}
        #: By name: additional variables of this process.
        self.environments: dict[str, dict[str, str]] = {}
        self.namespace = namespace
        self._server_options = server_options
        self._server_binary = server_binary
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports = {
            name: free_port()
            for name in ("valkey", "api", "index-watcher", "result-watcher", "pages")
        }
        self.url = f"http://127.0.0.1:{self._ports['api']}"
        self.redis_url = f"redis://127.0.0.1:{self._ports['valkey']}/0"
        keys = directory / "keys.json"
        keys.write_text(
            json.dumps(
                [
                    {
                        "name": "tests",
                        "sha256": hashlib.sha256(KEY.encode()).hexdigest(),
                        "scopes": SCOPES,
                        "instruments": ["*"],
                    }
                ]
            )
        )
        self._environment = {
            **os.environ, "STANINE_REDIS_URL": self.redis_url, "STANINE_NAMESPACE": namespace, "STANINE_KEYS_FILE": str(keys),
            "OTEL_SDK_DISABLED": "true", "STANINE_API_URL": self.url,
        }  # fmt: skip

    def start(self, *names: str) -> None:
        """Start processes by name, by default all but the pages; return without waiting for readiness."""
        for name in names or ("valkey", "index-watcher", "result-watcher", "api"):
            if name == "valkey":
                (self.directory / "valkey").mkdir(exist_ok=True)
                server: Server = start_server(
                    self.directory / "valkey",
                    *self._server_options,
                    port=self._ports["valkey"],
                    binary=self._server_binary,
                )
                assert server.process is not None
                self._processes[name] = server.process
                continue
            module = "stanine." + name.replace("-", "_")
            address = (
                ["--port", str(self._ports[name])]
                if name in {"api", "pages"}
                else ["--health-port", str(self._ports[name])]
            )
            with (self.directory / f"{name}.log").open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    [sys.executable, "-m", *self.launchers.get(name, []), module, *address],
                    env=self._environment | self.environments.get(name, {}),
                    stdout=log,
                    stderr=log,
                )

    def redis_url_as(self, user: str, password: str) -> str:
        """Return the server's address for one of its users."""
        return f"redis://{user}:{password}@127.0.0.1:{self._ports['valkey']}/0"

    def signal(self, name: str, sig: signal.Signals) -> None:
        self._processes[name].send_signal(sig)

    def kill(self, name: str) -> None:
        """Send SIGKILL and wait for the exit."""
        self._processes[name].kill()
        self._processes[name].wait()

    def wait(self, name: str, seconds: float = 30) -> int:
        """Wait until the process exits; return the exit status."""
        return self._processes[name].wait(seconds)

    def terminate(self, name: str, seconds: float = 30) -> int:
        """Send SIGTERM; return the exit status."""
        self._processes[name].terminate()
        return self._processes[name].wait(seconds)

    def stop(self) -> None:
        """Stop all processes."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def health(self, name: str, path: str) -> httpx.Response:
        return httpx.get(f"{self.address(name)}{path}", timeout=5)

    def address(self, name: str) -> str:
        """Return the address at which a process serves HTTP."""
        return f"http://127.0.0.1:{self._ports[name]}"

    def await_ready(
        self,
        seconds: float = 60,
        names: tuple[str, ...] = ("api", "index-watcher", "result-watcher"),
    ) -> None:
        """Wait until processes are ready."""
        for name in names:
            eventually(
                lambda name=name: self.health(name, "/readyz").status_code == 200,  # type: ignore[misc]
                seconds,
                lambda name=name: self.log(name)[-3000:],  # type: ignore[misc]
            )

    def client(self, timeout: float = 30) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=timeout
        )


def eventually(
    condition: Callable[[], bool], seconds: float, explain: Callable[[], str] = lambda: ""
) -> None:
    """Wait until a condition holds; connection errors count as false."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, f"not within {seconds} s: {explain()}"
        time.sleep(0.05)
