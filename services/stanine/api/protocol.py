"""uvicorn's HTTP protocol with the limits that it lacks: the size of a request's head, and the time it may take. Used by `server`.

Whoever breaks HTTP itself is answered with a problem document too, and disconnected.
"""

import asyncio
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stanine.api.problems import MALFORMED_REQUEST, MEDIA_TYPE, ProblemDocument

#: Bytes of a request's line and headers: several times what browsers and proxies send.
MAX_HEAD_BYTES = 32 << 10
#: Bytes of a body that are still taken after the request was answered, so that the client comes to read the answer; then it is cut off.
MAX_DISCARDED_BYTES = 512 << 10
#: Seconds for the first request's head after connecting, and for the head of any request that has begun.
HEAD_SECONDS = 10.0


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        #: Whether a request's head has begun, or the first one is awaited; between requests uvicorn's keep-alive timer runs.
        self._in_head = True
        self._head_bytes = 0
        self._discarded_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come; a head that is too large or too slow ends the connection."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.send_400_response(f"The head of a request may have {MAX_HEAD_BYTES} bytes.")
            elif self._head_timer is None:
                self._arm()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        self._discarded_bytes = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, or discard it if the request was answered without it."""
        if self.cycle.response_complete:
            self._discarded_bytes += len(body)
            if self._discarded_bytes > MAX_DISCARDED_BYTES:
                self.transport.close()
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Leave its head."""
        self._in_head = False
        self._head_bytes = 0
        self._disarm()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and disconnect."""
        body = msgspec.json.encode(ProblemDocument(MALFORMED_REQUEST.type, MALFORMED_REQUEST.title, MALFORMED_REQUEST.status, msg))
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _arm(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
