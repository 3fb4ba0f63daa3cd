"""Base classes of the client's records, and pages of lists. Used by the other modules of this package."""

from typing import Generic, TypeVar

import msgspec

Item = TypeVar("Item")

#: What the `repr` of a record about a person shows.
_IDENTIFIERS = (
    "attempt",
    "session",
    "invitation",
    "line",
    "instrument",
    "revision",
    "state",
    "status",
)


class ClientRecord(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Base of all records: camelCase names; absent members are omitted."""


class PersonRecord(ClientRecord, frozen=True):
    """A record about a person: its `repr` shows only its identifiers."""

    def __repr__(self) -> str:
        shown = {name: getattr(self, name, None) for name in _IDENTIFIERS}
        inside = ", ".join(
            f"{name}={value!r}" for name, value in shown.items() if value is not None
        )
        return f"{type(self).__name__}({inside})"


class Page(ClientRecord, Generic[Item], frozen=True):
    """A page of a list.

    `next` is the cursor to continue from, null at the permanent end of the list.
    """

    items: list[Item]
    next: str | None = None
