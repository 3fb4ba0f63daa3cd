"""Dead letters: what was given up, and why. Read through the broker's operations.

A dead letter keeps head and ids as they were, so that it can be put back; its reason is a word, never a traceback.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis

from stanine.broker.queue import Queue


@dataclass(frozen=True)
class DeadLetter:
    """One message that was given up. Times are ms since 1970."""

    id: str
    #: The exception's type, or DeliveryLimit, ActorNotFound, NotABatchActor, NotABatchMessage, Undecodable, Rejected.
    reason: str
    actor: str
    queue: str
    deliveries: int
    created_ms: int
    died_ms: int
    head: bytes
    #: The ids of a batch message; empty for others.
    ids: bytes


def list_dead(client: "redis.Redis", queue: Queue, after: str, limit: int) -> list[DeadLetter]:
    """Return up to `limit` dead letters after an id, in order of death."""
    rows: Any = client.xrange(queue.keys.dead, min=f"({after}" if after else "-", count=limit)
    return [_read(entry_id, fields) for entry_id, fields in rows]


def delete_dead(client: "redis.Redis", queue: Queue, ids: Sequence[str]) -> int:
    """Delete dead letters; return how many were there."""
    return int(client.xdel(queue.keys.dead, *ids)) if ids else 0


def _read(entry_id: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        id=entry_id.decode(),
        reason=fields[b"reason"].decode(),
        actor=fields[b"actor"].decode(),
        queue=fields[b"queue"].decode(),
        deliveries=int(fields[b"deliveries"]),
        created_ms=int(fields[b"created"]),
        died_ms=int(fields[b"died"]),
        head=fields.get(b"h", b""),
        ids=fields.get(b"i", b""),
    )
