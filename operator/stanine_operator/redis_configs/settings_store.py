"""Access to the settings in Redis: load the libraries, read, apply steps, measure.

A rejected step is a result, and the remaining steps are still tried; a broken connection ends the reconciliation.
"""

from collections.abc import Sequence
from functools import cache

import redis

from stanine import store
from stanine.broker.bootstrap import bootstrap
from stanine.broker.connection.errors import ServerError, classify
from stanine.broker.connection.functions import Library
from stanine.broker.connection.ownership import Owner
from stanine.store import settings as configuration
from stanine.store.settings.changes import Configuration, Memory
from stanine.store.settings.errors import ConfigurationError
from stanine.store.settings.snapshot import Snapshot
from stanine_operator.redis_configs.memory import SAFE_POLICY
from stanine_operator.redis_configs.settings import (
    Apply,
    Failure,
    Migrate,
    ReleaseOwnership,
    Restore,
    Step,
    describe,
)
from stanine_operator.redis_servers.connections import Server

#: Errors that concern the settings, not the connection.
_SETTINGS_ERRORS = (ConfigurationError, redis.ResponseError, ServerError)


@cache
def config_library() -> Library:
    """Return the configuration's Redis Function library, read once."""
    return configuration.load_library()


def prepare(server: Server, eviction_policy: str) -> Failure | None:
    """Load the services' function libraries, so that the services need no permission to.

    Return a failure. A server that may evict records is not prepared; services reject it, and MemoryHigh reports it.
    """
    if eviction_policy != SAFE_POLICY:
        return None
    try:
        bootstrap(
            server.client,
            namespace=server.keys.partition,
            queues=(),
            libraries=(_store_library(), config_library()),
        )
    except ServerError as error:
        cause = _compiler_error(error) or error.problem.remedy
        return Failure(
            None, error.problem.reason, f"the function libraries cannot be loaded: {cause}"
        )
    return None


def _compiler_error(error: ServerError) -> str | None:
    """Return the compiler's error about a line of the library.

    It quotes only that line, which is ours.
    """
    text = str(error.__cause__)
    return text if text.startswith("Error compiling function") else None


def read_configuration(settings: Configuration) -> Snapshot | Failure:
    """Return the configuration, or why it cannot be read."""
    try:
        return settings.read()
    except _SETTINGS_ERRORS as error:
        return _failure(None, error)


def apply_steps(
    settings: Configuration, steps: Sequence[Step], manager: Owner, *, gone: str
) -> list[Failure]:
    """Apply the steps as a resource's owner; return the failed ones.

    `gone`: uid of a deleted holder.
    """
    failures = []
    for step in steps:
        try:
            _apply_step(settings, step, manager, gone)
        except _SETTINGS_ERRORS as error:
            failures.append(_failure(step, error))
    return failures


def measure(settings: Configuration) -> Memory | None:
    """Return the bytes of both layouts; None if the server does not report them."""
    try:
        return settings.memory()
    except redis.ResponseError:
        return None


@cache
def _store_library() -> Library:
    return store.load_library()


def _apply_step(settings: Configuration, step: Step, manager: Owner, gone: str) -> None:
    match step:
        case ReleaseOwnership():
            settings.release(manager)
        case Migrate(layout=layout, dual=dual):
            settings.migrate(layout, dual, manager, gone=gone)
        case Apply(values=values):
            settings.apply(values, manager, gone=gone)
        case Restore(revision=revision):
            settings.rollback(revision, manager, gone=gone)


def _failure(step: Step | None, error: Exception) -> Failure:
    if isinstance(error, ConfigurationError):
        return describe(step, error)
    problem = classify(error)
    return Failure(step, problem.reason, problem.remedy)
