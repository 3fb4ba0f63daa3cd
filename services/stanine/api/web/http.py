"""Requests and answers: a thin layer over ASGI. Made by `dispatch`, used by the routes.

It serves the needs of this API: bodies are raw bytes with a limit, parameters are strict, and an answer is bytes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from opentelemetry.trace import INVALID_SPAN, Span

from stanine.api.web.problems import (
    MALFORMED_REQUEST,
    TOO_LARGE,
    TOO_SLOW,
    UNSUPPORTED_CONTENT,
    Problem,
)

if TYPE_CHECKING:
    from stanine.api.web.auth import Caller
    from stanine.api.web.guard import GuardedConnection

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
NDJSON = b"application/x-ndjson"

#: Seconds in which a whole body (not of a bulk request) must arrive.
BODY_SECONDS = 30.0

#: On every answer: forbids caches to store it, and browsers to guess its type.
_ALWAYS: Headers = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class ClientGone(Exception):  # noqa: N818 - not an error of the server
    """Raised when the client has closed the connection: no answer is possible."""


class Answer(msgspec.Struct, frozen=True):
    """A whole answer."""

    status: int
    body: bytes
    media_type: bytes = JSON
    headers: Headers = ()


class Request:
    """One HTTP request.

    `parameters` are the path's, `query` the parsed query string with the route's defaults.
    """

    __slots__ = (
        "_connection",
        "_receive",
        "_send",
        "bearer",
        "caller",
        "changed_count",
        "changed_names",
        "headers",
        "method",
        "parameters",
        "query",
        "span",
        "started",
        "status",
    )

    def __init__(
        self,
        method: str,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        send: Send,
        connection: "GuardedConnection | None" = None,
    ) -> None:
        """Make a request.

        `connection` knows whether the whole body has arrived: then reading it needs no time limit.
        """
        self.method = method
        self.headers = headers
        self._receive = receive
        self._send = send
        self._connection = connection
        self.parameters: Mapping[str, str] = {}
        self.query: Mapping[str, Any] = {}
        self.caller: Caller | None = None
        #: The credential if it is not a key: a token or a code.
        self.bearer = ""
        self.span: Span = INVALID_SPAN
        #: Number and names of what the handler changed, for the list of changes.
        self.changed_count: int | None = None
        self.changed_names: Sequence[str] = ()
        #: Whether the answer was begun, and its status.
        self.started = False
        self.status = 0

    def text(self, header: bytes) -> str:
        """Return the text of a header; empty without it."""
        return self.headers.get(header, b"").decode("latin-1")

    def check_content(self, *media_types: bytes) -> bytes:
        """Return the media type of the body, by default the first of `media_types`.

        Any other type and every content encoding are refused.
        """
        encoding = self.headers.get(b"content-encoding")
        if encoding and encoding.strip().lower() != b"identity":
            raise Problem(UNSUPPORTED_CONTENT, "Send the body without Content-Encoding.")
        named = self.headers.get(b"content-type")
        if named is None:
            return media_types[0]
        media_type = named.partition(b";")[0].strip().lower()
        if media_type not in media_types:
            raise Problem(
                UNSUPPORTED_CONTENT,
                f"Send Content-Type: {' or '.join(each.decode() for each in media_types)}.",
            )
        return media_type

    async def body(self, limit: int) -> bytes:
        """Read the whole body, at most `limit` bytes.

        A body that declares a greater length is refused unread.
        """
        length = self.headers.get(b"content-length")
        if length is not None:
            if not length.isdigit():
                raise Problem(MALFORMED_REQUEST, "Content-Length is not a number.")
            if int(length) > limit:
                raise _too_large(limit)
        if self._connection is not None and self._connection.has_all:
            body = (await self.chunk())[0]
            if len(body) > limit:
                raise _too_large(limit)
            return body
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body, more = await self.chunk()
                if not more and len(body) <= limit:
                    return body
                parts, size = [body], len(body)
                while more and size <= limit:
                    body, more = await self.chunk()
                    parts.append(body)
                    size += len(body)
        except TimeoutError:
            raise Problem(
                TOO_SLOW, f"The whole body must arrive within {BODY_SECONDS:g} s."
            ) from None
        if size > limit:
            raise _too_large(limit)
        return b"".join(parts)

    async def chunk(self) -> tuple[bytes, bool]:
        """Read the next part of the body; return it, and whether there is more.

        Raises ClientGone.
        """
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        return message.get("body", b""), message.get("more_body", False)

    async def answer(self, answer: Answer) -> None:
        """Send a whole answer."""
        self.started, self.status = True, answer.status
        length = b"%d" % len(answer.body)
        headers = (
            (b"content-type", answer.media_type),
            (b"content-length", length),
            *_ALWAYS,
            *answer.headers,
        )
        if answer.status in {204, 304}:
            headers = (*_ALWAYS, *answer.headers)
        answers = self._connection.answers if self._connection is not None else None
        if answers is not None:
            answers.hold()
        await self._send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )
        await self._send(
            {"type": "http.response.body", "body": b"" if self.method == "HEAD" else answer.body}
        )
        if answers is not None:
            answers.release()

    async def begin(self, status: int, media_type: bytes) -> None:
        """Begin an answer that is sent in parts."""
        self.started, self.status = True, status
        if self._connection is not None:
            self._connection.is_streaming = True
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": ((b"content-type", media_type), *_ALWAYS),
            }
        )

    async def write(self, part: bytes, *, more: bool = True) -> None:
        """Send a part of the body; waits while the client does not read."""
        await self._send({"type": "http.response.body", "body": part, "more_body": more})


def _too_large(limit: int) -> Problem:
    return Problem(TOO_LARGE, f"The body may have {limit} bytes.")
