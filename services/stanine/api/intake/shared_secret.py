"""A secret that all API processes share: loaded from Redis, followed, and rotated.

Tokens and the codes of invitations are derived from one each. The processes follow it, so all of them agree within
seconds after it was rotated or lost.
"""

import hmac
from collections.abc import Callable

from stanine.store.secret import Secrets, TokenSecrets, new_secret


class SharedSecret:
    """The current secret and the former ones that are still accepted. It must be loaded first."""

    def __init__(self, source: TokenSecrets) -> None:
        self._source = source
        self._known: Secrets | None = None

    async def refresh(self) -> None:
        """Load the secrets. If the server lost them, store this process's current secret again."""
        self._known = await self._source.load(self._known or new_secret())

    async def rotate(self, keep_ms: int) -> int:
        """Replace the secret; return the end of validity of the current one (ms since 1970)."""
        until = await self._source.rotate(new_secret(), keep_ms)
        await self.refresh()
        return until

    @property
    def current(self) -> bytes:
        """The secret of what is made now."""
        return self._loaded().current

    @property
    def accepted(self) -> tuple[bytes, ...]:
        """The secrets of what is accepted, the current one first."""
        known = self._loaded()
        return (known.current, *known.former)

    def is_made(self, given: bytes, make: Callable[[bytes], bytes]) -> bool:
        """Return whether `make` returns `given` for an accepted secret, in constant time."""
        matches = [hmac.compare_digest(make(secret), given) for secret in self.accepted]
        return any(matches)

    def _loaded(self) -> Secrets:
        assert self._known is not None, "nothing is accepted before the secret is loaded"
        return self._known
