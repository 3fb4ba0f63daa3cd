"""Requests and answers as plain values, passed between logic and transports.

Used throughout the client.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from stanine.client.errors import UnexpectedAnswerError

T = TypeVar("T")

JSON = "application/json"
NDJSON = "application/x-ndjson"
#: Keys that fit a header in quotes.
_PRINTABLE = re.compile(r"[ !#-\[\]-~]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NoReply:
    """No complete answer. `sent`: the server may have received the request."""

    sent: bool
    why: str
    #: The error of the operating system or of TLS behind it, if there is one.
    cause: OSError | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ApiCall(Generic[T]):
    """A request, and how to decode its answer. Its `repr` contains neither path nor body."""

    method: str
    #: The path with percent-encoded names.
    path: str = field(repr=False)
    #: The path's template, for logs and errors, without names.
    route: str
    decode: Callable[[Reply], T] = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    #: A token or an invitation's code, instead of the client's key.
    token: str | None = field(default=None, repr=False)
    #: Seconds for which the server may hold the request.
    hold: float = 0.0
    #: Whether the request is idempotent.
    repeatable: bool = True
    #: Successful statuses in addition to 2xx.
    also_good: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        """The call's name for logs and errors."""
        return f"{self.method} {self.route}"


def call(
    method: str,
    route: str,
    decode: Callable[[Reply], T],
    names: Mapping[str, str] | None = None,
    **more: Any,
) -> ApiCall[T]:
    """Return a call of a route, such as `/v1/instruments/{name}`, with its names filled in."""
    path = route
    for name, value in (names or {}).items():
        path = path.replace(f"{{{name}}}", segment(value))
    return ApiCall(method, path, route, decode, **more)


def json_call(
    method: str,
    route: str,
    decode: Callable[[Reply], T],
    names: Mapping[str, str] | None = None,
    *,
    body: object,
    **more: Any,
) -> ApiCall[T]:
    """Return a call that sends a JSON body."""
    headers = {"content-type": JSON, **more.pop("headers", {})}
    return call(
        method, route, decode, names, body=msgspec.json.encode(body), headers=headers, **more
    )


def segment(text: str) -> str:
    """Encode text as one path segment, also `.` and `..`, which HTTP libraries resolve."""
    if not text:
        raise ValueError("a name in an address must not be empty")
    quoted = quote(text, safe="")
    return quoted.replace(".", "%2E") if quoted in {".", ".."} else quoted


def reader(kind: type[T]) -> Callable[[Reply], T]:
    """Return a function that decodes a body.

    It raises UnexpectedAnswerError, which does not quote the body.
    """

    def read(reply: Reply) -> T:
        try:
            return msgspec.json.decode(reply.body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise UnexpectedAnswerError(
                f"the server's answer cannot be read as {kind.__name__}"
            ) from None

    return read


def key_header(key: str) -> dict[str, str]:
    """Return the header Idempotency-Key; empty for a key that does not fit it, which is sent in the body."""
    return {"idempotency-key": f'"{key}"'} if _PRINTABLE.fullmatch(key) else {}


def query(**values: str | float | None) -> dict[str, str]:
    """Return the parameters of a query string; None and empty texts are omitted."""
    return {name: _plain(value) for name, value in values.items() if value not in {None, ""}}


def _plain(value: str | float | None) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
