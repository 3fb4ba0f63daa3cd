"""`client.config`, `client.tokens`: the runtime configuration and secrets."""

from collections.abc import Mapping

from stanine.client.calls import operating
from stanine.client.records import ConfigChange, ConfigInfo, ConfigRevision, TokensRotated
from stanine.client.sync_resources.base import SyncResource


class ConfigResource(SyncResource):
    """`client.config`: the runtime configuration."""

    def get(self) -> ConfigInfo:
        """Return every setting as the services apply it."""
        return self._client.call(operating.read_config())

    def change(
        self, settings: Mapping[str, int | str | None], *, revision: int | None = None
    ) -> ConfigChange:
        """Change settings (None: the default) as one revision.

        With `revision`, raises ConfigConflictError if another one is current, and is not retried: after
        LostAnswerError, check with `get`.
        """
        return self._client.call(operating.change_config(settings, revision))

    def history(self) -> list[ConfigRevision]:
        """Return the stored revisions, newest first."""
        return self._client.call(operating.config_history())

    def rollback(self, revision: int) -> ConfigChange:
        """Restore the values of an earlier revision, as a new one."""
        return self._client.call(operating.roll_back_config(revision))


class TokensResource(SyncResource):
    """`client.tokens`: the secrets of attempt tokens and of invitation codes."""

    def rotate(
        self, *, keep_seconds: int = 86_400, keep_links_seconds: int | None = None
    ) -> TokensRotated:
        """Create a new secret; tokens of the current one remain valid for `keep_seconds`.

        With `keep_links_seconds` the secret of invitation codes is rotated too, and codes of the current one remain
        valid for that number of seconds.
        """
        return self._client.call(operating.rotate_tokens(keep_seconds, keep_links_seconds))
