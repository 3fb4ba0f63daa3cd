"""The bodies of the runtime configuration: asked for and answered. Used by its routes."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

#: The greatest revision that can be asked for: exact in every JSON reader.
LAST_REVISION = (1 << 53) - 1


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    """What all bodies share: camelCase names."""


class SettingBody(_Body, frozen=True):
    """One setting as the services go by it."""

    name: str
    value: int | str
    #: Whether the configuration says so; else it is the default.
    stated: bool
    #: What is wrong with what the configuration says; the services keep what they had.
    fault: str | UnsetType = UNSET


class ConfigBody(_Body, frozen=True):
    """The runtime configuration as it is."""

    #: 0 until it is first changed through the operator or here.
    revision: int
    layout: Literal["Hash", "String"]
    #: Whether both layouts are written, for services of the older one.
    dual_write: bool
    #: Whether somebody has changed it past the operator since that revision.
    edited: bool
    #: How the older string is beside the hash: of no account, in step, changed or made unreadable by an older service, missing, left over.
    string: Literal["None", "InStep", "Changed", "Unreadable", "Missing", "Stray"]
    settings: list[SettingBody]
    #: Names that are nothing of ours; their values are not shown.
    others: list[str]
    #: Bytes in Redis.
    bytes: dict[str, int]
    #: The custom resource that alone changes it.
    managed_by: str | UnsetType = UNSET
    #: Why the string cannot be read.
    unreadable: str | UnsetType = UNSET


class RevisionBody(_Body, frozen=True):
    """An earlier state of the configuration."""

    revision: int
    at: str
    #: Found: somebody had changed it past the operator, and it was noticed then.
    origin: Literal["Found", "Applied", "RolledBack"]
    #: The settings that were stated, as text.
    settings: dict[str, str]
    #: Names that differ from the revision before; those that are nothing of ours are counted.
    changed: list[str]
    changed_others: int
    #: The custom resource that said so.
    by: str | UnsetType = UNSET
    #: The revision whose values were restored.
    of: int | UnsetType = UNSET


class RevisionList(_Body, frozen=True):
    """The revisions that are kept, the newest first."""

    items: list[RevisionBody]
    next: None = None


class ChangeOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """Settings that are to have other values; those that it does not name stay."""

    #: The new value by name; null: the default.
    settings: Annotated[dict[str, int | str | None], Meta(min_length=1)]
    #: The revision that the caller has seen: another one refuses the change.
    revision: Annotated[int, Meta(ge=0, le=LAST_REVISION)] | UnsetType = UNSET


class RollbackOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """Which revision's values are to stand again."""

    revision: Annotated[int, Meta(ge=1, le=LAST_REVISION)]


class ConfigChanged(_Body, frozen=True):
    """What a change came to."""

    #: The revision that stands now: a new one if values differed.
    revision: int
    changed: bool
