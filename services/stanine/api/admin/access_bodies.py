"""Bodies of logins, keys and the list of changes. Used by their routes."""

from msgspec import UNSET, UnsetType

from stanine.api.bodies import _Body


class LoginBody(_Body, frozen=True):
    """A login and what its key may do."""

    #: The name of the API key, its scopes, and the globs of the instruments that it reaches.
    key: str
    scopes: list[str]
    instruments: list[str]
    #: When the login ends, also if it is in use; without a request it ends `idleSeconds` after the last one.
    expires_at: str
    idle_seconds: int
    #: Only in the answer to the login; accepted wherever the key is. Keep it secret.
    token: str | UnsetType = UNSET


class KeyBody(_Body, frozen=True):
    """An API key of the keys file, without its digest."""

    name: str
    scopes: list[str]
    instruments: list[str]
    key_space: str | UnsetType = UNSET


class KeyList(_Body, frozen=True):
    """The API keys in the order of the keys file."""

    items: list[KeyBody]


class ChangeBody(_Body, frozen=True):
    """A change by an API key. It names no person and no attempt."""

    at: str
    #: The name of the API key.
    by: str
    #: The operation, as in the description of the API.
    action: str
    #: The address; `{id}` replaces the id of an attempt, a session or a participant.
    resource: str
    #: Of the answer; absent while the request is served, or after it was interrupted: its effect is unknown.
    status: int | UnsetType = UNSET
    #: The number of changed objects.
    count: int | UnsetType = UNSET
    #: What was changed, such as names of settings.
    names: list[str] | UnsetType = UNSET


class ChangePage(_Body, frozen=True):
    """Changes in order; `next` is the cursor to continue from, also at the end."""

    items: list[ChangeBody]
    next: str
