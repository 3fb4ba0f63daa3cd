"""Tokens of attempts and of sessions. Used by the intake, the sessions and by reading.

Who has an attempt's token may read that attempt's result and nothing else; who has one of the kind "after the release" may do so once the
instrument's results are released. Who has a session's token may read, fill in, submit and withdraw that session and nothing else.

A token is derived from the id with a secret that lies in Redis, shared by all API processes and stored nowhere else. The
processes follow it, so that all agree within seconds after it was rotated or lost.
"""

import hmac
from hashlib import blake2b

from stanine.store.records import TOKEN_BYTES, token
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

    def of_session(self, session_id: bytes) -> str:
        """Return the token of a session."""
        return _personal(self.secrets[0], session_id, _SESSION)

    def is_of_session(self, session_id: bytes, text: str) -> bool:
        """Tell whether text is a valid token of a session, in the same time whatever it is."""
        return self._is_personal(session_id, text, _SESSION)

    def after_release(self, attempt_id: bytes) -> str:
        """Return the token that reads an attempt's result once the results of its instrument are released."""
        return _personal(self.secrets[0], attempt_id, _RELEASE)

    def is_after_release(self, attempt_id: bytes, text: str) -> bool:
        """Tell whether text is such a token, in the same time whatever it is."""
        return self._is_personal(attempt_id, text, _RELEASE)

    def _is_personal(self, name: bytes, text: str, kind: bytes) -> bool:
        matches = [
            hmac.compare_digest(_personal(secret, name, kind).encode(), text.encode())
            for secret in self.secrets
        ]
        return any(matches)


#: What keeps the tokens of one kind from being taken for another's.
_SESSION, _RELEASE = b"stanine-session", b"stanine-release"


def _personal(secret: bytes, name: bytes, kind: bytes) -> str:
    return blake2b(name, digest_size=TOKEN_BYTES, key=secret, person=kind).hexdigest()
