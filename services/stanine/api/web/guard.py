"""Limits on connections that uvicorn lacks: sizes and times of heads, bodies and answers.

`GuardedConnection` is an `asyncio.Protocol` that contains uvicorn's `HttpToolsProtocol` and uses only its public
methods. It feeds all bytes to its own httptools parser first, as uvicorn does afterwards, and so knows the position
within a request. One loop per process, `Guard.watch`, compares all connections with their deadlines, so a request
needs no timer. Made by `server`.
"""

import asyncio
import re
import resource
import sys
from typing import Any, cast

import httptools
import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from stanine.api.web.answer_writer import AnswerWriter
from stanine.api.web.problems import MALFORMED_REQUEST, MEDIA_TYPE, ProblemDocument

#: Maximum bytes without body data: heads, trailers, chunk extensions, empty lines. Several times what browsers and
#: proxies send.
MAX_HEAD_BYTES = 32 << 10
#: Bytes parsed at a time; limits are checked between slices.
SLICE_BYTES = 8 << 10
#: Maximum requests of a connection that wait for an answer. uvicorn stops reading at the second, but one segment
#: can hold thousands.
MAX_PIPELINED = 128
#: Maximum bytes of a body that are discarded after its request is answered, so that the client reads the answer;
#: then the connection is closed.
MAX_DISCARDED_BYTES = 512 << 10
#: Seconds for the first head after connecting, and for any incomplete head.
HEAD_SECONDS = 10.0
#: Seconds for the rest of a body after its request is answered.
DISCARD_SECONDS = 10.0
#: Seconds in which a client must read MIN_TAKEN_BYTES of waiting answers.
WRITE_SECONDS = 30.0
MIN_TAKEN_BYTES = 16 << 10
#: Open files reserved for other uses than client connections, such as connections to Redis; and the minimum number
#: of connections.
RESERVED_FILES = 96
MIN_CONNECTIONS = 16
#: Seconds between checks of the deadlines.
WATCH_SECONDS = 1.0

#: The key of the connection in the `state` of an ASGI scope.
CONNECTION = "stanine.broker.connection"

_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class LimitError(Exception):
    """Raised for an exceeded limit or an unsupported feature.

    The message is the detail of the answer.
    """


class Guard:
    """Makes the connections of one server, and closes those that exceed a limit."""

    def __init__(self, app: Any, keep_alive_seconds: float) -> None:
        self._app = app
        self.keep_alive_seconds = keep_alive_seconds
        self.connections: set[GuardedConnection] = set()
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._max_connections = (
            sys.maxsize
            if files == resource.RLIM_INFINITY
            else max(MIN_CONNECTIONS, files - RESERVED_FILES)
        )

    def connect(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> "GuardedConnection":
        """Return the protocol of a new connection; uvicorn calls this as its protocol class."""
        return GuardedConnection(self, config, server_state, app_state)

    def add(self, connection: "GuardedConnection") -> None:
        """Register a connection.

        If there are too many, close the one that has been idle longest, or the new one if none is idle.
        """
        self.connections.add(connection)
        if len(self.connections) > self._max_connections:
            waiting = [
                each
                for each in self.connections
                if each.waits_since is not None and each is not connection
            ]
            min(waiting, key=lambda each: each.waits_since or 0, default=connection).abort()

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        """Call the application, and mark the request as done.

        uvicorn runs this as the ASGI application.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            scope["state"][CONNECTION].request_done()

    async def watch(self) -> None:
        """Close connections that exceed a time limit; runs until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            now = loop.time()
            for connection in tuple(self.connections):
                connection.check(now)


class GuardedConnection(asyncio.Protocol):
    """A connection: parses input, enforces limits, and passes the rest to uvicorn's protocol."""

    def __init__(
        self,
        guard: Guard,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        self._guard = guard
        self._loop = asyncio.get_running_loop()
        self._inner: HttpToolsProtocol | None = HttpToolsProtocol(
            config, server_state, {**app_state, CONNECTION: self}, self._loop
        )
        self._transport: asyncio.Transport
        #: For the application, which knows the beginning and end of a whole answer.
        self.answers: AnswerWriter
        self._parser: httptools.HttpRequestParser | None = self._new_parser()
        #: Position of the client: within a message, and within its head.
        self._in_message = self._in_head = False
        #: Number of requests with a complete head that the application has not finished.
        self._pending = 0
        #: Bytes since the last slice with a complete head, body data or the end of a message.
        self._overhead_bytes = 0
        self._discarded_bytes = 0
        self._url = b""
        #: An incomplete head, held until it is complete, so that `Upgrade` can be removed; and the number of heads
        #: begun since.
        self._held = b""
        self._begun = 0
        #: Loop time since which the client is idle, in a head, or in a discarded body.
        self._since = 0.0
        self._has_requested = False
        #: Whether an answer is sent in parts; the application then limits the time in which the client reads them.
        self.is_streaming = False
        #: Whether answers wait for the client; their bytes when it last read enough, and the time of that.
        self._write_paused = False
        self._unsent: int | None = None
        self._unsent_since = 0.0

    # Methods called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        assert self._inner is not None
        self._transport = transport = cast(
            "asyncio.Transport", transport
        )  # uvloop's transport is not a subclass
        self.answers = AnswerWriter(transport)
        self._since = self._loop.time()
        self._inner.connection_made(
            cast("asyncio.Transport", self.answers)
        )  # it has the methods that uvicorn calls
        self._guard.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release all objects: uvicorn's protocol and the parsers refer to this one."""
        self._guard.connections.discard(self)
        if self._inner is not None:
            self._inner.connection_lost(exc)
        self._inner = self._parser = None
        self._held = b""

    def eof_received(self) -> None:
        """Let the transport close."""

    def pause_writing(self) -> None:
        """Pause the application: the client does not read."""
        self._write_paused = True
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Resume the application: the client has read."""
        self._write_paused = False
        self._unsent = None
        if self._inner is not None:
            self._inner.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parse data and pass it on; hold a head until it is complete."""
        if self._inner is None or self._transport.is_closing():
            return
        held, self._held = self._held, b""
        if not held:
            # A head can be held and changed only if no other request precedes it.
            self._begun = 2 if self._in_message else 0
        pending = self._pending
        try:
            try:
                self._parse(data)
                data = held + data if held else data
            except httptools.HttpParserUpgrade as upgrade:
                if self._begun > 1:
                    raise LimitError(
                        "Send a request with Upgrade after the answer to the request before."
                    ) from None
                self._pending = pending
                data = self._parse_without_upgrade(held + data, len(held) + upgrade.args[0])
        except (LimitError, httptools.HttpParserError) as error:
            self._pending = pending
            self._refuse(str(error))
            return
        if self._in_head and self._begun == 1:
            self._held = data
        else:
            self._inner.data_received(data)

    # Methods called by the parser.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_message = self._in_head = True
        self._begun += 1
        self._url = b""
        self._discarded_bytes = 0
        self._since = self._loop.time()

    def on_url(self, url: bytes) -> None:
        """Add a part of the request target."""
        self._url += url

    def on_headers_complete(self) -> None:
        """Complete the head; refuse it by an error if uvicorn cannot serve its target."""
        if not self._url.startswith(b"/"):
            httptools.parse_url(self._url).path.decode("ascii")
        self._in_head = False
        self._has_requested = True
        self._overhead_bytes = 0
        self._pending += 1

    def on_body(self, body: bytes) -> None:
        """Count the bytes of a discarded body."""
        self._overhead_bytes = 0
        if self._pending == 0:
            self._discarded_bytes += len(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._in_message = False
        self._overhead_bytes = 0

    # Methods called by the guard and the application.

    @property
    def has_all(self) -> bool:
        """Whether every begun body has arrived, so that the application needs no time limit."""
        return not self._in_message

    @property
    def waits_since(self) -> float | None:
        """Loop time since which the server waits for the client; None during a request."""
        return None if self._pending else self._since

    def abort(self) -> None:
        """Close the connection now, even with unsent data."""
        self._guard.connections.discard(self)
        self._transport.abort()

    def request_done(self) -> None:
        """Register that the application has finished a request."""
        self._pending -= 1
        self.is_streaming = False
        if self._pending == 0 and not self._in_head:
            self._since = self._loop.time()

    def check(self, now: float) -> None:
        """Close the connection if it exceeds a time limit."""
        if self._transport.is_closing() or (self._write_paused and not self.is_streaming):
            if self._is_stalled(now):
                self.abort()
        elif self._in_head or not self._has_requested:
            self._close_after(HEAD_SECONDS, now)
        elif self._pending == 0:
            self._close_after(
                DISCARD_SECONDS if self._in_message else self._guard.keep_alive_seconds, now
            )

    def _close_after(self, seconds: float, now: float) -> None:
        if now - self._since > seconds:
            self._transport.close()

    def _is_stalled(self, now: float) -> bool:
        unsent = self._transport.get_write_buffer_size()
        if self._unsent is None or unsent <= self._unsent - MIN_TAKEN_BYTES:
            self._unsent, self._unsent_since = unsent, now
        return now - self._unsent_since > WRITE_SECONDS

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(
            lenient_data_after_close=True
        )  # like uvicorn: both must see the same requests
        return parser

    def _parse(self, data: bytes) -> None:
        """Parse in slices.

        Raises LimitError and httptools's errors; an upgrade error has its position in `data`.
        """
        assert self._parser is not None
        for start in range(0, len(data), SLICE_BYTES):
            part = data[start : start + SLICE_BYTES]
            self._overhead_bytes += len(part)
            try:
                self._parser.feed_data(part)
            except httptools.HttpParserUpgrade as upgrade:
                raise httptools.HttpParserUpgrade(start + upgrade.args[0]) from None
            if self._overhead_bytes > MAX_HEAD_BYTES:
                raise LimitError(
                    f"A head, trailers, and what is between two parts of a body may have {MAX_HEAD_BYTES} bytes."
                )
            if self._pending > MAX_PIPELINED:
                raise LimitError(f"{MAX_PIPELINED} requests of a connection may wait for answers.")
            if self._discarded_bytes > MAX_DISCARDED_BYTES:
                self._transport.close()
                return

    def _parse_without_upgrade(self, data: bytes, end: int) -> bytes:
        """Parse a request whose head ends at `end` again, without its `Upgrade`; return it.

        httptools discards the body of a request with Upgrade. A server may ignore Upgrade (RFC 9110, 7.8). CONNECT
        is an upgrade without this header, and is refused.
        """
        data = _UPGRADE.sub(b"", data[:end]) + data[end:]
        self._parser = self._new_parser()
        self._in_message = self._in_head = False
        self._begun = 0
        try:
            self._parse(data)
        except httptools.HttpParserUpgrade:
            raise LimitError(
                "CONNECT, and Upgrade before the answer to another request, are not supported."
            ) from None
        return data

    def _refuse(self, detail: str) -> None:
        """Close, after a problem document if it cannot corrupt another answer."""
        if self._pending == 0:
            kind = MALFORMED_REQUEST
            body = msgspec.json.encode(ProblemDocument(kind.type, kind.title, kind.status, detail))
            head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self._transport.write(head.encode() + body)
        self._transport.close()
