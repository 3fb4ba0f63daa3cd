"""Prepare a Redis server: checks, function libraries, consumer groups and queue settings.

Idempotent.

Called by every process at start (as a fallback) and by the operator (which is authoritative for settings). Temporary
problems (server down, loading, full, failing over) are retried. Permanent problems (wrong password, a key of the wrong
type) are retried too, at longer intervals: the process stays up, is not ready, and logs once per change.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
from dramatiq.errors import BrokerConnectionError

from stanine.broker.administration import Handled, manage_queue, write_settings
from stanine.broker.connection.checks import check_server
from stanine.broker.connection.errors import (
    FUNCTIONS_MISSING,
    PERMISSION_MISSING,
    ServerError,
    ServerProblem,
    classify,
)
from stanine.broker.connection.functions import Library
from stanine.broker.connection.ownership import Owner
from stanine.broker.errors import BrokerSettingsInvalid
from stanine.broker.keys import libraries_key, queue_keys
from stanine.broker.library import library as broker_library
from stanine.broker.pauses import Pauses, jittered
from stanine.broker.queue import Queue
from stanine.broker.retries import REDIS_ERRORS
from stanine.broker.settings import QueueSettings, read_settings
from stanine.broker.state import QueueState

#: Loaded versions kept per library: the current one and the previous one, which may still run during a rollout.
KEPT_VERSIONS = 2
#: Seconds: first and maximum pause between attempts after a temporary problem, and the pause after a permanent one.
PAUSE_MIN, PAUSE_MAX, PAUSE_PERMANENT = 0.1, 5.0, 30.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ownership:
    """The owner for whom a queue is declared.

    Its settings and state are reserved for that owner for three minutes.
    """

    owner: Owner
    state: QueueState = QueueState.RUNNING
    #: The uid of an owner that no longer exists; its ownership is ignored.
    deleted_owner: str = ""
    #: Tokens of the purge and requeue requests in the owner's spec; they count as handled if the owner is new here.
    tokens: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class QueueDeclaration:
    """A queue that must exist.

    `settings` are written as given with `overwrite` or an owner; otherwise only fields that are absent are written.
    """

    name: str
    settings: QueueSettings = field(default_factory=QueueSettings)
    overwrite: bool = False
    ownership: Ownership | None = None


@dataclass(frozen=True)
class BootstrapReport:
    """What a bootstrap changed; all fields are empty if nothing was missing."""

    libraries_loaded: tuple[str, ...] = ()
    libraries_removed: tuple[str, ...] = ()
    settings_changed: tuple[str, ...] = ()
    #: Per owned queue, which of the owner's requests were handled.
    handled: Mapping[str, Handled] = field(default_factory=dict)


def bootstrap(
    client: "redis.Redis",
    *,
    namespace: str,
    queues: Sequence[QueueDeclaration],
    libraries: Sequence[Library] = (),
) -> BootstrapReport:
    """Check the server and create what is missing, always including the broker's own library.

    A full server passes if nothing is missing, so that workers can start and drain it. Raises ServerError with the
    problem, and QueueManaged if another owner holds a queue's settings.
    """
    try:
        check_server(client)
        loaded, removed = [], []
        for library in (broker_library(), *libraries):
            if _load(client, library):
                loaded.append(library.name)
            removed += _remove_old(client, namespace, library)
        declared = {queue.name: _declare(client, namespace, queue) for queue in queues}
    except REDIS_ERRORS as error:
        raise ServerError(classify(error)) from error
    except BrokerSettingsInvalid as error:
        raise ServerError(
            ServerProblem(
                "SettingsInvalid", f"Correct the queue's settings hash: {error}.", permanent=True
            )
        ) from error
    handled = {name: result for name, result in declared.items() if isinstance(result, Handled)}
    changed = [
        name
        for name, result in declared.items()
        if (result.changed if isinstance(result, Handled) else result)
    ]
    return BootstrapReport(tuple(loaded), tuple(removed), tuple(changed), handled)


def bootstrap_until_ready(
    client: "redis.Redis",
    *,
    namespace: str,
    queues: Sequence[QueueDeclaration],
    libraries: Sequence[Library] = (),
    stop: threading.Event,
    on_state: Callable[[ServerProblem | None], None] = lambda _problem: None,
) -> BootstrapReport | None:
    """Retry `bootstrap` until it succeeds; return its report, or None if `stop` was set first.

    `on_state` receives each new problem, and None on success; readiness follows it. Call it in a thread from asyncio
    code.
    """
    pauses, reason = Pauses(PAUSE_MIN, PAUSE_MAX), None
    while not stop.is_set():
        try:
            report = bootstrap(client, namespace=namespace, queues=queues, libraries=libraries)
        except (ServerError, BrokerConnectionError) as error:
            problem = classify(error)
            if problem.reason != reason:
                reason = problem.reason
                _logger.log(
                    logging.ERROR if problem.permanent else logging.WARNING,
                    "Bootstrap failed and is retried: %s",
                    problem,
                )
                on_state(problem)
            pause = pauses.next()
            stop.wait(PAUSE_PERMANENT if problem.permanent else jittered(pause))
        else:
            _logger.info("Bootstrap done: %s", report)
            on_state(None)
            return report
    return None


def _load(client: "redis.Redis", library: Library) -> bool:
    """Load a library unless it is loaded.

    Checked first: a full server rejects even a repeated load.
    """
    missing = PERMISSION_MISSING
    try:
        if library.is_loaded(client):
            return False
        missing = FUNCTIONS_MISSING  # without the permission to load, wait for the operator
    except redis.exceptions.NoPermissionError:
        pass  # the load attempt reports the reason
    try:
        return library.load(client)
    except redis.exceptions.NoPermissionError as error:
        raise ServerError(missing) from error


def _remove_old(client: "redis.Redis", namespace: str, library: Library) -> list[str]:
    """Remove the least recently loaded versions of a library.

    Safe: a caller loads its version again.
    """
    key = libraries_key(namespace)
    try:
        client.zadd(key, {library.name: int(time.time() * 1000)})
    except redis.exceptions.OutOfMemoryError:
        return []  # cleanup can wait until memory is available
    known: Any = client.zrange(key, 0, -1)
    family = library.name.removesuffix(library.version)
    versions = [
        name for name in (raw.decode() for raw in reversed(known)) if name.startswith(family)
    ]
    removed = []
    for name in [library.name, *(name for name in versions if name != library.name)][
        KEPT_VERSIONS:
    ]:
        try:
            client.function_delete(name)
            removed.append(name)
        except redis.exceptions.NoPermissionError:
            return removed  # the operator removes it
        except redis.ResponseError as error:
            if "not found" not in str(error):
                raise
        client.zrem(key, name)
    return removed


def _declare(client: "redis.Redis", namespace: str, declaration: QueueDeclaration) -> Handled | int:
    """Create a queue; return the result of taking ownership, or the number of changed settings."""
    queue = Queue(declaration.name, queue_keys(namespace, declaration.name))
    fields = queue.join(client, "", declaration.settings)
    ownership = declaration.ownership
    if ownership is not None:
        return manage_queue(
            client,
            queue,
            ownership.owner,
            declaration.settings,
            ownership.state,
            deleted_owner=ownership.deleted_owner,
            tokens=ownership.tokens,
        )
    if declaration.overwrite:
        return write_settings(client, queue, declaration.settings.all_fields(), overwrite=True)
    read_settings(fields, declaration.settings)
    return write_settings(client, queue, declaration.settings.as_fields(), overwrite=False)
