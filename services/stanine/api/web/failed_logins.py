"""Refuses logins of an address after too many failed ones. Called by `dispatch`."""

import secrets
from collections.abc import Collection

from stanine.api.web.http import Request, Scope
from stanine.api.web.problems import TOO_MANY_FAILED_LOGINS, Problem
from stanine.domain.client_address import Network, client_address
from stanine.domain.login_limit import LoginLimit

#: Failed logins of an address per minute. More than the pages admit: the address can be that of the pages' pod, or of
#: a proxy that is not trusted.
MAX_FAILED_OF_ADDRESS = 60


class FailedLogins:
    """The failed logins of this process."""

    def __init__(self, proxies: Collection[Network]) -> None:
        """`proxies`: those whose X-Forwarded-For counts."""
        self._proxies = proxies
        self._limit = LoginLimit(secrets.token_bytes(32), MAX_FAILED_OF_ADDRESS)

    def begin(self, scope: Scope, request: Request, now: float) -> str:
        """Return the address of a request that logs in; it counts as failed until `succeed`.

        Raises the problem `too-many-failed-logins`.
        """
        peer = (scope.get("client") or ("",))[0]
        address = client_address(peer, request.text(b"x-forwarded-for"), self._proxies)
        wait = self._limit.begin(address, now)
        if wait:
            raise Problem(
                TOO_MANY_FAILED_LOGINS,
                "Too many logins have failed in the last minute; this one was not tried.",
                headers=((b"retry-after", b"%d" % wait),),
            )
        return address

    def succeed(self, address: str) -> None:
        """Count a login no longer, since it did not fail."""
        self._limit.succeed(address)
