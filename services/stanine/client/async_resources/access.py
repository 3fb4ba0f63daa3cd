"""Logins, keys, changes and the status of the service, for asyncio."""

from stanine.client.async_resources.base import AsyncListing, AsyncResource
from stanine.client.calls import access
from stanine.client.listing import ListReader, OnHistoryChange
from stanine.client.records import ChangeInfo, KeyInfo, LoginInfo, ServiceStatus


class AsyncLoginsResource(AsyncResource):
    """`client.logins`: tokens that are accepted wherever an API key is, and end by themselves."""

    async def begin(self) -> LoginInfo:
        """Exchange the client's key for the token of a login."""
        return await self._client.call(access.begin_login())

    async def current(self, *, token: str | None = None) -> LoginInfo:
        """Return the login of a token; by default the client's key is the token."""
        return await self._client.call(access.read_login(token))

    async def end(self, *, token: str | None = None) -> None:
        """End the login of a token; by default the client's key is the token."""
        await self._client.call(access.end_login(token))


class AsyncKeysResource(AsyncResource):
    """`client.keys`: the API keys."""

    async def list(self) -> list[KeyInfo]:
        """Return the API keys: names, scopes and instruments."""
        return await self._client.call(access.keys())


class AsyncAuditResource(AsyncResource):
    """`client.audit`: changes that API keys have made; the server keeps the latest 10,000."""

    async def newest(self, count: int = 100) -> list[ChangeInfo]:
        """Return the newest changes, in order."""
        return await self._client.call(access.newest_changes(count))

    def list(
        self,
        *,
        after: str = "",
        on_history_change: OnHistoryChange = "raise",
        page_size: int = access.PAGE,
    ) -> AsyncListing[ChangeInfo]:
        """List the changes that are kept, in order; `cursor` continues later.

        After a changed history, or if the cursor's change is no longer kept, "continue" lists from the beginning.
        """
        reader = ListReader(
            self._client.context,
            lambda at: access.changes(at, page_size),
            after,
            on_history_change,
        )
        return AsyncListing(self._client, reader)


class AsyncStatusResource(AsyncResource):
    """`client.status`: the state of the whole service."""

    async def get(self) -> ServiceStatus:
        """Return processes, queues, index and sweeps now, and the last 15 minutes."""
        return await self._client.call(access.status())
