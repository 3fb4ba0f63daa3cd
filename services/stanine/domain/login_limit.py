"""Limits failed logins by the address of the client, and all together. Pure: time is an argument.

Used by the API and the pages, one per process: a restart forgets the last minute, and n processes admit n times as
many. That is enough, because keys are random: the limit protects against load, and nobody guesses 256 bits.
"""

import hashlib
import ipaddress
import math
from collections import deque

#: Seconds for which a failed login counts.
WINDOW_SECONDS = 60.0
#: Failed logins of all clients in this time. It also bounds the memory: no more are remembered.
MAX_FAILED = 600
#: Bits of an IPv6 address that are one client: a network, whose addresses one machine can all use.
_IPV6_BITS = 64
_DIGEST_BYTES = 16


class LoginLimit:
    """The failed logins of the last WINDOW_SECONDS. Addresses are kept as keyed digests only."""

    def __init__(self, key: bytes, per_client: int) -> None:
        """`key`: random bytes, 64 at most; `per_client`: failed logins of an address in this time."""
        self._key = key
        self._per_client = per_client
        self._counted: deque[tuple[float, bytes]] = deque()

    def begin(self, address: str, now: float) -> int:
        """Count a login as failed until `succeed`; return 0.

        Above a limit it is not counted: return the whole seconds until one can begin. `now`: seconds of a clock that
        nobody sets.
        """
        while self._counted and self._counted[0][0] <= now - WINDOW_SECONDS:
            self._counted.popleft()
        client = self._digest(address)
        own = [begun for begun, each in self._counted if each == client]
        if len(own) >= self._per_client:
            return _seconds(own[0], now)
        if len(self._counted) >= MAX_FAILED:
            return _seconds(self._counted[0][0], now)
        self._counted.append((now, client))
        return 0

    def succeed(self, address: str) -> None:
        """Count the newest login of an address no longer, since it did not fail."""
        client = self._digest(address)
        for place in reversed(range(len(self._counted))):
            if self._counted[place][1] == client:
                del self._counted[place]
                return

    def _digest(self, address: str) -> bytes:
        return hashlib.blake2b(
            _client(address).encode(), key=self._key, digest_size=_DIGEST_BYTES
        ).digest()


def _client(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or an IPv6 network; another text is itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _IPV6_BITS), strict=False))


def _seconds(begun: float, now: float) -> int:
    return max(1, math.ceil(begun + WINDOW_SECONDS - now))
