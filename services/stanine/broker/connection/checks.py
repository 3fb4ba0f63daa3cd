"""Checks whether a Redis server is suitable.

Called by the bootstrap; reports problems of errors.py.
"""

import re
from collections.abc import Mapping
from typing import Any

import redis

from stanine.broker.connection.errors import (
    EVICTION_POLICY,
    LOADING,
    READ_ONLY,
    VERSION_TOO_OLD,
    ServerError,
    ServerProblem,
)

#: The first Redis version with functions, which every write uses. Every Valkey version has them.
OLDEST_REDIS = (7, 0)


def check_server(client: "redis.Redis") -> None:
    """Raise ServerError if the server is too old, evicts data, is a replica or is loading.

    Needs permission for INFO, not for CONFIG. Errors of redis-py propagate; see `classify`.
    """
    info: Any = client.info()
    problem = find_problem(info)
    if problem is not None:
        raise ServerError(problem)


def find_problem(info: Mapping[str, Any]) -> ServerProblem | None:
    """Return the problem in a server's INFO, permanent ones first; None if there is none."""
    if (
        "valkey_version" not in info
        and _version(str(info.get("redis_version", "0"))) < OLDEST_REDIS
    ):
        return VERSION_TOO_OLD
    if int(info.get("loading", 0)):
        return LOADING
    if info.get("role") in ("slave", "replica"):
        return READ_ONLY
    if info.get("maxmemory_policy", "noeviction") != "noeviction":
        return EVICTION_POLICY
    return None


def _version(text: str) -> tuple[int, int]:
    numbers = re.findall(r"\d+", text)
    return int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 0
