"""`client.logins`: tokens in place of an API key."""

from stanine.client.calls import access
from stanine.client.records import LoginInfo
from stanine.client.sync_resources.base import SyncResource


class LoginsResource(SyncResource):
    """`client.logins`: tokens that are accepted wherever an API key is, and end by themselves."""

    def begin(self) -> LoginInfo:
        """Exchange the client's key for the token of a login."""
        return self._client.call(access.begin_login())

    def current(self, *, token: str | None = None) -> LoginInfo:
        """Return the login of a token; by default the client's key is the token."""
        return self._client.call(access.read_login(token))

    def end(self, *, token: str | None = None) -> None:
        """End the login of a token; by default the client's key is the token."""
        self._client.call(access.end_login(token))
