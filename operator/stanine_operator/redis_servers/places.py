"""Resolve the address of a RedisConfig's server, to connect and to compare servers. Pure.

Called by connections.py, ownership.py and conflicts.py. An operator of several namespaces runs in one of them, and
its resolver would look up a short name there. A name without a dot therefore belongs to the resource's own namespace,
as for every pod of that namespace: `redis` in namespace `exams` is `redis.exams.svc`.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from stanine_operator.controller.resource import Resource

#: The default ports of Redis and Sentinel.
REDIS_PORT, SENTINEL_PORT = 6379, 26379
#: The default domain of a cluster's services.
_CLUSTER_DOMAIN = ".cluster.local"


def full_host(host: str, namespace: str) -> str:
    """Return a host name that resolves from any namespace.

    `localhost`, IP addresses and names with a dot are unchanged.
    """
    if not host or "." in host or host.lower() == "localhost" or _is_address(host):
        return host
    return f"{host}.{namespace}.svc"


def nodes_of(redis_config: Resource) -> tuple[tuple[str, int], ...]:
    """Return host and port of a RedisConfig's server, or of its Sentinel nodes."""
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
    """Return the name expected in the server's certificate if it is not the host name.

    It is `serverName` of the spec, or the short host name as written.
    """
    connection = redis_config.spec.get("connection") or {}
    named = (connection.get("tls") or {}).get("serverName")
    host = str(connection.get("host") or "")
    if named or connection.get("sentinel") or full_host(host, redis_config.namespace) == host:
        return str(named) if named else None
    return host


def address_of(redis_config: Resource) -> tuple[Any, ...]:
    """Return a comparable address of a RedisConfig's server, equal for equivalent spellings."""
    sentinel = (redis_config.spec.get("connection") or {}).get("sentinel")
    nodes = tuple((_plain(host), port) for host, port in nodes_of(redis_config))
    if sentinel:
        return "sentinel", str(sentinel.get("masterName")), tuple(sorted(nodes))
    return "server", *nodes[0]


def _plain(host: str) -> str:
    """Return a host in comparable form: lower case, without final dot and cluster domain."""
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
