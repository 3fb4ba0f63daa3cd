"""The layout of a stream entry. The only other place that knows it is functions/layout.lua.

    h   the head. Of a batch message: its constant part, `head(queue, actor)`; of any other: the whole encoded Dramatiq message
    i   the ids of a batch message, raw; absent otherwise
    t   the producer's traceparent
    n   earlier deliveries, when there were any
    u   the digest of the deduplication key that the message holds until it is done (dedupe.py), if it has one
    c   created (ms since 1970), when the entry was added again; otherwise the entry's id says it

An entry with `w` and no head is a tick: a delayed message has become the next to be due, so a reader should look.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stanine.broker.dedupe import Dedupe

#: The consumer group of every queue.
GROUP = "workers"
#: The option of a Dramatiq message that travels in `t`.
TRACE_OPTION = "traceparent"

#: An entry's fields as the client gives them: name, value, name, value.
Fields = list[bytes]


@dataclass(frozen=True)
class NewEntry:
    """What a producer appends."""

    head: bytes
    ids: bytes
    trace: bytes
    #: How it stands to others with its deduplication key; None: it has none.
    dedupe: "Dedupe | None" = None

    def stream_fields(self) -> dict[Any, Any]:
        """Return the fields for XADD."""
        fields = {"h": self.head}
        if self.ids:
            fields["i"] = self.ids
        if self.trace:
            fields["t"] = self.trace
        return fields


@dataclass(frozen=True)
class Entry:
    """What a consumer reads."""

    id: bytes
    head: bytes
    ids: bytes | None
    trace: bytes | None
    #: Which delivery this is, from 1. Counts what failed before and, for entries taken over, what crashed.
    delivery: int
    created: int
    #: How often it was handed out since it was last appended; above 1 only after a consumer died with it.
    handed: int = 1
    #: The digest of the deduplication key that it holds.
    unique: bytes | None = None


@lru_cache(maxsize=1024)
def head(queue: str, actor: str) -> bytes:
    """Return the constant head of the messages to a batch actor: the same bytes in every process, since batches merge by them."""
    return json.dumps({"queue": queue, "actor": actor}, separators=(",", ":")).encode()


@lru_cache(maxsize=1024)
def read_head(data: bytes) -> tuple[str, str]:
    """Return queue and actor of a batch message's head. Raises ValueError if it is none."""
    try:
        plain = json.loads(data)
    except RecursionError as error:
        raise ValueError("the head of a batch message is not nested") from error
    if (
        not isinstance(plain, dict)
        or not isinstance(plain.get("queue"), str)
        or not isinstance(plain.get("actor"), str)
    ):
        raise ValueError("the head of a batch message names its queue and its actor")  # noqa: TRY004 - like broken JSON
    return plain["queue"], plain["actor"]


def read_entry(entry_id: bytes, fields: Fields, handed: int = 1) -> Entry | None:
    """Return the entry, or None if it has no head: a tick, or nothing of ours."""
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
    """Return a count as we write them, or `otherwise` if somebody else wrote something."""
    return int(text) if text is not None and text.isdigit() and len(text) < 20 else otherwise


def is_tick(fields: Fields) -> bool:
    """Tell whether the entry only wakes a reader."""
    return len(fields) == 2 and fields[0] == b"w"


def created_at(entry_id: bytes) -> int:
    """Return when an entry was appended (ms since 1970), which its id begins with."""
    return int(entry_id.partition(b"-")[0])
