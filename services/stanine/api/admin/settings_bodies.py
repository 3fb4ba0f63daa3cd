"""Request and response bodies of the configuration routes."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

#: Maximum revision in a request: exact in every JSON reader.
LAST_REVISION = (1 << 53) - 1


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    """Base of all bodies: camelCase names."""


class SettingBody(_Body, frozen=True):
    """A setting as the services apply it."""

    name: str
    value: int | str
    #: True: the configuration sets it; false: it has its default.
    stated: bool
    #: The error of a stored value that is invalid; the services keep the previous value.
    fault: str | UnsetType = UNSET


class ConfigBody(_Body, frozen=True):
    """The runtime configuration."""

    #: 0 until the first change by the operator or the API.
    revision: int
    layout: Literal["Hash", "String"]
    #: Whether both layouts are written, for services that read the older one.
    dual_write: bool
    #: Whether the settings were changed outside the operator since that revision.
    edited: bool
    #: State of the older layout (a string) relative to the hash: unused, in sync, changed or made unreadable by an
    #: older service, missing, or left over.
    string: Literal["None", "InStep", "Changed", "Unreadable", "Missing", "Stray"]
    settings: list[SettingBody]
    #: Unknown names; their values are not shown.
    others: list[str]
    #: Size in Redis, in bytes.
    bytes: dict[str, int]
    #: The custom resource that owns it.
    managed_by: str | UnsetType = UNSET
    #: Why the string is unreadable.
    unreadable: str | UnsetType = UNSET


class RevisionBody(_Body, frozen=True):
    """A stored revision of the configuration."""

    revision: int
    at: str
    #: Found: the settings had been changed outside the operator; the change was detected at this time.
    origin: Literal["Found", "Applied", "RolledBack"]
    #: The values of the settings that were set, as text.
    settings: dict[str, str]
    #: Names that differ from the previous revision; unknown names are counted.
    changed: list[str]
    changed_others: int
    #: The custom resource that applied it.
    by: str | UnsetType = UNSET
    #: The revision whose values were restored.
    of: int | UnsetType = UNSET


class RevisionList(_Body, frozen=True):
    """The stored revisions, newest first."""

    items: list[RevisionBody]
    next: None = None


class ChangeOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """A change of settings; settings that are not named keep their values."""

    #: The new value by name; null resets to the default.
    settings: Annotated[dict[str, int | str | None], Meta(min_length=1)]
    #: The revision that the caller has read; the change is refused if it is not the current one.
    revision: Annotated[int, Meta(ge=0, le=LAST_REVISION)] | UnsetType = UNSET


class RollbackOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """The revision to restore."""

    revision: Annotated[int, Meta(ge=1, le=LAST_REVISION)]


class ConfigChanged(_Body, frozen=True):
    """The result of a change."""

    #: The current revision: a new one if a value changed.
    revision: int
    changed: bool
