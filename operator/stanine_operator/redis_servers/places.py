"""Where the server is that a RedisConfig means: for connecting, and for finding two that mean the same. Pure.

Called by connections.py, claiming.py and the rivals of RedisConfigs.

An operator of many namespaces is in one of them, and its resolver would look for a short name there. So a name without a dot is one of the
resource's own namespace, as it is for every pod of that namespace: `redis` in namespace `exams` is `redis.exams.svc`.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from stanine_operator.controller.resource import Resource

#: The ports of Redis and Sentinel.
REDIS_PORT, SENTINEL_PORT = 6379, 26379
#: What a cluster adds to the names of its services, unless it was set up with another domain.
_CLUSTER_DOMAIN = ".cluster.local"


def full_host(host: str, namespace: str) -> str:
    """Return the name under which a host is reached from any namespace. `localhost`, addresses and names with a dot are what they are."""
    if not host or "." in host or host.lower() == "localhost" or _is_address(host):
        return host
    return f"{host}.{namespace}.svc"


def nodes_of(redis_config: Resource) -> tuple[tuple[str, int], ...]:
    """Return host and port of a RedisConfig's server, or of the Sentinel nodes that it names."""
    connection = redis_config.spec.get("connection") or {}
    sentinel = connection.get("sentinel")
    given: list[Mapping[str, Any]] = list(sentinel.get("nodes") or ()) if sentinel else [connection]
    port = SENTINEL_PORT if sentinel else REDIS_PORT
    return tuple(
        (
            full_host(str(node.get("host") or "localhost"), redis_config.namespace),
            int(node.get("port") or port),
        )
        for node in given
    )


def name_in_certificate(redis_config: Resource) -> str | None:
    """Return the name that a server's certificate must bear, where it is not the host's: as the spec has it, or the short name as given."""
    connection = redis_config.spec.get("connection") or {}
    named = (connection.get("tls") or {}).get("serverName")
    host = str(connection.get("host") or "")
    if named or connection.get("sentinel") or full_host(host, redis_config.namespace) == host:
        return str(named) if named else None
    return host


def address_of(redis_config: Resource) -> tuple[Any, ...]:
    """Return which server a RedisConfig means, as far as its spec tells: equal for two that mean the same names, however written."""
    sentinel = (redis_config.spec.get("connection") or {}).get("sentinel")
    nodes = tuple((_plain(host), port) for host, port in nodes_of(redis_config))
    if sentinel:
        return "sentinel", str(sentinel.get("masterName")), tuple(sorted(nodes))
    return "server", *nodes[0]


def _plain(host: str) -> str:
    """Return a host as it is compared: without letters' case, a final dot, and what the cluster adds to a service's name."""
    plain = host.lower().rstrip(".")
    if plain.endswith(".svc" + _CLUSTER_DOMAIN):
        plain = plain.removesuffix(_CLUSTER_DOMAIN)
    return str(ipaddress.ip_address(plain)) if _is_address(plain) else plain


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
