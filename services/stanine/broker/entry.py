"""Layout of a stream entry; functions/layout.lua implements the same layout in Lua.

    h   the head: for batch messages the constant `head(queue, actor)`, otherwise the encoded Dramatiq message
    i   the ids of a batch message, raw; absent otherwise
    t   the producer's traceparent
    n   earlier deliveries, if any
    u   digest of the deduplication key that the message holds until it is done (dedupe.py)
    c   creation time (ms since 1970) of a re-added entry; otherwise the entry id contains it

An entry with `w` and no head is a tick: the next delayed message is due earlier than before, so a reader wakes up.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stanine.broker.dedupe import Dedupe

#: The consumer group of every queue.
GROUP = "workers"
#: The option of a Dramatiq message that is stored in `t`.
TRACE_OPTION = "traceparent"

#: An entry's fields as the client returns them: name, value, name, value.
Fields = list[bytes]


@dataclass(frozen=True)
class NewEntry:
    """An entry to append."""

    head: bytes
    ids: bytes
    trace: bytes
    #: Deduplication of the message; None if it has none.
    dedupe: "Dedupe | None" = None


@dataclass(frozen=True)
class Entry:
    """An entry as read by a consumer."""

    id: bytes
    head: bytes
    ids: bytes | None
    trace: bytes | None
    #: The number of this delivery, from 1: earlier failures plus, for entries taken over, crashes.
    delivery: int
    created: int
    #: Deliveries since it was last appended; above 1 only after a consumer died with it.
    handed: int = 1
    #: The digest of the deduplication key it holds.
    unique: bytes | None = None


@lru_cache(maxsize=1024)
def head(queue: str, actor: str) -> bytes:
    """Return the constant head of messages to a batch actor.

    It is identical in every process, because batches are merged by it.
    """
    return json.dumps({"queue": queue, "actor": actor}, separators=(",", ":")).encode()


@lru_cache(maxsize=1024)
def read_head(data: bytes) -> tuple[str, str]:
    """Return queue and actor from a batch message's head. Raises ValueError if it is malformed."""
    try:
        plain = json.loads(data)
    except RecursionError as error:
        raise ValueError("the head of a batch message must not be nested") from error
    if (
        not isinstance(plain, dict)
        or not isinstance(plain.get("queue"), str)
        or not isinstance(plain.get("actor"), str)
    ):
        raise ValueError("the head of a batch message must name its queue and its actor")  # noqa: TRY004 - as for invalid JSON
    return plain["queue"], plain["actor"]


def read_entry(entry_id: bytes, fields: Fields, handed: int = 1) -> Entry | None:
    """Return the entry, or None if it has no head (a tick or an entry of unknown form)."""
    named = dict(zip(fields[::2], fields[1::2], strict=False))
    data = named.get(b"h")
    if data is None:
        return None
    return Entry(
        id=entry_id,
        head=data,
        ids=named.get(b"i"),
        trace=named.get(b"t"),
        delivery=_whole(named.get(b"n"), 0) + handed,
        created=_whole(named.get(b"c"), created_at(entry_id)),
        handed=handed,
        unique=named.get(b"u"),
    )


def _whole(text: bytes | None, otherwise: int) -> int:
    """Return a count, or `otherwise` if the field is malformed."""
    return int(text) if text is not None and text.isdigit() and len(text) < 20 else otherwise


def is_tick(fields: Fields) -> bool:
    """Return whether the entry only wakes a reader."""
    return len(fields) == 2 and fields[0] == b"w"


def created_at(entry_id: bytes) -> int:
    """Return when an entry was appended (ms since 1970), from its id."""
    return int(entry_id.partition(b"-")[0])
