"""Construction of Redis clients. Called by every process's composition root.

There are three kinds: a synchronous client for the watchers, an asyncio client for the API, and a client without socket
timeout for blocking reads (redis-py 8 applies its 5 s timeout to blocking reads and retries 10 times: `BLPOP … 6` took
57.9 s).
"""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis
import redis.asyncio
import redis.asyncio.retry
import redis.asyncio.sentinel
import redis.backoff
import redis.connection
import redis.retry
import redis.sentinel

from stanine.broker.connection.credentials import FileCredentials, take_credentials
from stanine.broker.connection.sentinel_pool import WaitingSentinelPool
from stanine.broker.connection.tls import (
    AsyncFilesTLSConnection,
    AsyncSentinelFilesTLSConnection,
    SentinelTLSConnection,
    TLSConnection,
)

#: Seconds a command may take before its outcome counts as unknown. Writes are idempotent, so a retry is safe.
SOCKET_TIMEOUT = 5.0
#: Seconds to wait for a TCP connection.
CONNECT_TIMEOUT = 2.0
#: Seconds of idleness after which a connection is pinged before use; below the idle timeout of common proxies.
HEALTH_CHECK_INTERVAL = 30
#: Retries after a lost connection or a refused login; with the backoff below they take at most 1.5 s.
RETRIES = 4
#: Seconds: first and maximum pause between retries.
BACKOFF_BASE, BACKOFF_CAP = 0.05, 0.8
#: Maximum of connections per process; waiting for a free one is better than opening hundreds.
POOL_SIZE = 32
#: Maximum of blocking readers per process, one per queue. Connections are opened on demand.
BLOCKING_POOL_SIZE = 64
#: Seconds to wait for a free connection of the pool.
POOL_TIMEOUT = 5.0

#: Linux TCP keepalive: first probe after 30 s, then every 5 s, at most 3. Detects a lost peer during a blocking read.
_KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}


#: Connection options for address, credentials and keepalive.
_DESTINATION = frozenset({
    "host", "port", "path", "db", "username", "password", "credential_provider", "socket_connect_timeout", "socket_keepalive",
    "socket_keepalive_options", "health_check_interval", "protocol", "client_name",
})  # fmt: skip

#: These redis-py modules are not annotated.
_sentinel: Any = redis.sentinel
_connection: Any = redis.connection
_PARSERS: dict[str, Callable[[str], Any]] = _connection.URL_QUERY_ARGUMENT_PARSERS
_async_sentinel: Any = redis.asyncio.sentinel


def connect(
    url: str, *, pool_size: int = POOL_SIZE, timeout: float = SOCKET_TIMEOUT, retries: int = RETRIES
) -> "redis.Redis":
    """Create a synchronous client for a URL.

    Accepted: `redis://`, `rediss://`, `unix://` and `redis+sentinel://host:port,host:port/MASTER[/DB]`. Files named in
    the URL, for credentials (credentials.py) or TLS, are read again for each connection. `timeout`: seconds a command
    may take; `retries`: retries after a lost connection.
    """
    retry = redis.retry.Retry(
        redis.backoff.ExponentialWithJitterBackoff(base=BACKOFF_BASE, cap=BACKOFF_CAP), retries
    )
    return _sync_client(url, pool_size, socket_timeout=timeout, retry=retry)


@dataclass(frozen=True)
class Destination:
    """A server and its credentials in separate fields, for values that do not belong in a URL."""

    #: (host, port) of the server, or of the Sentinel nodes if `master` names a primary.
    nodes: tuple[tuple[str, int], ...]
    master: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None
    #: None: no TLS.
    tls: ssl.SSLContext | None = None
    server_name: str | None = None

    def __repr__(self) -> str:
        """Return the address only; credentials must not reach logs."""
        return f"Destination({self.nodes}, {self.master!r})"


def connect_to(
    destination: Destination,
    *,
    pool_size: int = POOL_SIZE,
    connect_timeout: float = CONNECT_TIMEOUT,
    timeout: float = SOCKET_TIMEOUT,
    retries: int = RETRIES,
) -> "redis.Redis":
    """Create a synchronous client like `connect`, for a Destination. Timeouts in seconds."""
    retry = redis.retry.Retry(
        redis.backoff.ExponentialWithJitterBackoff(base=BACKOFF_BASE, cap=BACKOFF_CAP), retries
    )
    options = _options(socket_timeout=timeout, retry=retry) | {
        "socket_connect_timeout": connect_timeout
    }
    tls: dict[str, Any] = {}
    if destination.tls is not None:
        tls = {"ssl_ready_context": destination.tls, "ssl_server_name": destination.server_name}
    options |= tls | {
        "db": destination.db,
        "username": destination.username,
        "password": destination.password,
    }
    if not destination.master:
        host, port = destination.nodes[0]
        kind: Any = TLSConnection if tls else redis.Connection
        pool: Any = _connection.BlockingConnectionPool(
            connection_class=kind,
            host=host,
            port=port,
            max_connections=pool_size,
            timeout=POOL_TIMEOUT,
            **options,
        )
        return redis.Redis.from_pool(pool)
    asking: dict[str, Any] = {
        "socket_timeout": connect_timeout,
        "username": destination.sentinel_username,
        "password": destination.sentinel_password,
    }
    sentinel = _sentinel.Sentinel([], sentinel_kwargs=asking)
    # Sentinel's constructor creates its clients from URL options, which cannot carry an SSL context.
    sentinel.sentinels = [
        redis.Redis.from_pool(
            redis.ConnectionPool(
                connection_class=TLSConnection if tls else redis.Connection,
                host=host,
                port=port,
                **asking,
                **tls,
            )
        )
        for host, port in destination.nodes
    ]
    kind = SentinelTLSConnection if tls else _sentinel.SentinelManagedConnection
    return sentinel.master_for(  # type: ignore[no-any-return]
        destination.master, connection_class=kind, max_connections=pool_size, **options
    )


def connect_blocking(url: str, *, pool_size: int = BLOCKING_POOL_SIZE) -> "redis.Redis":
    """Create a client for blocking reads.

    It has no socket timeout and no retries, because the reader must notice a lost reply. Every reader uses one
    connection exclusively.
    """
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    return _sync_client(url, pool_size, socket_timeout=None, retry=retry)


def blocking_twin(client: "redis.Redis", *, timeout: float | None = None) -> "redis.Redis":
    """Create a client for blocking reads (or another timeout) to the same server as `client`."""
    pool: Any = client.connection_pool
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    # Copy address and credentials only; the other options belong to the other pool.
    options = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if name in _DESTINATION or name.startswith("ssl_")
    }
    options |= {"socket_timeout": timeout, "retry": retry}
    if isinstance(pool, redis.sentinel.SentinelConnectionPool):
        return redis.Redis.from_pool(
            _sentinel.SentinelConnectionPool(pool.service_name, pool.sentinel_manager, **options)
        )
    return redis.Redis.from_pool(
        redis.ConnectionPool(connection_class=pool.connection_class, **options)
    )


def connect_async(url: str, *, pool_size: int = POOL_SIZE) -> "redis.asyncio.Redis":
    """Create an asyncio client; URLs and limits as for `connect`."""
    retry = redis.asyncio.retry.Retry(
        redis.backoff.ExponentialWithJitterBackoff(base=BACKOFF_BASE, cap=BACKOFF_CAP), RETRIES
    )
    options = _options(socket_timeout=SOCKET_TIMEOUT, retry=retry)
    url, credentials, sentinel_credentials = take_credentials(url)
    if _is_sentinel(url):
        nodes, master, more, asking = _sentinel_parts(url, credentials, sentinel_credentials)
        sentinel = _async_sentinel.Sentinel(nodes, sentinel_kwargs=asking)
        if more.pop("ssl"):
            more["connection_class"] = AsyncSentinelFilesTLSConnection
            for each in sentinel.sentinels:
                each.connection_pool.connection_class = AsyncFilesTLSConnection
        waiting = {
            "connection_pool_class": WaitingSentinelPool,
            "max_connections": pool_size,
            "timeout": POOL_TIMEOUT,
        }
        return sentinel.master_for(master, **(options | more | waiting))  # type: ignore[no-any-return]
    options |= _credential_options(credentials)
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url, max_connections=pool_size, timeout=POOL_TIMEOUT, **_for_url(url, options)
    )
    if url.startswith("rediss:"):
        pool.connection_class = AsyncFilesTLSConnection  # in asyncio, the connection class implied by the URL overrides the one passed
    return redis.asyncio.Redis.from_pool(pool)


def drop_idle_connections(client: "redis.Redis") -> None:
    """Close the pool's idle connections: after a failover they may lead to the former primary."""
    pool: Any = client.connection_pool
    pool.disconnect(inuse_connections=False)


def pool_use(client: "redis.Redis | redis.asyncio.Redis") -> Callable[[], tuple[int, int]]:
    """Return a function that reads (connections in use, maximum) of a client's pool."""
    pool: Any = client.connection_pool

    def read() -> tuple[int, int]:
        in_use = getattr(pool, "_in_use_connections", None)
        if (
            in_use is None
        ):  # the blocking pool counts created connections, less those idle in its queue
            idle = sum(1 for connection in list(pool.pool.queue) if connection is not None)
            return len(pool._connections) - idle, pool.max_connections  # noqa: SLF001 - redis-py has no public accessor
        return len(in_use), pool.max_connections

    return read


def _sync_client(url: str, pool_size: int, **more: Any) -> "redis.Redis":
    options = _options(**more)
    url, credentials, sentinel_credentials = take_credentials(url)
    if _is_sentinel(url):
        nodes, master, extra, asking = _sentinel_parts(url, credentials, sentinel_credentials)
        sentinel = _sentinel.Sentinel(nodes, sentinel_kwargs=asking)
        return sentinel.master_for(master, **(options | extra))  # type: ignore[no-any-return]
    options |= _credential_options(credentials)
    pool = redis.BlockingConnectionPool.from_url(
        url, max_connections=pool_size, timeout=POOL_TIMEOUT, **_for_url(url, options)
    )
    return redis.Redis.from_pool(pool)


def _options(**more: Any) -> dict[str, Any]:
    return {
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_keepalive": True,
        "socket_keepalive_options": _KEEPALIVE,
        "health_check_interval": HEALTH_CHECK_INTERVAL,
        **more,
    }


def _for_url(url: str, options: dict[str, Any]) -> dict[str, Any]:
    if not url.startswith("unix:"):
        return options
    return {
        name: value
        for name, value in options.items()
        if not name.startswith("socket_keepalive") and name != "socket_connect_timeout"
    }


def _is_sentinel(url: str) -> bool:
    return url.startswith(("redis+sentinel://", "rediss+sentinel://"))


def _credential_options(credentials: FileCredentials | None) -> dict[str, Any]:
    return {} if credentials is None else {"credential_provider": credentials}


def _sentinel_parts(
    url: str, credentials: FileCredentials | None, sentinel_credentials: FileCredentials | None
) -> tuple[list[tuple[str, int]], str, dict[str, Any], dict[str, Any]]:
    """Return sentinels, primary name, and connection options for the primary and a sentinel."""
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2].split(",")
    nodes = [
        (
            host.rpartition(":")[0] or host,
            int(host.rpartition(":")[2] or 26379) if ":" in host else 26379,
        )
        for host in hosts
    ]
    master, _, database = parts.path.strip("/").partition("/")
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    tls: dict[str, Any] = {"ssl": parts.scheme.startswith("rediss")}
    # parsed as redis-py parses the other URL schemes
    tls |= {
        name: _PARSERS.get(name, str)(value)
        for name, value in query.items()
        if name.startswith("ssl_")
    }
    more: dict[str, Any] = {"db": int(database or 0), **tls, **_credential_options(credentials)}
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    if user or password:
        more |= {"username": unquote(user) or None, "password": unquote(password)}
    asking = {"socket_timeout": CONNECT_TIMEOUT, **(tls if tls["ssl"] else {})}
    asking |= {
        name.removeprefix("sentinel_"): value
        for name, value in query.items()
        if name in ("sentinel_username", "sentinel_password")
    }
    asking |= _credential_options(sentinel_credentials)
    return nodes, master, more, asking
