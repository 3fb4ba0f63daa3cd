"""Logins."""

from stanine.client.records.base import ClientRecord


class LoginInfo(ClientRecord, frozen=True):
    """A login and what its key may do. Its `repr` does not show the token."""

    #: The name of the API key, its scopes, and the globs of the instruments that it reaches.
    key: str
    scopes: list[str]
    instruments: list[str]
    #: When the login ends, also if it is in use; without a request it ends after `idle_seconds`.
    expires_at: str
    idle_seconds: int
    #: Only after `begin`: accepted wherever the key is.
    token: str | None = None

    def __repr__(self) -> str:
        return f"LoginInfo(key={self.key!r}, expires_at={self.expires_at!r})"
