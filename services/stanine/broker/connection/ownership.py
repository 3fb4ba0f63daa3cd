"""Ownership of queues and settings in Redis by custom resources. Used by the broker and the store.

While an owner holds an object, other writers are rejected. Ownership is stored in two fields of the object's hash and
expires unless renewed, so a deleted resource or an uninstalled operator blocks nobody for long. ownership.lua checks it
against the server's clock, atomically with the change itself.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

#: Milliseconds that ownership lasts. The operator renews it every minute, so two renewals may fail.
HOLD_MS = 180_000


@dataclass(frozen=True)
class Owner:
    """The owner of an object.

    If two resources compete, the older one wins; ties go to the smaller uid.
    """

    #: For people: `Queue default/results`.
    name: str
    uid: str
    #: RFC 3339, in UTC and whole seconds.
    created: str
    #: The operator that acts for the resource; an operator knows which of its own resources were deleted.
    operator: str = ""
    #: The uid of the RedisConfig used for the connection; its operator knows every resource that uses it.
    through: str = ""

    def encode(self) -> str:
        """Return the JSON stored in Redis."""
        return json.dumps(asdict(self), separators=(",", ":"))


class OwnershipConflictError(Exception):
    """Another owner holds the object; nothing was changed."""

    def __init__(self, name: str, holder: Owner) -> None:
        super().__init__(
            f"{name} is managed by {holder.name}: change that resource, or delete it and wait three minutes"
        )
        self.holder = holder


def read_owner(text: bytes) -> Owner:
    """Parse the output of `encode`; unknown members are ignored."""
    known = json.loads(text)
    return Owner(**{name: str(known.get(name, "")) for name in Owner.__dataclass_fields__})


@cache
def ownership_source() -> str:
    """Return the Lua source that a function library includes to check and take ownership."""
    return (Path(__file__).parent / "ownership.lua").read_text()
