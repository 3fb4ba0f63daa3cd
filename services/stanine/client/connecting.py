"""What both clients ask of httpx: checked address and key, headers, timeouts, and what its exceptions mean. Used by the two clients."""

import importlib.metadata
import ipaddress
import platform
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from stanine.client.errors import StanineClientError
from stanine.client.messages import ApiCall, NoReply

#: Seconds for a connection, and for the next byte of an answer.
DEFAULT_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
#: Seconds beyond those for which the server may hold a request.
_BEYOND_HOLD = 15.0

#: Errors before anything was sent.
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

_WHY_NOT_SENT: dict[type[httpx.RequestError], str] = {
    httpx.ConnectTimeout: "the server cannot be reached: no connection in time",
    httpx.PoolTimeout: "no connection became free",
    httpx.ProxyError: "the proxy of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY) refused the connection",
}


@dataclass(frozen=True)
class Endpoint:
    """Where the API is, and what every request to it carries."""

    address: str
    key: str | None = field(repr=False)
    timeout: httpx.Timeout = field(repr=False)

    @classmethod
    def at(cls, base_url: str, key: str | None, timeout: float | httpx.Timeout) -> "Endpoint":
        """Raise ValueError, which does not quote the key, if the address or the key cannot be used."""
        parts = urlsplit(base_url if _is_address(base_url) else "")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(
                "base_url is not the address of a server: write http://HOST:PORT or https://HOST"
            )
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError(
                "base_url must hold neither a login, nor a query, nor a fragment; the key is an argument of its own"
            )
        return cls(base_url.rstrip("/"), check_key(key), httpx.Timeout(timeout))

    @property
    def uses_environment(self) -> bool:
        """Whether proxies of the environment are used: none can reach this machine's own loopback."""
        host = urlsplit(self.address).hostname or ""
        try:
            return not ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host != "localhost"

    def request(self, call: ApiCall[Any]) -> dict[str, Any]:
        """Return the arguments of httpx's `build_request` for a call."""
        headers = {
            "user-agent": user_agent(),
            "accept": "application/json, application/problem+json",
            **call.headers,
        }
        key = self.key if call.token is None else check_key(call.token)
        if key:
            headers["authorization"] = f"Bearer {key}"
        wait, timeout = call.hold + _BEYOND_HOLD, self.timeout.as_dict()
        if timeout["read"] is not None and call.hold:
            timeout["read"] = max(timeout["read"], wait)
        return {
            "method": call.method,
            "url": self.address + call.path,
            "params": dict(call.query) or None,
            "content": call.body,
            "headers": headers,
            "timeout": httpx.Timeout(**timeout),
        }


def _is_address(url: str) -> bool:
    """Return whether host and port of a URL can be used."""
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")
        return parts.port != 0 and bool(httpx.URL(url).host)
    except (ValueError, httpx.InvalidURL):
        return False


def check_key(key: str | None) -> str | None:
    """Return a key. Raises ValueError, which does not quote it, if a header cannot hold it: an HTTP library would quote it."""
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError("a key or token consists of printable ASCII characters without spaces")
    return key or None


def user_agent() -> str:
    """Return what the client calls itself."""
    return f"stanine-python/{importlib.metadata.version('stanine')} (Python {platform.python_version()}; httpx {httpx.__version__})"


def no_reply(error: httpx.RequestError) -> NoReply:
    """Return what an exception of httpx means, in words that quote nothing. Raises StanineClientError for a request that cannot be made."""
    if isinstance(error, httpx.LocalProtocolError):
        raise StanineClientError("the request cannot be written as HTTP") from None
    cause = _system_error(error)
    if isinstance(error, _NOT_SENT):
        why = next(
            (why for kind, why in _WHY_NOT_SENT.items() if isinstance(error, kind)),
            "the server cannot be reached",
        )
        return NoReply(sent=False, why=why, cause=cause)
    if isinstance(error, httpx.TimeoutException):
        return NoReply(sent=True, why="no answer in time", cause=cause)
    if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error):
        return NoReply(
            sent=True,
            why="the answer is not valid HTTP: is it https, or another port?",
            cause=cause,
        )
    return NoReply(sent=True, why="the connection was lost", cause=cause)


def _system_error(error: BaseException) -> OSError | None:
    """Return the innermost OSError (also of TLS and name resolution) that led to an exception."""
    found: OSError | None = None
    passed: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in passed:
        passed.append(each)
        if isinstance(each, OSError):
            found = each
        each = each.__cause__ or each.__context__
    return found
