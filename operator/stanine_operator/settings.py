"""The operator's command line and environment, and explicit settings for kopf."""

import argparse
import itertools
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import kopf
import msgspec

#: Number of threads that use Redis, and so of concurrent reconciliations.
WORKERS = 16
#: The default name of this installation as an owner in Redis.
OPERATOR_ID = "stanine-operator"
#: The namespace of a kubeconfig that names none.
DEFAULT_NAMESPACE = "default"
#: Seconds after which the server renews a watch, and kopf's own limit for the whole stream.
WATCH_SERVER_TIMEOUT, WATCH_CLIENT_TIMEOUT = 300, 330
#: Seconds of silence after which a stream counts as dead; the API server sends a bookmark every minute.
WATCH_INACTIVITY = 75.0
#: Seconds to connect, for a whole request, and between two streams.
CONNECT_TIMEOUT, REQUEST_TIMEOUT, RECONNECT_PAUSE = 10.0, 30.0, 1.0
#: Page size of the first list.
CHUNK = 500
#: Seconds between kopf's retries while the API server is unavailable. Endless, because kopf fails permanently after
#: the last one.
BACKOFFS = (0.5, 1, 2, 3, 5)


class Options(msgspec.Struct, frozen=True):
    """The parsed command line."""

    #: Empty: the operator's own namespace.
    namespaces: tuple[str, ...]
    all_namespaces: bool
    health_host: str
    health_port: int
    workers: int
    operator_id: str


class EndlessBackoffs:
    """Retry delays that never end: upgrading an API server may take any time."""

    def __iter__(self) -> Any:
        """Return a new iterator of delays."""
        return itertools.chain(BACKOFFS, itertools.repeat(BACKOFFS[-1]))


class NoStorage(kopf.DiffBaseStorage):
    """Stores no diff base on the object.

    The handled state is known from its status and from Redis.
    """

    def build(self, *, body: Any, extra_fields: Iterable[Any] | None = None) -> Any:  # noqa: ARG002 - kopf passes keyword arguments
        """Return nothing to compare: copying a large Instrument for every event is expensive."""
        return {}

    def fetch(self, *, body: Any) -> Any:  # noqa: ARG002 - likewise
        """Return None: nothing is stored."""
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        """Store nothing: annotations are limited to 256 KiB and visible to every reader."""


def read_options(
    arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ
) -> Options:
    """Parse the command line."""
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
        help="address of /healthz, /readyz and /metrics (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--health-port",
        type=int,
        default=0,
        help="their port (default: a free port, written to the log)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=WORKERS,
        help=f"number of concurrent reconciliations (default: {WORKERS})",
    )
    parser.add_argument(
        "--operator-id",
        default=environ.get("STANINE_OPERATOR_ID", OPERATOR_ID),
        help="the name of this installation as an owner in Redis (STANINE_OPERATOR_ID)",
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
    """Configure kopf to watch and call the handlers, without writing objects or Events."""
    settings.persistence.finalizer = "stanine.dev/kopf"  # never added: the reconciler has its own finalizer, and kopf removes this one
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(
        prefix="stanine.dev", v1=False
    )
    settings.persistence.diffbase_storage = NoStorage()
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.peering.standalone = True  # a stray peering object would pause this operator
    settings.scanning.disabled = True  # requires no permission to list namespaces or definitions; main.py waits for the kinds
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
        1.0  # lifetime of kopf's worker for an object after its last event
    )
    settings.process.ultimate_exiting_timeout = 25.0  # below a pod's default grace period of 30 s


def served_namespaces(options: Options, own: str | None) -> Collection[str]:
    """Return the namespaces to serve; empty means all."""
    if options.all_namespaces:
        return ()
    return options.namespaces or (own or DEFAULT_NAMESPACE,)
