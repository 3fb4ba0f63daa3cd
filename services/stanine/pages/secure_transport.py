"""How a request reached the pages: scheme, host, and whether its sender is the page itself.

Called by the application before every page.
"""

from dataclasses import dataclass, field

from starlette.requests import Request

from stanine.domain.client_address import Network, client_address, is_trusted

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Transport:
    """Scheme and host as the browser used them."""

    scheme: str
    host: str
    #: The address of the browser, as far as the trusted proxies state it. Never logged.
    client: str = field(default="", repr=False)

    @property
    def is_encrypted(self) -> bool:
        """Whether the browser used TLS."""
        return self.scheme == "https"

    @property
    def is_loopback(self) -> bool:
        """Whether the browser used an address of its own machine, so that nothing was sent over a network."""
        name = self.host.rsplit(":", 1)[0] if self.host.count(":") == 1 else self.host
        name = name.partition("]")[0].lstrip("[") if name.startswith("[") else name
        return name.lower() in _LOCAL_NAMES or name.lower().endswith(".localhost")

    @property
    def is_allowed(self) -> bool:
        """Whether a cookie may be set: over TLS, or on the loopback address."""
        return self.is_encrypted or self.is_loopback

    @property
    def origin(self) -> str:
        """The origin of the pages."""
        return f"{self.scheme}://{self.host}"


def transport_of(request: Request, proxies: tuple[Network, ...]) -> Transport:
    """Return the transport of a request. Headers of a proxy count only if it is trusted."""
    scheme, host = request.url.scheme, request.headers.get("host", "")
    peer = request.client.host if request.client is not None else ""
    if is_trusted(peer, proxies):
        scheme = _last(request.headers.get("x-forwarded-proto")) or scheme
        host = _last(request.headers.get("x-forwarded-host")) or host
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    return Transport(scheme.lower(), host, client_address(peer, forwarded, proxies))


def is_of_this_site(request: Request, transport: Transport) -> bool:
    """Return whether a request that changes something comes from one of these pages.

    Browsers state the sender in Sec-Fetch-Site or, older ones, in Origin. Programs without either have no cookies
    that another site could use.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is None or origin == transport.origin


def _last(header: str | None) -> str:
    """Return the last value of a list: the one that the trusted proxy itself added."""
    return (header or "").rpartition(",")[2].strip()
