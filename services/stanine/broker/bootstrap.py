"""Make a server ready for work: server checks, function libraries, consumer groups, queue settings. One routine, safe to repeat.

Called by every process at its start (as a fallback) and by the operator (as the authority on settings). While the server is away,
loading, full or failing over it is tried again; also what somebody must mend (wrong password, a key of a wrong type …) is tried again,
slowly, since somebody may: the process stays up with readiness false, and logs once per change.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
from dramatiq.errors import BrokerConnectionError

from stanine.broker.errors import BrokerSettingsInvalid
from stanine.broker.keys import libraries_key, queue_keys
from stanine.broker.patience import TROUBLE
from stanine.broker.queue import Queue
from stanine.broker.queue import library as broker_library
from stanine.broker.settings import QueueSettings, read_settings
from stanine.connection.checks import check_server
from stanine.connection.errors import PERMISSION_MISSING, ServerError, ServerProblem, classify
from stanine.connection.library import Library

#: Versions of a library that stay loaded: this one and the one before, which a rollout still runs.
KEPT_VERSIONS = 2
#: Seconds: first and longest pause between tries of what may mend itself, and the pause where somebody must act.
PAUSE_MIN, PAUSE_MAX, PAUSE_PERMANENT = 0.1, 5.0, 30.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class QueueDeclaration:
    """A queue that must exist. `settings`: written as they are when `overwrite`, else only where the hash has none."""

    name: str
    settings: QueueSettings = field(default_factory=QueueSettings)
    overwrite: bool = False


@dataclass(frozen=True)
class BootstrapReport:
    """What was done; all empty when everything had been in place."""

    libraries_loaded: tuple[str, ...] = ()
    libraries_removed: tuple[str, ...] = ()
    settings_changed: tuple[str, ...] = ()


def bootstrap(
    client: "redis.Redis", *, namespace: str, queues: Sequence[QueueDeclaration], libraries: Sequence[Library] = ()
) -> BootstrapReport:
    """Check the server and put in place what is missing. The broker's own library needs no mention.

    A full server passes if everything is in place, so that its workers can start and drain it. Raises ServerError with the problem.
    """
    try:
        check_server(client)
        loaded, removed = [], []
        for library in (broker_library(), *libraries):
            if _load(client, library):
                loaded.append(library.name)
            removed += _remove_old(client, namespace, library)
        changed = [queue.name for queue in queues if _declare(client, namespace, queue)]
    except TROUBLE as error:
        raise ServerError(classify(error)) from error
    except BrokerSettingsInvalid as error:
        raise ServerError(ServerProblem("SettingsInvalid", f"Correct the queue's settings hash: {error}.", permanent=True)) from error
    return BootstrapReport(tuple(loaded), tuple(removed), tuple(changed))


def bootstrap_until_ready(
    client: "redis.Redis",
    *,
    namespace: str,
    queues: Sequence[QueueDeclaration],
    libraries: Sequence[Library] = (),
    stop: threading.Event,
    on_state: Callable[[ServerProblem | None], None] = lambda _problem: None,
) -> BootstrapReport | None:
    """Bootstrap until it succeeds; return its report, or None if `stop` was set first.

    `on_state` gets each new problem, and None at the end: readiness is exactly that. From asyncio, run it in a thread.
    """
    pause, reason = PAUSE_MIN, None
    while not stop.is_set():
        try:
            report = bootstrap(client, namespace=namespace, queues=queues, libraries=libraries)
        except (ServerError, BrokerConnectionError) as error:
            problem = classify(error)
            if problem.reason != reason:
                reason = problem.reason
                _logger.log(logging.ERROR if problem.permanent else logging.WARNING, "Bootstrap waits: %s", problem)
                on_state(problem)
            stop.wait(PAUSE_PERMANENT if problem.permanent else pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads clients
            pause = min(PAUSE_MAX, pause * 2)
        else:
            _logger.info("Bootstrap done: %s", report)
            on_state(None)
            return report
    return None


def _load(client: "redis.Redis", library: Library) -> bool:
    """Load a library unless it is there: looked up first, since a full server refuses to load even what it has."""
    try:
        if library.is_loaded(client):
            return False
    except redis.exceptions.NoPermissionError:
        pass  # then the attempt tells
    try:
        return library.load(client)
    except redis.exceptions.NoPermissionError as error:
        raise ServerError(PERMISSION_MISSING) from error


def _remove_old(client: "redis.Redis", namespace: str, library: Library) -> list[str]:
    """Remove versions of a library that this namespace loaded longest ago. Who still calls one loads it again, so this is safe."""
    key = libraries_key(namespace)
    try:
        client.zadd(key, {library.name: int(time.time() * 1000)})
    except redis.exceptions.OutOfMemoryError:
        return []  # housekeeping can wait until there is room
    known: Any = client.zrange(key, 0, -1)
    family = library.name.removesuffix(library.version)
    versions = [name for name in (raw.decode() for raw in reversed(known)) if name.startswith(family)]
    removed = []
    for name in [library.name, *(name for name in versions if name != library.name)][KEPT_VERSIONS:]:
        try:
            client.function_delete(name)
            removed.append(name)
        except redis.exceptions.NoPermissionError:
            return removed  # the operator will
        except redis.ResponseError as error:
            if "not found" not in str(error):
                raise
        client.zrem(key, name)
    return removed


def _declare(client: "redis.Redis", namespace: str, declaration: QueueDeclaration) -> bool:
    queue = Queue(declaration.name, queue_keys(namespace, declaration.name))
    fields = queue.join(client, "", declaration.settings)
    if not declaration.overwrite:
        read_settings(fields, declaration.settings)
    return bool(queue.write_settings(client, declaration.settings.as_fields(), overwrite=declaration.overwrite))
