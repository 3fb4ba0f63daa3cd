"""Attempt tokens: who has one may read that attempt's result and nothing else. Used by the intake and by reading.

A token is derived from the attempt's id with a secret that lies in Redis, shared by all API processes and stored nowhere else. The
processes follow it, so that all agree within seconds after it was rotated or lost.
"""

import hmac

from stanine.store.records import token
from stanine.store.secret import Secrets, TokenSecrets, new_secret


class Tokens:
    """Makes and checks tokens, once the secrets are loaded."""

    def __init__(self, secrets: TokenSecrets) -> None:
        self._source = secrets
        self._secrets: Secrets | None = None

    async def refresh(self) -> None:
        """Read the secrets; where the server lost them, the one of this process is stored again."""
        self._secrets = await self._source.load(self._secrets or new_secret())

    async def rotate(self, keep_ms: int) -> int:
        """Make a new secret; return until when (ms since 1970) tokens made with the present one are accepted."""
        until = await self._source.rotate(new_secret(), keep_ms)
        await self.refresh()
        return until

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The secrets in force, the current one first."""
        assert self._secrets is not None, "nothing is accepted before the secrets are loaded"
        return (self._secrets.current, *self._secrets.former)

    def of(self, attempt_id: bytes) -> str:
        """Return the token of an attempt."""
        assert self._secrets is not None, "nothing is accepted before the secrets are loaded"
        return token(self._secrets.current, attempt_id)

    def is_of(self, attempt_id: bytes, text: str) -> bool:
        """Tell whether text is a valid token of an attempt, in the same time whatever it is."""
        matches = [
            hmac.compare_digest(token(secret, attempt_id).encode(), text.encode())
            for secret in self.secrets
        ]
        return any(matches)
