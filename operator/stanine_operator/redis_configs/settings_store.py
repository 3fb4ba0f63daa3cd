"""All that a turn does to the settings in Redis: make ready, read, carry out steps, measure. Called by turn.py.

What keeps a step from being done is a finding, and the other steps are still tried; a connection that breaks ends the turn.
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
from stanine.store.settings.changes import Configuration, Memory, Stored
from stanine.store.settings.errors import ConfigurationError
from stanine_operator.redis_configs.memory import SAFE_POLICY
from stanine_operator.redis_configs.settings import (
    Apply,
    Failure,
    Migrate,
    Release,
    Restore,
    Step,
    describe,
)
from stanine_operator.redis_servers.connections import Server

#: What is a finding about the settings, not about the connection.
_FINDINGS = (ConfigurationError, redis.ResponseError, ServerError)


@cache
def config_library() -> Library:
    """Return the configuration's Redis Function library, read once."""
    return configuration.load_library()


def prepare(server: Server, eviction_policy: str) -> Failure | None:
    """Load the function libraries that the services call, so that they need no right to; return what speaks against it.

    A server that may evict records is not made ready for services, which refuse it anyway: MemoryHigh says so.
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
        why = _faulty_line(error) or error.problem.remedy
        return Failure(
            None, error.problem.reason, f"the function libraries cannot be loaded: {why}"
        )
    return None


def _faulty_line(error: ServerError) -> str | None:
    """Return what the server's compiler says of a line of the library; it quotes that line, which is ours, and nothing else."""
    text = str(error.__cause__)
    return text if text.startswith("Error compiling function") else None


def read_configuration(settings: Configuration) -> Stored | Failure:
    """Return the configuration as it is, or why it cannot be read."""
    try:
        return settings.read()
    except _FINDINGS as error:
        return _failure(None, error)


def carry_out(
    settings: Configuration, steps: Sequence[Step], manager: Owner, *, gone: str
) -> list[Failure]:
    """Do the steps in a resource's name; return those that failed. `gone`: the uid of a holder that is known to be no more."""
    failures = []
    for step in steps:
        try:
            _apply_step(settings, step, manager, gone)
        except _FINDINGS as error:
            failures.append(_failure(step, error))
    return failures


def measure(settings: Configuration) -> Memory | None:
    """Return the bytes of both layouts; None if the server does not tell."""
    try:
        return settings.memory()
    except redis.ResponseError:
        return None


@cache
def _store_library() -> Library:
    return store.load_library()


def _do(settings: Configuration, step: Step, manager: Owner, gone: str) -> None:
    match step:
        case Release():
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
