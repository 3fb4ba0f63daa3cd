"""`client.config`, `client.tokens` for asyncio: the runtime configuration and secrets."""

from collections.abc import Mapping

from stanine.client.async_resources.base import AsyncResource
from stanine.client.calls import operating
from stanine.client.records import ConfigChange, ConfigInfo, ConfigRevision, TokensRotated


class AsyncConfigResource(AsyncResource):
    """`client.config`: the runtime configuration."""

    async def get(self) -> ConfigInfo:
        """Return every setting as the services apply it."""
        return await self._client.call(operating.read_config())

    async def change(
        self, settings: Mapping[str, int | str | None], *, revision: int | None = None
    ) -> ConfigChange:
        """Change settings (None: the default) as one revision.

        With `revision`, raises ConfigConflictError if another one is current.
        """
        return await self._client.call(operating.change_config(settings, revision))

    async def history(self) -> list[ConfigRevision]:
        """Return the stored revisions, newest first."""
        return await self._client.call(operating.config_history())

    async def rollback(self, revision: int) -> ConfigChange:
        """Restore the values of an earlier revision, as a new one."""
        return await self._client.call(operating.roll_back_config(revision))


class AsyncTokensResource(AsyncResource):
    """`client.tokens`: the secrets of attempt tokens and of invitation codes."""

    async def rotate(
        self, *, keep_seconds: int = 86_400, keep_links_seconds: int | None = None
    ) -> TokensRotated:
        """Create a new secret; tokens of the current one remain valid for `keep_seconds`."""
        return await self._client.call(operating.rotate_tokens(keep_seconds, keep_links_seconds))
