"""The kinds that this operator knows, put together from their packages. Called by main.py."""

import importlib
from typing import Any

from stanine.resources.reading import read_queue, read_redis_config
from stanine_operator import instruments, queues
from stanine_operator.kinds import Kind
from stanine_operator.outcome import Outcome, Verdict


def all_kinds() -> tuple[Kind, ...]:
    """Return the three kinds."""
    return (
        Kind(
            name="RedisConfig",
            plural="redisconfigs",
            conditions=("Ready", "Reachable", "ServerConfigured", "SettingsApplied", "Migrated", "MemoryHigh"),
            read=lambda resource: read_redis_config(resource.spec),
            reconcile=_find("redis_configs", "reconcile"),
            release=None,
            reachable="Reachable",
            moving=frozenset({"memory"}),
        ),
        Kind(
            name="Queue",
            plural="queues",
            conditions=("Ready", "Bootstrapped", "Paused"),
            read=lambda resource: read_queue(resource.spec),
            reconcile=queues.reconcile,
            release=queues.release,
            reachable="Bootstrapped",
            moving=frozenset({"ready", "delayed", "inFlight", "dead", "oldestSeconds", "consumers"}),
        ),
        Kind(
            name="Instrument",
            plural="instruments",
            conditions=("Ready", "Published", "Indexed"),
            read=instruments.judge,  # which finds the document's faults once for each generation
            reconcile=instruments.reconcile,
            release=instruments.release,
        ),
    )


def _find(package: str, name: str) -> Any:
    """Return a package's function; until it is written, a stand-in that asks the server for a PING."""
    try:
        return getattr(importlib.import_module(f"stanine_operator.{package}"), name)
    except (ModuleNotFoundError, AttributeError):
        return _stub if name == "reconcile" else None


def _stub(resource: Any, _spec: Any, world: Any) -> Outcome:
    server = world.server_of(resource)
    server.client.ping()
    return Outcome((Verdict("Ready", True, "Answered", "A stub asked the server."),))
