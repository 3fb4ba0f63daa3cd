"""The address of a client behind trusted proxies, by X-Forwarded-For. Pure. Used by the API and the pages."""

import ipaddress
from collections.abc import Collection, Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return networks such as 10.0.0.0/8. Raises ValueError, which names the wrong one."""
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            raise ValueError(
                f"{text!r} is no network of proxies: write an address or a network, such as 10.0.0.0/8"
            ) from None
    return tuple(found)


def is_trusted(address: str, proxies: Collection[Network]) -> bool:
    """Return whether an address is one of a trusted proxy."""
    found = _read(address)
    return found is not None and any(found in network for network in proxies)


def client_address(peer: str, forwarded: str, proxies: Collection[Network]) -> str:
    """Return the address of the client of a request.

    `peer`: the other end of the connection; `forwarded`: X-Forwarded-For. Each trusted proxy has appended the address
    that it was called from. So the last one that is no trusted proxy is the client; a text that is no address ends the
    search, because it is the caller's own.
    """
    found = peer
    for text in reversed(forwarded.split(",")):
        if not is_trusted(found, proxies) or _read(text.strip()) is None:
            break
        found = text.strip()
    return found


def _read(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address, of an IPv4 address in IPv6 that one; None for another text."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
