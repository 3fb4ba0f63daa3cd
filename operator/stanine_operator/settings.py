"""What the operator is told at its start: command line and environment. And kopf's settings, every one that matters, explicitly."""

import argparse
import itertools
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import kopf
import msgspec

#: Threads that speak to Redis, and so turns at the same time.
WORKERS = 16
#: The name under which this installation notes in Redis what it manages.
OPERATOR_ID = "stanine-operator"
#: The namespace of whoever names none.
DEFAULT_NAMESPACE = "default"
#: Seconds: kopf's watches are renewed by the server after the first; the second is the client's own limit for the whole stream.
WATCH_SERVER_TIMEOUT, WATCH_CLIENT_TIMEOUT = 300, 330
#: Seconds of silence after which a stream counts as dead; the API server sends a bookmark a minute.
WATCH_INACTIVITY = 75.0
#: Seconds to connect, for a request in all, and between two streams.
CONNECT_TIMEOUT, REQUEST_TIMEOUT, RECONNECT_PAUSE = 10.0, 30.0, 1.0
#: Objects in a page of a first list.
CHUNK = 500
#: Seconds between tries of what kopf asks of an API server that is away. Without an end, since kopf gives up for good at the last.
BACKOFFS = (0.5, 1, 2, 3, 5)


class Options(msgspec.Struct, frozen=True):
    """The command line, read."""

    #: Empty: the operator's own.
    namespaces: tuple[str, ...]
    all_namespaces: bool
    health_host: str
    health_port: int
    workers: int
    operator_id: str


class EndlessBackoffs:
    """Pauses between tries that never run out: an API server may be away for as long as it takes to upgrade it."""

    def __iter__(self) -> Any:
        """Return the pauses anew."""
        return itertools.chain(BACKOFFS, itertools.repeat(BACKOFFS[-1]))


class NoStorage(kopf.DiffBaseStorage):
    """Keeps nothing of an object on the object: what was last handled is known from its status and from Redis."""

    def build(self, *, body: Any, extra_fields: Iterable[Any] | None = None) -> Any:  # noqa: ARG002 - kopf passes them by name
        """Compare nothing; a copy of a large Instrument for every event would cost more than all else."""
        return {}

    def fetch(self, *, body: Any) -> Any:  # noqa: ARG002 - likewise
        """Nothing is stored."""
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        """Store nothing: annotations end at 256 KiB, and a spec in an annotation is seen by whoever sees the object."""


def read_options(
    arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ
) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="stanine-operator",
        description="The operator of Stanine: RedisConfig, Queue and Instrument. It reads KUBECONFIG and OTEL_*.",
    )
    parser.add_argument(
        "--namespace",
        action="append",
        default=[],
        help="serve this namespace; may be repeated (default: its own)",
    )
    parser.add_argument(
        "--all-namespaces", action="store_true", help="serve every namespace; needs a ClusterRole"
    )
    parser.add_argument(
        "--health-host",
        default="127.0.0.1",
        help="where /healthz, /readyz and /metrics listen (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--health-port",
        type=int,
        default=0,
        help="their port (default: a free one, which the log names)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=WORKERS,
        help=f"resources that are worked on at the same time (default: {WORKERS})",
    )
    parser.add_argument(
        "--operator-id",
        default=environ.get("STANINE_OPERATOR_ID", OPERATOR_ID),
        help="the name under which this installation notes in Redis what it manages (STANINE_OPERATOR_ID)",
    )
    given = parser.parse_args(arguments)
    namespaces = tuple(
        dict.fromkeys(name for each in given.namespace for name in each.split(",") if name)
    )
    if namespaces and given.all_namespaces:
        parser.error("give --namespace or --all-namespaces, not both")
    if not 1 <= given.workers <= 64:
        parser.error("--workers must be 1 to 64")
    return Options(
        namespaces,
        given.all_namespaces,
        given.health_host,
        given.health_port,
        given.workers,
        given.operator_id,
    )


def configure_kopf(settings: kopf.OperatorSettings) -> None:
    """Set what kopf would otherwise decide. It watches and wakes; it writes nothing to any object and posts no events."""
    settings.persistence.finalizer = "stanine.dev/kopf"  # never added: the loop has its own, and kopf removes what bears this name
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(
        prefix="stanine.dev", v1=False
    )
    settings.persistence.diffbase_storage = NoStorage()
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.peering.standalone = True  # a stray peering object would freeze this operator
    settings.scanning.disabled = (
        True  # no right to list namespaces or definitions is needed; main.py waits for the kinds
    )
    settings.watching.server_timeout = WATCH_SERVER_TIMEOUT
    settings.watching.client_timeout = WATCH_CLIENT_TIMEOUT
    settings.watching.connect_timeout = CONNECT_TIMEOUT
    settings.watching.inactivity_timeout = WATCH_INACTIVITY
    settings.watching.reconnect_backoff = RECONNECT_PAUSE
    settings.watching.chunk_size = CHUNK
    settings.networking.request_timeout = REQUEST_TIMEOUT
    settings.networking.connect_timeout = CONNECT_TIMEOUT
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.queueing.idle_timeout = (
        1.0  # an object's worker in kopf lives this long after its last event
    )
    settings.process.ultimate_exiting_timeout = 25.0  # below a pod's usual grace of 30 s


def served_namespaces(options: Options, own: str | None) -> Collection[str]:
    """Return the namespaces to serve; empty means all."""
    if options.all_namespaces:
        return ()
    return options.namespaces or (own or DEFAULT_NAMESPACE,)
