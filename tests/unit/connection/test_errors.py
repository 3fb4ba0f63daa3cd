"""What each failure of a server means."""

import socket
import ssl

import pytest
import redis.exceptions as errors

from stanine.broker.connection.checks import find_problem
from stanine.broker.connection.errors import ServerError, classify


def caused_by(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(("error", "reason", "permanent"), [
    (ConnectionRefusedError(), "ConnectionRefused", False),
    (errors.ConnectionError("Error 111 connecting to localhost:1. Connection refused."), "ConnectionRefused", False),
    (caused_by(errors.ConnectionError("x"), socket.gaierror(-2, "Name or service not known")), "NameNotFound", False),
    (errors.ConnectionError("Error -2 connecting to nowhere:1. Name or service not known."), "NameNotFound", False),
    (errors.ConnectionError("Connection closed by server."), "ConnectionLost", False),
    (errors.ConnectionError("max number of clients reached"), "TooManyClients", False),
    (errors.ConnectionError("No connection available."), "PoolExhausted", False),
    (errors.TimeoutError("Timeout reading from socket"), "Timeout", False),
    (TimeoutError(), "Timeout", False),
    (OSError(113, "No route to host"), "HostUnreachable", False),
    (errors.ResponseError("UNBLOCKED force unblock from blocking operation, instance state changed"), "ReadOnly", False),
    (errors.BusyLoadingError("Redis is loading the dataset in memory"), "Loading", False),
    (errors.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "Full", False),
    (errors.ResponseError("OOM command not allowed when used memory > 'maxmemory'."), "Full", False),
    (errors.ReadOnlyError("You can't write against a read only replica."), "ReadOnly", False),
    (errors.MasterDownError("Link with MASTER is down"), "PrimaryDown", False),
    (errors.ClusterDownError("CLUSTERDOWN"), "ClusterDown", False),
    (errors.ResponseError("NOREPLICAS Not enough good replicas to write."), "TooFewReplicas", False),
    (errors.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "DiskFailed", False),
    (errors.ResponseError("BUSY Redis is busy running a script."), "Busy", False),
    (errors.AuthenticationError("invalid username-password pair or user is disabled."), "AuthFailed", True),
    (errors.AuthenticationError("Authentication required."), "AuthRequired", True),
    (errors.ResponseError("NOAUTH Authentication required."), "AuthRequired", True),
    (errors.NoPermissionError("this user has no permissions to run the 'get' command"), "PermissionMissing", True),
    (errors.ResponseError("ACL failure in script: User u has no permissions to run the 'xadd' command"), "PermissionMissing", True),
    (errors.ResponseError("The user executing the script can't run this command or subcommand script: f"), "PermissionMissing", True),
    (errors.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), "WrongType", True),
    (caused_by(errors.ConnectionError("x"), ssl.SSLCertVerificationError("CERTIFICATE_VERIFY_FAILED")), "TLSHandshakeFailed", True),
    (errors.ConnectionError("Error 1 connecting: [SSL: WRONG_VERSION_NUMBER] wrong version number"), "TLSHandshakeFailed", True),
    (errors.InvalidResponse("Protocol Error: b'HTTP/1.1'"), "WrongProtocol", True),
    (errors.ResponseError("DB index is out of range"), "NoSuchDatabase", True),
    (errors.ResponseError("ERR something new"), "ServerRefused", True),
    (KeyError("x"), "Unknown", False),
])  # fmt: skip
def test_each_failure_has_its_reason(error: Exception, reason: str, *, permanent: bool) -> None:
    problem = classify(error)
    assert (problem.reason, problem.permanent) == (reason, permanent)
    assert problem.remedy.endswith(".")


def test_a_server_error_keeps_its_problem() -> None:
    problem = classify(errors.TimeoutError())
    assert classify(ServerError(problem)) is problem


def test_a_problem_repeats_nothing_of_the_servers_text() -> None:
    assert "secret" not in str(
        classify(errors.ResponseError("WRONGTYPE the key stanine:secret holds a list"))
    )


@pytest.mark.parametrize(("info", "reason"), [
    ({"redis_version": "7.0.15", "role": "master", "maxmemory_policy": "noeviction"}, None),
    ({"redis_version": "10.1.0"}, None),
    ({"redis_version": "6.2.20"}, "VersionTooOld"),
    ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, None),
    ({"redis_version": "6.0.0", "valkey_version": "9.1.2"}, None),
    ({"redis_version": "7.2.4", "loading": 1}, "Loading"),
    ({"redis_version": "7.2.4", "role": "slave"}, "ReadOnly"),
    ({"redis_version": "7.2.4", "maxmemory_policy": "volatile-lru"}, "EvictionPolicy"),
    ({"redis_version": "6.2.0", "role": "slave"}, "VersionTooOld"),
])  # fmt: skip
def test_a_server_is_judged_by_its_info(info: dict[str, object], reason: str | None) -> None:
    problem = find_problem(info)
    assert (problem.reason if problem else None) == reason
