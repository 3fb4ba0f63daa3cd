"""Calls about the runtime configuration and the secret of tokens. Used by the resources `config` and `tokens`."""

from collections.abc import Mapping

from stanine.client.messages import ApiCall, Reply, call, json_call, reader
from stanine.client.records import ConfigChange, ConfigInfo, ConfigRevision, Page, TokensRotated

_read_history = reader(Page[ConfigRevision])


def read_config() -> ApiCall[ConfigInfo]:
    """Read the configuration."""
    return call("GET", "/v1/config", reader(ConfigInfo))


def change_config(
    settings: Mapping[str, int | str | None], revision: int | None
) -> ApiCall[ConfigChange]:
    """Change settings.

    With `revision` it is not retried: after a lost answer a retry would conflict with its own change.
    """
    order: dict[str, object] = {"settings": settings}
    if revision is not None:
        order["revision"] = revision
    return json_call(
        "PATCH", "/v1/config", reader(ConfigChange), body=order, repeatable=revision is None
    )


def config_history() -> ApiCall[list[ConfigRevision]]:
    """Read the stored revisions, newest first."""

    def decode(reply: Reply) -> list[ConfigRevision]:
        return _read_history(reply).items

    return call("GET", "/v1/config/history", decode)


def roll_back_config(revision: int) -> ApiCall[ConfigChange]:
    """Restore the values of an earlier revision."""
    return json_call(
        "POST", "/v1/config:rollback", reader(ConfigChange), body={"revision": revision}
    )


def rotate_tokens(keep_seconds: int, keep_links_seconds: int | None) -> ApiCall[TokensRotated]:
    """Create a new secret.

    A retry after a lost answer creates another one; the one in between expires as earlier secrets do.
    """
    order = {"keepSeconds": keep_seconds}
    if keep_links_seconds is not None:
        order["keepLinksSeconds"] = keep_links_seconds
    return json_call("POST", "/v1/tokens:rotate", reader(TokensRotated), body=order)
