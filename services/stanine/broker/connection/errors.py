"""Problems of a Redis server, each with a reason and a remedy.

Used by bootstrap, broker, health checks and API. A problem is permanent if retries cannot succeed until a person acts;
otherwise it is temporary. Server messages that could contain keys or values are not repeated.
"""

import socket
import ssl
from dataclasses import dataclass
from itertools import takewhile

import redis
import redis.exceptions

from stanine.broker.connection.credentials import CredentialsUnreadableError


@dataclass(frozen=True)
class ServerProblem:
    """A problem: CamelCase reason, one sentence with the remedy, and whether it is permanent."""

    reason: str
    remedy: str
    permanent: bool

    def __str__(self) -> str:
        return f"{self.reason}: {self.remedy}"


class ServerError(Exception):
    """The server cannot be used; `problem` holds reason and remedy."""

    def __init__(self, problem: ServerProblem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def _temporary(reason: str, remedy: str) -> ServerProblem:
    return ServerProblem(reason, remedy, permanent=False)


def _permanent(reason: str, remedy: str) -> ServerProblem:
    return ServerProblem(reason, remedy, permanent=True)


CONNECTION_REFUSED = _temporary(
    "ConnectionRefused",
    "No server listens at this address: start it, or correct host and port.",
)
CONNECTION_LOST = _temporary(
    "ConnectionLost",
    "The connection was closed: see the server's log if this persists. A TLS server closes plain connections: try rediss://.",
)
HOST_UNREACHABLE = _temporary(
    "HostUnreachable", "The host is unreachable: check routes, firewalls and network policies."
)
TIMED_OUT = _temporary(
    "Timeout", "The server did not answer in time: check its load, slow commands and the network."
)
NAME_NOT_FOUND = _temporary(
    "NameNotFound", "The host name does not resolve: correct it, or wait until the service exists."
)
NO_FREE_CONNECTION = _temporary(
    "PoolExhausted",
    "All connections of the pool are in use: increase its size or reduce the concurrency.",
)
LOADING = _temporary("Loading", "The server is loading its data: wait until it has finished.")
FULL = _temporary(
    "Full",
    "The server has reached its maxmemory: increase it, or let the queues drain. Until then new messages are rejected.",
)
READ_ONLY = _temporary(
    "ReadOnly",
    "The server is a replica: connect to the primary, or wait for the failover to complete.",
)
PRIMARY_DOWN = _temporary(
    "PrimaryDown", "The replica has lost its primary: wait for the failover to complete."
)
NO_PRIMARY = _temporary(
    "NoPrimary",
    "Sentinel knows no primary with this name: check the name, or wait for the failover to complete.",
)
CLUSTER_DOWN = _temporary("ClusterDown", "The cluster does not serve this slot: check its nodes.")
TOO_FEW_REPLICAS = _temporary(
    "TooFewReplicas",
    "Fewer replicas are connected than min-replicas-to-write requires: restore them.",
)
DISK_FAILED = _temporary(
    "DiskFailed", "The server could not save its data and rejects writes: free or repair its disk."
)
BUSY = _temporary(
    "Busy", "The server is busy running a script: wait, or stop it with FUNCTION KILL."
)
FUNCTIONS_MISSING = _temporary(
    "FunctionsMissing",
    "The function library is not loaded and this user may not load it: wait for the operator, or permit FUNCTION LOAD.",
)
TOO_MANY_CLIENTS = _temporary(
    "TooManyClients", "The server has reached its maxclients: increase it, or close connections."
)

AUTH_FAILED = _permanent("AuthFailed", "Invalid username or password: correct them.")
CREDENTIALS_UNREADABLE = _permanent(
    "LoginUnreadable",
    "The file with the username or password cannot be read: check that it is mounted.",
)
AUTH_REQUIRED = _permanent("AuthRequired", "The server requires a password: configure one.")
PERMISSION_MISSING = _permanent(
    "PermissionMissing", "The user may not run this command or access this key: extend its ACL."
)
WRONG_TYPE = _permanent(
    "WrongType",
    "A key has an unexpected type: another program uses this namespace; choose another namespace or remove the key.",
)
VERSION_TOO_OLD = _permanent(
    "VersionTooOld", "Redis 7.0 or newer, or Valkey, is required: upgrade the server."
)
EVICTION_POLICY = _permanent(
    "EvictionPolicy", "The server may evict data: set maxmemory-policy to noeviction."
)
TLS_FAILED = _permanent(
    "TLSHandshakeFailed",
    "The TLS handshake failed: check rediss:// against redis://, the certificate, its names and the CA.",
)
PROTECTED_MODE = _permanent(
    "ProtectedMode", "The server takes local connections only: set a password or configure bind."
)
WRONG_PROTOCOL = _permanent(
    "WrongProtocol", "The server at this address is not Redis: correct host and port."
)
CROSS_SLOT = _permanent(
    "CrossSlot", "Keys lie in different cluster slots: give the namespace one hash tag."
)
NO_SUCH_DATABASE = _permanent(
    "NoSuchDatabase", "The server does not have this database number: correct it."
)
SERVER_REFUSED = _permanent(
    "ServerRefused", "The server rejected the command: see its log and the version notes."
)
UNKNOWN = _temporary("Unknown", "An unexpected error: see the log.")

#: The server rejects writes but answers reads.
REFUSES_WRITES = (READ_ONLY, DISK_FAILED, TOO_FEW_REPLICAS)

#: First word of an error reply -> problem. redis-py converts some codes to classes, see `_BY_CLASS`.
_BY_CODE = {
    "OOM": FULL,
    "READONLY": READ_ONLY,
    "LOADING": LOADING,
    "MASTERDOWN": PRIMARY_DOWN,
    "CLUSTERDOWN": CLUSTER_DOWN,
    "TRYAGAIN": CLUSTER_DOWN,
    "NOREPLICAS": TOO_FEW_REPLICAS,
    "MISCONF": DISK_FAILED,
    "BUSY": BUSY,
    "UNBLOCKED": READ_ONLY,  # sent to blocked clients when a primary becomes a replica
    "NOAUTH": AUTH_REQUIRED,
    "WRONGPASS": AUTH_FAILED,
    "NOPERM": PERMISSION_MISSING,
    "WRONGTYPE": WRONG_TYPE,
    "CROSSSLOT": CROSS_SLOT,
    "DENIED": PROTECTED_MODE,
}

#: redis-py exception classes, subclasses before their bases.
_BY_CLASS: tuple[tuple[type[BaseException], ServerProblem], ...] = (
    (redis.exceptions.BusyLoadingError, LOADING),
    (CredentialsUnreadableError, CREDENTIALS_UNREADABLE),
    (redis.exceptions.AuthenticationError, AUTH_FAILED),
    (redis.exceptions.AuthenticationWrongNumberOfArgsError, AUTH_FAILED),
    (redis.exceptions.AuthorizationError, PERMISSION_MISSING),
    (redis.exceptions.NoPermissionError, PERMISSION_MISSING),
    (redis.exceptions.OutOfMemoryError, FULL),
    (redis.exceptions.ReadOnlyError, READ_ONLY),
    (redis.exceptions.MasterDownError, PRIMARY_DOWN),
    (redis.exceptions.ClusterDownError, CLUSTER_DOWN),
    (redis.exceptions.TryAgainError, CLUSTER_DOWN),
    (redis.exceptions.ClusterCrossSlotError, CROSS_SLOT),
    (redis.exceptions.MaxConnectionsError, NO_FREE_CONNECTION),
    (redis.exceptions.InvalidResponse, WRONG_PROTOCOL),
)

#: Message fragments, for errors with neither a specific class nor a code.
_BY_TEXT = (
    ("NOAUTH", AUTH_REQUIRED),
    ("Authentication required", AUTH_REQUIRED),
    ("invalid username-password", AUTH_FAILED),
    ("max number of clients", TOO_MANY_CLIENTS),
    ("No connection available", NO_FREE_CONNECTION),
    ("No master found", NO_PRIMARY),
    ("DB index is out of range", NO_SUCH_DATABASE),
    ("protected mode", PROTECTED_MODE),
    ("is loading", LOADING),
    ("can't run this command or subcommand", PERMISSION_MISSING),
    ("ACL failure", PERMISSION_MISSING),
    ("no permissions", PERMISSION_MISSING),
    ("No permissions", PERMISSION_MISSING),
    ("Connection refused", CONNECTION_REFUSED),
    ("Name or service not known", NAME_NOT_FOUND),
    ("nodename nor servname", NAME_NOT_FOUND),
    ("Temporary failure in name resolution", NAME_NOT_FOUND),
    ("No address associated", NAME_NOT_FOUND),
    ("CERTIFICATE_VERIFY_FAILED", TLS_FAILED),
    ("WRONG_VERSION_NUMBER", TLS_FAILED),
    ("SSL", TLS_FAILED),
    ("handshake operation timed out", TLS_FAILED),
    ("unreachable", HOST_UNREACHABLE),
    ("No route to host", HOST_UNREACHABLE),
    ("timed out", TIMED_OUT),
    ("Timeout", TIMED_OUT),
)


def classify(error: BaseException) -> ServerProblem:
    """Return the problem for an exception of redis-py, sockets or TLS; UNKNOWN if unrecognized."""
    if isinstance(error, ServerError):
        return error.problem
    chain = _causes(error)
    return (
        _from_socket(chain)
        or _from_reply(error)
        or _from_texts(" ".join(str(cause) for cause in chain))
        or _from_kind(error)
    )


def _causes(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain


def _from_socket(chain: list[BaseException]) -> ServerProblem | None:
    for cause in chain:
        if isinstance(cause, ssl.SSLError):
            return TLS_FAILED
        if isinstance(cause, socket.gaierror):
            return NAME_NOT_FOUND
        if isinstance(cause, ConnectionRefusedError):
            return CONNECTION_REFUSED
    return None


def _from_reply(error: BaseException) -> ServerProblem | None:
    # redis-py uses one class for a missing and a wrong password.
    if isinstance(error, redis.exceptions.AuthenticationError) and "Authentication required" in str(
        error
    ):
        return AUTH_REQUIRED
    for kind, problem in _BY_CLASS:
        if isinstance(error, kind):
            return problem
    code = "".join(takewhile(str.isupper, str(error)))
    return _BY_CODE.get(code) if isinstance(error, redis.exceptions.ResponseError) else None


def _from_texts(text: str) -> ServerProblem | None:
    return next((problem for fragment, problem in _BY_TEXT if fragment in text), None)


def _from_kind(error: BaseException) -> ServerProblem:
    if isinstance(error, redis.exceptions.TimeoutError | TimeoutError):
        return TIMED_OUT
    if isinstance(error, redis.exceptions.ConnectionError | OSError):
        return CONNECTION_LOST
    if isinstance(error, redis.exceptions.ResponseError):
        return SERVER_REFUSED
    return UNKNOWN
