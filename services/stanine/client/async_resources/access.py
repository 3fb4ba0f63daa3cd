"""`client.logins` for asyncio: tokens in place of an API key."""

from stanine.client.async_resources.base import AsyncResource
from stanine.client.calls import access
from stanine.client.records import LoginInfo


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
