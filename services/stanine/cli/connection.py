"""Opens the HTTP client for a command and maps its errors to exit statuses.

Called by all commands that need a server.
"""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from stanine.cli.exits import (
    CliError,
    ConflictError,
    InvalidInputError,
    MissingError,
    RefusedError,
    TryAgainError,
)
from stanine.cli.io.terminal import note
from stanine.cli.options import DEFAULT_SERVER
from stanine.client import ApiError, Retry, RetryPolicy, Stanine, StanineClientError, TemporaryError
from stanine.client.connecting import check_key
from stanine.client.errors import MissingScopeError, UnauthenticatedError, UnreachableError

#: Give up early on a server that never answered, because it probably does not run.
_RETRIES = RetryPolicy(patience=60.0, patience_unreached=3.0)
#: Seconds of retries before a note is printed.
_SILENT = 3.0
#: Exits by HTTP status; every other permanent error is a CliError.
_EXITS: dict[int, type[CliError]] = {
    400: InvalidInputError,
    401: RefusedError,
    403: RefusedError,
    404: MissingError,
    409: ConflictError,
    413: InvalidInputError,
    415: InvalidInputError,
    422: InvalidInputError,
}


@contextmanager
def connect(server: str, key: str | None) -> Iterator[Stanine]:
    """Open a client and close it at the end. Raise its errors as CliErrors.

    Raises InvalidInputError for an invalid address or key.
    """
    with _open(server, key) as client:
        try:
            yield client
        except StanineClientError as error:
            raise exit_of(error, server) from None


def exit_of(error: StanineClientError, server: str) -> CliError:
    """Return the CliError for a client error: the server's message and a hint."""
    lines = error.problem.lines() if isinstance(error, ApiError) else [str(error)]
    if isinstance(error, TemporaryError):
        remedy = _remedy(error, server) if isinstance(error, UnreachableError) else ""
        return TryAgainError(f"{server}: {'; '.join(lines)}{remedy}")
    if isinstance(error, UnauthenticatedError | MissingScopeError):
        return RefusedError(*lines, "give a key with STANINE_KEY or --key")
    if isinstance(error, ApiError):
        return _EXITS.get(error.status, CliError)(*lines)
    return CliError(f"{server}: {error}")


def _open(server: str, key: str | None) -> Stanine:
    logger = logging.getLogger("stanine.client")
    if not logger.handlers:  # commands print notes instead of its warnings
        logger.addHandler(logging.NullHandler())
    try:
        check_key(key)
    except ValueError as error:
        raise InvalidInputError(f"STANINE_KEY or --key cannot be used: {error}") from None
    try:
        return Stanine(server, key, retries=_RETRIES, on_retry=_RetryNotes(server))
    except ValueError:
        raise InvalidInputError(
            f"{_without_login(server)!r} is not the address of a server: give --server or STANINE_API_URL as http://HOST:PORT"
        ) from None


class _RetryNotes:
    """Prints a note when retries take more than a few seconds, once per outage. Thread-safe."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._printed_at = float("-inf")

    def __call__(self, retry: Retry) -> None:
        now = time.monotonic()
        with self._lock:
            if retry.spent <= _SILENT or self._printed_at >= now - retry.spent:
                return
            self._printed_at = now
        reason = (
            retry.error.problem.lines()[0] if isinstance(retry.error, ApiError) else retry.error
        )
        note(f"{self._server}: {reason}; trying again for up to {_RETRIES.patience:.0f} s")


def _remedy(error: UnreachableError, server: str) -> str:
    """Return a hint for a failed connection."""
    cause = error.__cause__
    if isinstance(cause, socket.gaierror):
        return f": the name {urlsplit(server).hostname} is not known: is it spelled right?"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f": its certificate is not trusted ({cause.verify_message}); "
            "SSL_CERT_FILE may name the authority that signed it"
        )
    if isinstance(cause, ssl.SSLError):
        return ": the server does not speak TLS: is it http://?"
    if isinstance(cause, ConnectionRefusedError):
        return ": nothing listens there; " + (
            "`stanine up` starts a server"
            if server == DEFAULT_SERVER
            else "is it running, and is STANINE_API_URL right?"
        )
    if isinstance(cause, TimeoutError):
        return ": is the address right, and does a firewall let it through?"
    return f": {cause.strerror}" if isinstance(cause, OSError) and cause.strerror else ""


def _without_login(server: str) -> str:
    """Return an address without credentials."""
    scheme, separator, rest = server.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]
