"""Dead letters: messages that were given up, each with a reason.

Read through the broker's operations.

A dead letter keeps head and ids unchanged, so that it can be requeued. Its reason is a single word, never a traceback.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis

from stanine.broker.queue import Queue

#: Dead letters read per call; they may be large.
PAGE = 100


@dataclass(frozen=True)
class DeadLetter:
    """A message that was given up. Times are ms since 1970."""

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


def list_dead(
    client: "redis.Redis", queue: Queue, after: str, limit: int, reason: str = "", actor: str = ""
) -> list[DeadLetter]:
    """Return up to `limit` dead letters after an id, oldest first, of a reason and an actor."""
    page = PAGE if reason or actor else min(limit, PAGE)
    found: list[DeadLetter] = []
    while True:
        rows: Any = client.xrange(queue.keys.dead, min=f"({after}" if after else "-", count=page)
        letters = [_read(entry_id, fields) for entry_id, fields in rows]
        found += [
            each
            for each in letters
            if (not reason or each.reason == reason) and (not actor or each.actor == actor)
        ]
        if len(found) >= limit or len(rows) < page:
            return found[:limit]
        after = letters[-1].id


def last_dead_id(client: "redis.Redis", queue: Queue) -> str:
    """Return the highest id a dead letter of the queue ever had; `0-0` if there was none."""
    try:
        info: Any = client.xinfo_stream(queue.keys.dead)
    except redis.ResponseError as error:
        if "no such key" in str(error):
            return "0-0"
        raise
    last: bytes = info["last-generated-id"]
    return last.decode()


def find_dead(client: "redis.Redis", queue: Queue, letter_id: str) -> DeadLetter | None:
    """Return one dead letter, or None."""
    rows: Any = client.xrange(queue.keys.dead, min=letter_id, max=letter_id)
    return _read(*rows[0]) if rows else None


def delete_dead(client: "redis.Redis", queue: Queue, ids: Sequence[str]) -> int:
    """Delete dead letters; return how many were there."""
    return int(client.xdel(queue.keys.dead, *ids)) if ids else 0


def _read(entry_id: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode(errors="replace")

    return DeadLetter(
        id=entry_id.decode(),
        reason=text(b"reason"),
        actor=text(b"actor"),
        queue=text(b"queue"),
        deliveries=int(fields.get(b"deliveries", 0)),
        created_ms=int(fields.get(b"created", 0)),
        died_ms=int(fields.get(b"died", 0)),
        head=fields.get(b"h", b""),
        ids=fields.get(b"i", b""),
    )
