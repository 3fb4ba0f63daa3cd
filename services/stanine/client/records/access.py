"""Logins, API keys, and the changes that keys have made."""

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


class KeyInfo(ClientRecord, frozen=True):
    """An API key of the server's keys file."""

    name: str
    scopes: list[str]
    instruments: list[str]
    key_space: str | None = None


class ChangeInfo(ClientRecord, frozen=True):
    """A change by an API key. It names no person and no attempt."""

    at: str
    #: The name of the API key, and the operation.
    by: str
    action: str
    #: The address; `{id}` replaces the id of an attempt, a session or a participant.
    resource: str
    #: Of the answer; None while the request is served, or after it was interrupted: its effect is unknown.
    status: int | None = None
    #: The number of changed objects, and what was changed, such as names of settings.
    count: int | None = None
    names: list[str] | None = None
