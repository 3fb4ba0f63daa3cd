"""Logins, keys, changes and the status of the service."""

from stanine.client.calls import access
from stanine.client.listing import ListReader, OnHistoryChange
from stanine.client.records import ChangeInfo, KeyInfo, LoginInfo, ServiceStatus
from stanine.client.sync_resources.base import Listing, SyncResource


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


class KeysResource(SyncResource):
    """`client.keys`: the API keys."""

    def list(self) -> list[KeyInfo]:
        """Return the API keys: names, scopes and instruments."""
        return self._client.call(access.keys())


class AuditResource(SyncResource):
    """`client.audit`: changes that API keys have made; the server keeps the latest 10,000."""

    def newest(self, count: int = 100) -> list[ChangeInfo]:
        """Return the newest changes, in order."""
        return self._client.call(access.newest_changes(count))

    def list(
        self,
        *,
        after: str = "",
        on_history_change: OnHistoryChange = "raise",
        page_size: int = access.PAGE,
    ) -> Listing[ChangeInfo]:
        """List the changes that are kept, in order; `cursor` continues later.

        After a changed history, or if the cursor's change is no longer kept, "continue" lists from the beginning.
        """
        reader = ListReader(
            self._client.context,
            lambda at: access.changes(at, page_size),
            after,
            on_history_change,
        )
        return Listing(self._client, reader)


class StatusResource(SyncResource):
    """`client.status`: the state of the whole service."""

    def get(self) -> ServiceStatus:
        """Return processes, queues, index and sweeps now, and the last 15 minutes."""
        return self._client.call(access.status())
