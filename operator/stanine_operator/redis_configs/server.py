"""The server commands of a RedisConfig's reconciliation: INFO, CONFIG GET, CONFIG SET.

Errors of the connection are redis-py's own and end the reconciliation; a rejected CONFIG is a result, not an error.
"""

import time
from collections.abc import Sequence
from typing import Any

import redis

from stanine.broker.connection.clients import drop_idle_connections
from stanine.broker.connection.errors import (
    PERMISSION_MISSING,
    SERVER_REFUSED,
    ServerProblem,
    classify,
)
from stanine_operator.redis_configs.parameters import find_drift, is_half_applied
from stanine_operator.redis_configs.records import (
    ObservedParameters,
    Parameter,
    ParameterChange,
    Refused,
    ServerInfo,
    ServerMemory,
)

#: Errors for a command that was renamed or, on a managed service, disabled; CONFIG GET may work without CONFIG SET.
_WITHHELD = ("unknown command", "unknown subcommand", "Unknown subcommand")


def read_server_info(client: "redis.Redis") -> ServerInfo:
    """Return the server's INFO.

    If it became a replica (a failover), reconnect to the new primary once.
    """
    info: Any = client.info()
    if info.get("role") == "slave":
        drop_idle_connections(client)
        info = client.info()
    valkey = info.get("valkey_version")
    memory = ServerMemory(
        used_bytes=int(info.get("used_memory", 0)),
        max_bytes=int(info.get("maxmemory", 0)),
        fragmentation=float(info.get("mem_fragmentation_ratio", 0)),
    )
    return ServerInfo(
        version=f"Valkey {valkey}" if valkey else f"Redis {info.get('redis_version', '')}",
        role="replica" if info.get("role") == "slave" else "primary",
        run_id=str(info.get("run_id", "")),
        eviction_policy=str(info.get("maxmemory_policy", "noeviction")),
        memory=memory,
    )


def measure_latency(client: "redis.Redis") -> float:
    """Return the round-trip time of a PING in seconds, the better of two: the first may connect."""
    taken = []
    for _ in range(2):
        began = time.perf_counter()
        client.ping()
        taken.append(time.perf_counter() - began)
    return min(taken)


def read_parameters(client: "redis.Redis", names: Sequence[str]) -> ObservedParameters:
    """Return the server's values of these parameters; unknown names are missing."""
    if not names:
        return ObservedParameters()
    try:
        found: Any = client.config_get(*names)
    except redis.ResponseError as error:
        return ObservedParameters(refusal=_refusal(error))
    return ObservedParameters(
        tuple(Parameter(_text(name), _text(value)) for name, value in sorted(found.items()))
    )


def set_parameters(
    client: "redis.Redis", changes: Sequence[Parameter], before: ObservedParameters
) -> ParameterChange:
    """Set all of these parameters or none; restore `before` if the server keeps other values."""
    refused = None
    try:
        _config_set(client, changes)
    except redis.ResponseError as error:
        refused = Refused(str(error), _refusal(error))
    names = [parameter.name for parameter in before.found]
    observed = read_parameters(client, names)
    if not is_half_applied(changes, before, observed, refused=refused is not None):
        return ParameterChange(observed, refused)
    kept = () if refused else find_drift(changes, observed)
    for parameter in changes:  # individually: the server does not set them atomically
        value = before.value(parameter.name)
        if value is not None:
            _config_set(client, [Parameter(parameter.name, value)])
    return ParameterChange(read_parameters(client, names), refused, kept)


def _config_set(client: "redis.Redis", parameters: Sequence[Parameter]) -> None:
    execute: Any = client.execute_command
    execute(
        "CONFIG SET",
        *(word for parameter in parameters for word in (parameter.name, parameter.value)),
    )


def _refusal(error: redis.ResponseError) -> ServerProblem:
    text = str(error)
    if text.startswith("CONFIG SET failed") or "CONFIG SET - '" in text:
        return SERVER_REFUSED  # an error about a value, which may quote anything
    return PERMISSION_MISSING if any(word in text for word in _WITHHELD) else classify(error)


def _text(raw: Any) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
