"""Tokens of attempts and of sessions. Used by the intake, the sessions and the attempt reader.

An attempt's token reads this attempt's result and nothing else; a token "after the release" does so once the
instrument's results are released. A session's token reads, fills in, submits and withdraws this session and nothing
else.

Tokens are derived from the id with a secret that only Redis stores and all API processes share. The processes
follow the secret, so all of them agree within seconds after it was rotated or lost.
"""

import hmac
from hashlib import blake2b

from stanine.store.records import TOKEN_BYTES, token
from stanine.store.secret import Secrets, TokenSecrets, new_secret


class Tokens:
    """Makes and checks tokens. The secrets must be loaded first."""

    def __init__(self, secrets: TokenSecrets) -> None:
        self._source = secrets
        self._secrets: Secrets | None = None

    async def refresh(self) -> None:
        """Load the secrets. If the server lost them, store this process's current secret again."""
        self._secrets = await self._source.load(self._secrets or new_secret())

    async def rotate(self, keep_ms: int) -> int:
        """Rotate the secret; return the end of validity of the current one (ms since 1970)."""
        until = await self._source.rotate(new_secret(), keep_ms)
        await self.refresh()
        return until

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The valid secrets, the current one first."""
        assert self._secrets is not None, "nothing is accepted before the secrets are loaded"
        return (self._secrets.current, *self._secrets.former)

    def of(self, attempt_id: bytes) -> str:
        """Return the token of an attempt."""
        assert self._secrets is not None, "nothing is accepted before the secrets are loaded"
        return token(self._secrets.current, attempt_id)

    def is_of(self, attempt_id: bytes, text: str) -> bool:
        """Return whether a text is a valid token of an attempt, in constant time."""
        matches = [
            hmac.compare_digest(token(secret, attempt_id).encode(), text.encode())
            for secret in self.secrets
        ]
        return any(matches)

    def of_session(self, session_id: bytes) -> str:
        """Return the token of a session."""
        return _personal(self.secrets[0], session_id, _SESSION)

    def is_of_session(self, session_id: bytes, text: str) -> bool:
        """Return whether a text is a valid token of a session, in constant time."""
        return self._is_personal(session_id, text, _SESSION)

    def after_release(self, attempt_id: bytes) -> str:
        """Return the token that reads an attempt's result after the release of the results."""
        return _personal(self.secrets[0], attempt_id, _RELEASE)

    def is_after_release(self, attempt_id: bytes, text: str) -> bool:
        """Return whether a text is a valid token after the release, in constant time."""
        return self._is_personal(attempt_id, text, _RELEASE)

    def _is_personal(self, name: bytes, text: str, kind: bytes) -> bool:
        matches = [
            hmac.compare_digest(_personal(secret, name, kind).encode(), text.encode())
            for secret in self.secrets
        ]
        return any(matches)


#: Personalization of the MAC by kind: no token is valid as one of another kind.
_SESSION, _RELEASE = b"stanine-session", b"stanine-release"


def _personal(secret: bytes, name: bytes, kind: bytes) -> str:
    return blake2b(name, digest_size=TOKEN_BYTES, key=secret, person=kind).hexdigest()
