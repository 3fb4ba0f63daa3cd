"""Make a server ready for work: server checks, function libraries, consumer groups, queue settings. One routine, safe to repeat.

Called by every process at its start (as a fallback) and by the operator (as the authority on settings). While the server is away,
loading, full or failing over it is tried again; also what somebody must mend (wrong password, a key of a wrong type …) is tried again,
slowly, since somebody may: the process stays up with readiness false, and logs once per change.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
from dramatiq.errors import BrokerConnectionError

from stanine.broker.connection.checks import check_server
from stanine.broker.connection.errors import (
    FUNCTIONS_MISSING,
    PERMISSION_MISSING,
    ServerError,
    ServerProblem,
    classify,
)
from stanine.broker.connection.functions import Library
from stanine.broker.connection.ownership import Manager
from stanine.broker.errors import BrokerSettingsInvalid
from stanine.broker.keys import libraries_key, queue_keys
from stanine.broker.patience import TROUBLE
from stanine.broker.queue import Handled, Queue
from stanine.broker.queue import library as broker_library
from stanine.broker.settings import QueueSettings, read_settings
from stanine.broker.state import QueueState

#: Versions of a library that stay loaded: this one and the one before, which a rollout still runs.
KEPT_VERSIONS = 2
#: Seconds: first and longest pause between tries of what may mend itself, and the pause where somebody must act.
PAUSE_MIN, PAUSE_MAX, PAUSE_PERMANENT = 0.1, 5.0, 30.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Management:
    """In whose name a queue is declared: settings and state are then as declared, and nobody else's to change for three minutes."""

    manager: Manager
    state: QueueState = QueueState.RUNNING
    #: The uid of a manager that is known to be no more: its hold does not count.
    gone: str = ""
    #: Tokens of the purge and the re-queueing that the manager asks for: if it is new here, they count as dealt with.
    tokens: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class QueueDeclaration:
    """A queue that must exist. `settings`: written as they are when `overwrite` or managed, else only where the hash has none."""

    name: str
    settings: QueueSettings = field(default_factory=QueueSettings)
    overwrite: bool = False
    management: Management | None = None


@dataclass(frozen=True)
class BootstrapReport:
    """What was done; all empty when everything had been in place."""

    libraries_loaded: tuple[str, ...] = ()
    libraries_removed: tuple[str, ...] = ()
    settings_changed: tuple[str, ...] = ()
    #: Of the queues that are managed: which of their manager's requests were dealt with.
    handled: Mapping[str, Handled] = field(default_factory=dict)


def bootstrap(
    client: "redis.Redis",
    *,
    namespace: str,
    queues: Sequence[QueueDeclaration],
    libraries: Sequence[Library] = (),
) -> BootstrapReport:
    """Check the server and put in place what is missing. The broker's own library needs no mention.

    A full server passes if everything is in place, so that its workers can start and drain it. Raises ServerError with the problem, and
    QueueManaged if a queue's settings are somebody else's.
    """
    try:
        check_server(client)
        loaded, removed = [], []
        for library in (broker_library(), *libraries):
            if _load(client, library):
                loaded.append(library.name)
            removed += _remove_old(client, namespace, library)
        declared = {queue.name: _declare(client, namespace, queue) for queue in queues}
    except TROUBLE as error:
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
                _logger.log(
                    logging.ERROR if problem.permanent else logging.WARNING,
                    "Bootstrap waits: %s",
                    problem,
                )
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
    missing = PERMISSION_MISSING
    try:
        if library.is_loaded(client):
            return False
        missing = FUNCTIONS_MISSING  # who may look but not load waits for the operator
    except redis.exceptions.NoPermissionError:
        pass  # then the attempt tells
    try:
        return library.load(client)
    except redis.exceptions.NoPermissionError as error:
        raise ServerError(missing) from error


def _remove_old(client: "redis.Redis", namespace: str, library: Library) -> list[str]:
    """Remove versions of a library that this namespace loaded longest ago. Who still calls one loads it again, so this is safe."""
    key = libraries_key(namespace)
    try:
        client.zadd(key, {library.name: int(time.time() * 1000)})
    except redis.exceptions.OutOfMemoryError:
        return []  # housekeeping can wait until there is room
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
            return removed  # the operator will
        except redis.ResponseError as error:
            if "not found" not in str(error):
                raise
        client.zrem(key, name)
    return removed


def _declare(client: "redis.Redis", namespace: str, declaration: QueueDeclaration) -> Handled | int:
    """Make a queue; return what managing it came to, or how many of its settings changed."""
    queue = Queue(declaration.name, queue_keys(namespace, declaration.name))
    fields = queue.join(client, "", declaration.settings)
    management = declaration.management
    if management is not None:
        return queue.manage(
            client,
            management.manager,
            declaration.settings,
            management.state,
            gone=management.gone,
            tokens=management.tokens,
        )
    if declaration.overwrite:
        return queue.write_settings(client, declaration.settings.all_fields(), overwrite=True)
    read_settings(fields, declaration.settings)
    return queue.write_settings(client, declaration.settings.as_fields(), overwrite=False)
