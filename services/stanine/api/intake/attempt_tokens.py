"""Tokens of attempts and of sessions. Used by the intake, the sessions and the attempt reader.

An attempt's token reads this attempt's result and nothing else; a token "after the release" does so once the
instrument's results are released. A session's token reads, fills in, submits and withdraws this session and nothing
else.

Tokens are derived from the id with a secret that only Redis stores and all API processes share.
"""

from collections.abc import Callable
from hashlib import blake2b

from stanine.api.intake.shared_secret import SharedSecret
from stanine.store.digests import TOKEN_BYTES, token

#: Makes a token from a secret and an id.
_Kind = Callable[[bytes, bytes], str]


class Tokens:
    """Makes and checks tokens."""

    def __init__(self, secret: SharedSecret) -> None:
        self._secret = secret

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The valid secrets, the current one first."""
        return self._secret.accepted

    def of(self, attempt_id: bytes) -> str:
        """Return the token of an attempt."""
        return token(self._secret.current, attempt_id)

    def is_of(self, attempt_id: bytes, text: str) -> bool:
        """Return whether a text is a valid token of an attempt, in constant time."""
        return self._is_valid(text, attempt_id, token)

    def of_session(self, session_id: bytes) -> str:
        """Return the token of a session."""
        return _session_token(self._secret.current, session_id)

    def is_of_session(self, session_id: bytes, text: str) -> bool:
        """Return whether a text is a valid token of a session, in constant time."""
        return self._is_valid(text, session_id, _session_token)

    def after_release(self, attempt_id: bytes) -> str:
        """Return the token that reads an attempt's result after the release of the results."""
        return _release_token(self._secret.current, attempt_id)

    def is_after_release(self, attempt_id: bytes, text: str) -> bool:
        """Return whether a text is a valid token after the release, in constant time."""
        return self._is_valid(text, attempt_id, _release_token)

    def _is_valid(self, text: str, name: bytes, kind: _Kind) -> bool:
        return self._secret.is_made(text.encode(), lambda secret: kind(secret, name).encode())


# The personalization of the MAC: no token is valid as one of another kind.


def _session_token(secret: bytes, session_id: bytes) -> str:
    return blake2b(
        session_id, digest_size=TOKEN_BYTES, key=secret, person=b"stanine-session"
    ).hexdigest()


def _release_token(secret: bytes, attempt_id: bytes) -> str:
    return blake2b(
        attempt_id, digest_size=TOKEN_BYTES, key=secret, person=b"stanine-release"
    ).hexdigest()
