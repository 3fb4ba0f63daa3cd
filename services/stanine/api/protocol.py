"""uvicorn's HTTP protocol with the limits that it lacks: the size of a request's head, and the time it may take. Used by `server`.

Whoever breaks HTTP itself is answered with a problem document too, and disconnected. What costs most of a small request is done once
instead of twice: the cycle of a request is `cycle.OneWrite`, and a connection has one timer for its idle times, not one for each.
"""

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stanine.api.cycle import BODY_AT_HAND, OneWrite
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
        #: Since when no request is under way (the loop's time), and the timer that looks for that.
        self._idle_since: float | None = None
        self._idle_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._disarm()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
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
        """Leave its head, and begin to serve it once the requests before it are answered."""
        self._in_head = False
        self._head_bytes = 0
        self._disarm()
        version = self.parser.get_http_version()
        scope: Any = self.scope  # it gets an extension of ours
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        before = self.cycle
        self.cycle = cycle = OneWrite(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        scope["extensions"] = {BODY_AT_HAND: cycle.whole_body}
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_response_complete(self) -> None:
        """Serve the next request if it has come already, or begin to be idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._look_after(self.timeout_keep_alive)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and disconnect."""
        body = msgspec.json.encode(ProblemDocument(MALFORMED_REQUEST.type, MALFORMED_REQUEST.title, MALFORMED_REQUEST.status, msg))
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _unset_keepalive_if_required(self) -> None:
        """As uvicorn calls it when something comes: be idle no more."""
        self._idle_since = None

    def _look_after(self, seconds: float) -> None:
        self._idle_timer = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """Close a connection that has been idle for so long; look again when it may have been."""
        self._idle_timer = None
        if self._idle_since is None or self.transport.is_closing():
            return  # the next answer sets the timer
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_after(left)
        else:
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
