"""Bodies of logins. Used by their routes."""

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
