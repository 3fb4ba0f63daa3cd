"""Tokens of logins, which are accepted wherever their API key is. Used by `dispatch` and the routes of logins.

A page that people log in to keeps such a token instead of the key. The key is looked up at each request, so removing
it from the keys file ends its logins, and a change of its scopes applies to them.
"""

import secrets

from stanine.api.web.auth import Caller, Keyring
from stanine.api.web.deadlines import within
from stanine.store.logins import Logins, StoredLogin

#: Prefix of the tokens; and random bytes of a token, as many as of a key.
_PREFIX, _TOKEN_BYTES = b"login-", 32
#: Characters of a token: the prefix, and the random bytes in base64url.
_LENGTH = len(_PREFIX) + 43


class LoginTokens:
    """Makes, checks and ends the tokens of logins."""

    def __init__(self, logins: Logins, keyring: Keyring) -> None:
        self._logins = logins
        self._keyring = keyring

    async def begin(self, caller: Caller) -> tuple[str, int] | None:
        """Begin a login; return its token and its end (ms since 1970); None if there were too many."""
        token = _PREFIX.decode() + secrets.token_urlsafe(_TOKEN_BYTES)
        ends = await within(self._logins.begin(token.encode(), caller.digest))
        return None if ends is None else (token, ends)

    async def caller(self, token: bytes) -> Caller | None:
        """Return the caller of a login's key, with its present scopes; None if either is unknown."""
        login = await self.find(token)
        return None if login is None else self._keyring.of_digest(login.key)

    async def find(self, token: bytes) -> StoredLogin | None:
        """Return a login, which is thereby used; None if it has ended."""
        return await within(self._logins.use(token))

    async def end(self, token: bytes) -> None:
        """End a login; repeating it has no effect."""
        await within(self._logins.end(token))


def is_login(text: bytes) -> bool:
    """Return whether a text has the syntax of a login's token."""
    return len(text) == _LENGTH and text.startswith(_PREFIX)
