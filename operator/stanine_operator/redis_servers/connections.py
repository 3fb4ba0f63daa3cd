"""Connections to the servers of RedisConfigs, shared by the resources that refer to them.

`open` is cheap while the server is healthy: Secrets are read again every 30 s and the server is pinged every 10 s, by
one thread. After a failure all callers get the same problem for some seconds without a connection attempt: a thousand
queues of an unreachable server cause one attempt every 5 s. After rejected credentials the Secret is read again at
once, so a rotation takes effect at the next reconciliation.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import redis

from stanine.broker import StreamsBroker
from stanine.broker.connection.clients import Destination, connect_to, drop_idle_connections
from stanine.store.keys import Keys
from stanine_operator.controller.problems import (
    REFUSED,
    SECRET_NOT_FOUND,
    OperatorProblem,
    problem_of,
)
from stanine_operator.controller.resource import Key, Resource
from stanine_operator.redis_servers.acl_file import AclFile
from stanine_operator.redis_servers.credentials import (
    Credentials,
    ReadSecret,
    SecretReference,
    read_credentials,
)
from stanine_operator.redis_servers.places import name_in_certificate, nodes_of

#: Seconds during which the content of Secrets counts as current.
SECRETS_FRESH = 30.0
#: Seconds during which a successful PING counts as current.
VERIFIED_FRESH = 10.0
#: Seconds during which a failure is repeated without a new attempt.
PROBLEM_FRESH = 5.0
#: Retries of a command: one, since reconciliation is retried anyway.
RETRIES = 1
#: Maximum number of connections per RedisConfig: enough for each worker thread.
POOL_SIZE = 32
#: The key namespace if the spec names none.
DEFAULT_NAMESPACE = "stanine"


@dataclass(frozen=True)
class Server:
    """A connected server. Thread-safe."""

    client: "redis.Redis"
    keys: Keys
    broker: StreamsBroker
    acl_file: AclFile


@dataclass
class _Entry:
    """State of one RedisConfig's connection; changed only while its lock is held."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    identity: tuple[Any, ...] | None = None
    digest: bytes = b""
    server: Server | None = None
    secrets_read: float = float("-inf")
    verified: float = float("-inf")
    problem: OperatorProblem | None = None
    problem_since: float = float("-inf")

    def is_failing(self, identity: tuple[Any, ...], now: float) -> bool:
        """Return whether the last problem of this server is still current."""
        return self.identity == identity and now - self.problem_since <= PROBLEM_FRESH


class Connections:
    """The operator's connections by RedisConfig."""

    def __init__(
        self, read_secret: ReadSecret, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read_secret = read_secret
        #: Called from any thread with a RedisConfig's key when the content of its Secrets or its health has changed.
        self.changed: Callable[[Key], None] = lambda _key: None
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[Key, _Entry] = {}

    def open(self, redis_config: Resource) -> Server:
        """Return the server of a RedisConfig, verified within the last ten seconds.

        Raises OperatorProblem: SecretNotFound, SecretKeyMissing, … for the references of the spec, or a reason of
        stanine.broker.connection.errors.
        """
        with self._lock:
            entry = self._entries.setdefault(redis_config.key, _Entry())
        identity = _identity(redis_config)
        last = entry.problem
        if last is None:
            entry.lock.acquire()
        # While one thread tries to connect, the others repeat the last problem instead of waiting for a timeout too.
        elif entry.is_failing(identity, self._clock()) or not entry.lock.acquire(blocking=False):
            raise _copy_problem(last)
        try:
            now = self._clock()
            if entry.problem is not None:
                if entry.is_failing(identity, now):
                    raise _copy_problem(entry.problem)
            elif (
                entry.server is not None
                and entry.identity == identity
                and now - entry.secrets_read <= SECRETS_FRESH
                and now - entry.verified <= VERIFIED_FRESH
            ):
                return entry.server
            return self._open(entry, redis_config)
        finally:
            entry.lock.release()

    def report_failure(self, redis_config: Resource, problem: OperatorProblem) -> None:
        """Record a failure on an open server: the next `open` verifies it again."""
        entry = self._entries.get(redis_config.key)
        if entry is None:
            return
        entry.verified = float("-inf")
        if problem.reason in REFUSED:
            entry.secrets_read = float("-inf")

    def healthy(self) -> dict[Key, Server]:
        """Return the open servers without a known problem, by RedisConfig."""
        with self._lock:
            return {
                key: entry.server
                for key, entry in self._entries.items()
                if entry.server is not None and entry.problem is None
            }

    def invalidate(self, key: Key) -> None:
        """Make the next `open` of a RedisConfig verify its server again."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.verified = float("-inf")

    def forget(self, key: Key) -> None:
        """Close the connection of a deleted RedisConfig."""
        with self._lock:
            entry = self._entries.pop(key, None)
        if entry is not None and entry.server is not None:
            entry.server.client.close()

    def close(self) -> None:
        """Close all connections."""
        for key in list(self._entries):
            self.forget(key)

    def _open(self, entry: _Entry, redis_config: Resource) -> Server:
        was_healthy = entry.problem is None
        try:
            server = self._connected(entry, redis_config)
        except Exception as error:
            problem = problem_of(error)
            news = was_healthy or problem.reason != getattr(entry.problem, "reason", None)
            entry.problem, entry.problem_since = problem, self._clock()
            entry.identity = _identity(redis_config)
            if news:
                self.changed(redis_config.key)
            if isinstance(error, OperatorProblem):
                raise
            raise problem from error
        entry.problem = None
        if not was_healthy:
            self.changed(redis_config.key)
        return server

    def _connected(self, entry: _Entry, redis_config: Resource) -> Server:
        refused = entry.problem is not None and entry.problem.reason in REFUSED
        server = self._server(entry, redis_config, again=refused)
        if self._clock() - entry.verified <= VERIFIED_FRESH:
            return server
        try:
            self._verify(entry, server)
        except redis.RedisError as error:
            before = entry.digest
            if problem_of(error).reason not in REFUSED or refused:
                raise
            server = self._server(entry, redis_config, again=True)
            if entry.digest == before:
                raise
            self._verify(entry, server)
        return server

    def _verify(self, entry: _Entry, server: Server) -> None:
        try:
            server.client.ping()
        except redis.RedisError:
            drop_idle_connections(server.client)
            raise
        entry.verified = self._clock()

    def _server(self, entry: _Entry, redis_config: Resource, *, again: bool) -> Server:
        """Return the server for the current Secrets; a new one if they or the spec changed."""
        identity = _identity(redis_config)
        same = entry.server is not None and entry.identity == identity
        if same and not again and self._clock() - entry.secrets_read <= SECRETS_FRESH:
            assert entry.server is not None
            return entry.server
        try:
            credentials = read_credentials(redis_config, self._read_secret)
        except OperatorProblem as problem:
            # A resource deleted together with its Secret is finalized with the open connection.
            if (
                problem.reason == SECRET_NOT_FOUND
                and same
                and redis_config.deleting
                and entry.server is not None
            ):
                return entry.server
            raise
        entry.secrets_read = self._clock()
        if same and entry.digest == credentials.digest:
            assert entry.server is not None
            return entry.server
        old, news = entry.server, entry.server is not None
        entry.server = make_server(redis_config, credentials)
        entry.identity, entry.digest, entry.verified = identity, credentials.digest, float("-inf")
        if old is not None:
            drop_idle_connections(old.client)  # other threads finish with their connections
        if news:
            self.changed(redis_config.key)
        return entry.server


def key_namespace_of(redis_config: Resource) -> str:
    """Return the prefix of all keys of a RedisConfig."""
    return str(redis_config.spec.get("keyNamespace") or DEFAULT_NAMESPACE)


def make_server(redis_config: Resource, credentials: Credentials) -> Server:
    """Create the client and the objects that use it, without connecting."""
    connection = redis_config.spec.get("connection") or {}
    destination = Destination(
        nodes=nodes_of(redis_config),
        master=str((connection.get("sentinel") or {}).get("masterName") or ""),
        db=int(connection.get("db") or 0),
        username=credentials.text(SecretReference.USERNAME),
        password=credentials.text(SecretReference.PASSWORD),
        sentinel_username=credentials.text(SecretReference.SENTINEL_USERNAME),
        sentinel_password=credentials.text(SecretReference.SENTINEL_PASSWORD),
        tls=credentials.tls,
        server_name=name_in_certificate(redis_config),
    )
    client = connect_to(
        destination,
        pool_size=POOL_SIZE,
        connect_timeout=int(connection.get("connectTimeoutMilliseconds") or 2000) / 1000,
        timeout=int(connection.get("commandTimeoutMilliseconds") or 5000) / 1000,
        retries=RETRIES,
    )
    keys = Keys(key_namespace_of(redis_config))
    return Server(
        client,
        keys,
        StreamsBroker(client=client, namespace=keys.partition),
        AclFile(credentials.acl_file),
    )


def _identity(redis_config: Resource) -> tuple[Any, ...]:
    spec = redis_config.spec
    return redis_config.uid, spec.get("connection"), spec.get("keyNamespace")


def _copy_problem(problem: OperatorProblem) -> OperatorProblem:
    """Return a copy: an exception raised in many threads would collect all their tracebacks."""
    return OperatorProblem(problem.reason, problem.message, permanent=problem.permanent)
