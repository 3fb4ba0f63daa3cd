"""Who manages a thing in Redis: a custom resource, whose word stands against anybody else's. Used by the broker (queues) and the store.

A hold is two fields of the thing's own hash, and ends by itself unless it is renewed: no resource that is gone, and no operator that was
removed, keeps anybody from anything for long. managing.lua decides, by the server's clock, in the same step as the change itself.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

#: Milliseconds that a hold lasts. The operator renews it every minute, so two rounds may fail.
HOLD_MS = 180_000


@dataclass(frozen=True)
class Manager:
    """Who holds a thing. Of two, the one created first has it, whoever came first to Redis; of the same second, the smaller uid."""

    #: For people: `Queue default/results`.
    name: str
    uid: str
    #: RFC 3339, in UTC and whole seconds.
    created: str
    #: Which operator acts for it: one may know of its own that they are gone.
    operator: str = ""
    #: The uid of the RedisConfig through which it came here: who knows that one knows everybody who may come through it.
    through: str = ""

    def encode(self) -> str:
        """Return what is kept in Redis."""
        return json.dumps(asdict(self), separators=(",", ":"))


class ManagedError(Exception):
    """Somebody else holds the thing; nothing was changed."""

    def __init__(self, thing: str, holder: Manager) -> None:
        super().__init__(
            f"{thing} is managed by {holder.name}: change that resource, or delete it and wait three minutes"
        )
        self.holder = holder


def read_manager(text: bytes) -> Manager:
    """Read what `encode` made; members that this version does not know are left out."""
    known = json.loads(text)
    return Manager(**{name: str(known.get(name, "")) for name in Manager.__dataclass_fields__})


@cache
def managing_source() -> str:
    """Return the Lua that a function library includes to ask and to hold."""
    return (Path(__file__).parent / "managing.lua").read_text()
