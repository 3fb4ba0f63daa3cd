"""Connections to the servers that RedisConfigs name, one a RedisConfig, shared by everything that refers to it. Called by the kinds.

`open` costs nothing while all is well: Secrets are read again every 30 s, the server is asked for a PING every 10 s, both by one thread.
After a failure everyone gets the same problem for some seconds without touching the server: a thousand queues of a server that is
away are one attempt every 5 s. A refused password is read again at once, so a rotation heals with the next turn.
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
from stanine_operator.redis_servers.places import address_of, name_in_certificate, nodes_of

#: Seconds that what was read from Secrets counts as fresh.
SECRETS_FRESH = 30.0
#: Seconds that an answered PING vouches for the server.
VERIFIED_FRESH = 10.0
#: Seconds that everyone is told of a failure before somebody tries again.
PROBLEM_FRESH = 5.0
#: Further tries of a command: one, since the loop comes back anyway.
RETRIES = 1
#: Connections a RedisConfig may have: one for each thread of the loop.
POOL_SIZE = 32
#: The prefix of keys where the spec names none.
DEFAULT_NAMESPACE = "stanine"


@dataclass(frozen=True)
class Server:
    """A server one can work with. Everything in it may be used from any thread."""

    client: "redis.Redis"
    #: Which server this is, whatever database, user or namespace: for finding two resources that mean the same one.
    address: tuple[Any, ...]
    namespace: str
    keys: Keys
    broker: StreamsBroker
    acl_file: AclFile


@dataclass
class _Entry:
    """What is known about one RedisConfig's connection; changed only by whoever holds its lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    identity: tuple[Any, ...] | None = None
    digest: bytes = b""
    server: Server | None = None
    secrets_read: float = float("-inf")
    verified: float = float("-inf")
    problem: OperatorProblem | None = None
    problem_since: float = float("-inf")


class Connections:
    """The connections of this operator."""

    def __init__(
        self, read_secret: ReadSecret, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read_secret = read_secret
        #: Called, from any thread, with a RedisConfig's key when its Secrets' content or its health has changed.
        self.changed: Callable[[Key], None] = lambda _key: None
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[Key, _Entry] = {}

    def open(self, redis_config: Resource) -> Server:
        """Return the server of a RedisConfig, seen to answer within the last ten seconds.

        Raises OperatorProblem: SecretNotFound, SecretKeyMissing, … for what the spec refers to, or a reason of
        stanine.broker.connection.errors.
        """
        with self._lock:
            entry = self._entries.setdefault(redis_config.key, _Entry())
        known = _fresh_problem(entry, redis_config, self._clock())
        if known is not None:
            raise known
        # While one thread finds out, the others repeat what was known before rather than wait for a timeout too.
        last = entry.problem
        if last is None:
            entry.lock.acquire()
        elif not entry.lock.acquire(blocking=False):
            raise _again(last)
        try:
            known = _fresh_problem(entry, redis_config, self._clock())
            if known is not None:
                raise known
            return self._open(entry, redis_config)
        finally:
            entry.lock.release()

    def report_failure(self, redis_config: Resource, problem: OperatorProblem) -> None:
        """Take in that work on a server that had been open failed: the next `open` looks before it promises."""
        entry = self._entries.get(redis_config.key)
        if entry is None:
            return
        entry.verified = float("-inf")
        if problem.reason in REFUSED:
            entry.secrets_read = float("-inf")

    def healthy(self) -> dict[Key, Server]:
        """Return the servers that were opened and had no problem when last seen, by RedisConfig."""
        with self._lock:
            return {
                key: entry.server
                for key, entry in self._entries.items()
                if entry.server is not None and entry.problem is None
            }

    def invalidate(self, key: Key) -> None:
        """Take in that a server is not what it was: the next `open` looks before it promises."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.verified = float("-inf")

    def forget(self, key: Key) -> None:
        """Close the connection of a RedisConfig that is gone."""
        with self._lock:
            entry = self._entries.pop(key, None)
        if entry is not None and entry.server is not None:
            entry.server.client.close()

    def close(self) -> None:
        """Close everything."""
        for key in list(self._entries):
            self.forget(key)

    def _open(self, entry: _Entry, redis_config: Resource) -> Server:
        was_well = entry.problem is None
        try:
            server = self._connected(entry, redis_config)
        except Exception as error:
            problem = problem_of(error)
            news = was_well or problem.reason != getattr(entry.problem, "reason", None)
            entry.problem, entry.problem_since = problem, self._clock()
            entry.identity = _identity(redis_config)
            if news:
                self.changed(redis_config.key)
            if isinstance(error, OperatorProblem):
                raise
            raise problem from error
        entry.problem = None
        if not was_well:
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
        """Return the server by what the Secrets say now; a new one if that or the spec has changed."""
        identity = _identity(redis_config)
        same = entry.server is not None and entry.identity == identity
        if same and not again and self._clock() - entry.secrets_read <= SECRETS_FRESH:
            assert entry.server is not None
            return entry.server
        try:
            credentials = read_credentials(redis_config, self._read_secret)
        except OperatorProblem as problem:
            # What is deleted together with its Secret is released with the connection that is open.
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
            drop_idle_connections(old.client)  # what other threads are using ends with them
        if news:
            self.changed(redis_config.key)
        return entry.server


def key_namespace_of(redis_config: Resource) -> str:
    """Return the prefix of every key that a RedisConfig speaks for."""
    return str(redis_config.spec.get("keyNamespace") or DEFAULT_NAMESPACE)


def make_server(redis_config: Resource, credentials: Credentials) -> Server:
    """Make the client and what works through it; nothing is connected yet."""
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
    namespace = key_namespace_of(redis_config)
    keys = Keys(namespace)
    return Server(
        client,
        address_of(redis_config),
        namespace,
        keys,
        StreamsBroker(client=client, namespace=keys.partition),
        AclFile(credentials.acl_file),
    )


def _identity(redis_config: Resource) -> tuple[Any, ...]:
    return redis_config.uid, redis_config.spec.get("connection"), key_namespace_of(redis_config)


def _fresh_problem(entry: _Entry, redis_config: Resource, now: float) -> OperatorProblem | None:
    if (
        entry.problem is None
        or now - entry.problem_since > PROBLEM_FRESH
        or entry.identity != _identity(redis_config)
    ):
        return None
    return _again(entry.problem)


def _again(problem: OperatorProblem) -> OperatorProblem:
    """Return the problem as a new exception: one raised in many threads would gather all their tracebacks."""
    return OperatorProblem(problem.reason, problem.message, permanent=problem.permanent)
