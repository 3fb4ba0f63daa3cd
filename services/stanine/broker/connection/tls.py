"""TLS connections that redis-py lacks: in-memory certificates, and reloaded files in asyncio.

Used by clients.py. The operator reads certificates from Secrets and never writes them to disk; its connections receive
an SSL context and the expected server name. The services use files. redis-py reads them for each connection, but in
asyncio only for the first connection of each connection object.
"""

import os
import ssl
from pathlib import Path
from typing import Any

import redis.asyncio
import redis.asyncio.sentinel
import redis.connection
import redis.sentinel

#: redis-py's connection classes are not annotated.
_connection: Any = redis.connection
_sentinel: Any = redis.sentinel
_async: Any = redis.asyncio
_async_sentinel: Any = redis.asyncio.sentinel


def make_context(
    ca: bytes | None, certificate: bytes | None = None, key: bytes | None = None
) -> ssl.SSLContext:
    """Create a client SSL context from PEM texts.

    `ca` replaces the system's trust store; `certificate` and `key` authenticate the client. Raises ssl.SSLError or
    ValueError if they are invalid; the message does not quote them.
    """
    context = ssl.create_default_context(
        cadata=ca.decode("ascii", errors="replace") if ca is not None else None
    )
    if certificate is not None and key is not None:
        # OpenSSL reads files only; these exist in memory until the end of this call.
        with _memory_file(certificate) as first, _memory_file(key) as second:
            context.load_cert_chain(
                f"/proc/self/fd/{first.fileno()}",
                f"/proc/self/fd/{second.fileno()}",
                password=_no_password,
            )
    return context


class TLSConnection(_connection.SSLConnection):  # type: ignore[misc]
    """A connection with an SSL context.

    `ssl_server_name` is the expected certificate name if it differs from the host. The option names begin with `ssl_`
    so that `clients.blocking_twin` copies them.
    """

    def __init__(
        self,
        *,
        ssl_ready_context: ssl.SSLContext,
        ssl_server_name: str | None = None,
        **options: Any,
    ) -> None:
        self._ready_context = ssl_ready_context
        self._server_name = ssl_server_name
        super().__init__(**options)

    def _wrap_socket_with_ssl(self, sock: Any) -> ssl.SSLSocket:
        return self._ready_context.wrap_socket(sock, server_hostname=self._server_name or self.host)


class SentinelTLSConnection(_sentinel.SentinelManagedConnection, TLSConnection):  # type: ignore[misc]
    """TLSConnection to the primary discovered by Sentinel."""


class AsyncFilesTLSConnection(_async.SSLConnection):  # type: ignore[misc]
    """An asyncio TLS connection that reloads changed certificate, key and CA files."""

    _seen: tuple[Any, ...] = ()

    def _connection_arguments(self) -> Any:
        context = self.ssl_context
        # creating a context blocks the event loop for about 10 ms
        seen = tuple(
            _file_state(path) for path in (context.certfile, context.keyfile, context.ca_certs)
        )
        if seen != self._seen:
            context.context, self._seen = None, seen
        return super()._connection_arguments()


class AsyncSentinelFilesTLSConnection(
    _async_sentinel.SentinelManagedConnection,  # type: ignore[misc]
    AsyncFilesTLSConnection,
):
    """AsyncFilesTLSConnection to the primary discovered by Sentinel."""


def _file_state(path: str | None) -> tuple[int, int] | None:
    try:
        state = Path(path).stat() if path else None
    except OSError:
        return None  # opening the file reports the reason
    return (state.st_ino, state.st_mtime_ns) if state else None


def _memory_file(content: bytes) -> Any:
    file = os.fdopen(os.memfd_create("pem"), "wb")
    file.write(content)
    file.flush()
    return file


def _no_password() -> str:
    # Without this OpenSSL would prompt on the terminal.
    raise ValueError("the private key is encrypted")
