"""The broker's function library, and how its functions are called.

Used by `queue`, `producing`, `administration`, and by the bootstrap, which loads it.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stanine.broker.connection.functions import Argument, Library
from stanine.broker.connection.ownership import ownership_source

if TYPE_CHECKING:
    import redis

#: Prefix of the names of the functions.
PREFIX = "stanine_broker"
#: Files of the function library in order: later files use definitions of earlier ones.
_PARTS = (
    "layout",
    "dedupe",
    "producing",
    "ahead",
    "delivering",
    "settling",
    "keeping",
    "operating",
    "requests",
)

#: Result of a settling call if the consumer's lease was taken over.
FENCED = -1
#: Result of an enqueueing call if the queue is draining.
DRAINING = -2


@cache
def library() -> Library:
    """Return the broker's function library."""
    parts = Path(__file__).parent / "functions"
    texts = {name: (parts / f"{name}.lua").read_text() for name in _PARTS}
    texts["layout"] += ownership_source()
    return Library(PREFIX, "\n".join(texts.values()))


def call_function(
    client: "redis.Redis", function: str, keys: Sequence[str], args: Iterable[Argument]
) -> Any:
    """Return the reply of a function. Errors of redis-py propagate."""
    return library().call(client, f"{PREFIX}_{function}", keys, list(args))


def flat(pairs: "Iterable[tuple[Argument, Argument]]") -> list[Argument]:
    """Return the members of pairs, one after another."""
    return [value for pair in pairs for value in pair]


def pairs(flat: Any) -> dict[bytes, bytes]:
    """Return a reply of names and values as a mapping."""
    if isinstance(flat, dict):  # RESP3
        return flat
    return dict(zip(flat[::2], flat[1::2], strict=True))
