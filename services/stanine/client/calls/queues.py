"""Calls that operate queues and their dead letters. Used by the resource `queues`."""

import uuid
from collections.abc import Sequence
from typing import Literal

from stanine.client.messages import JSON, ApiCall, Reply, call, json_call, query, reader
from stanine.client.records import DeadLetterInfo, OrderDone, Page, QueueInfo

#: Dead letters per page: the API's maximum.
PAGE = 1_000

_DEAD = "/v1/queues/{queue}/dead"
_read_queues = reader(Page[QueueInfo])

Order = Literal["requeue", "delete"]


def every() -> ApiCall[list[QueueInfo]]:
    """Read all queues."""

    def decode(reply: Reply) -> list[QueueInfo]:
        return _read_queues(reply).items

    return call("GET", "/v1/queues", decode)


def read(queue: str) -> ApiCall[QueueInfo]:
    """Read one queue."""
    return call("GET", "/v1/queues/{queue}", reader(QueueInfo), {"queue": queue})


def set_state(queue: str, verb: Literal["pause", "resume", "drain"]) -> ApiCall[QueueInfo]:
    """Pause, resume or drain a queue."""
    return call(
        "POST",
        f"/v1/queues/{{queue}}:{verb}",
        reader(QueueInfo),
        {"queue": queue},
        headers={"content-type": JSON},
    )


def purge(
    queue: str, part: Literal["ready", "delayed", "dead"], token: str | None
) -> ApiCall[OrderDone]:
    """Delete a part of a queue, idempotently."""
    order = {"part": part, "token": token or uuid.uuid4().hex}
    return json_call(
        "POST", "/v1/queues/{queue}:purge", reader(OrderDone), {"queue": queue}, body=order
    )


def dead_page(
    queue: str, after: str, limit: int, reason: str | None, actor: str | None
) -> ApiCall[Page[DeadLetterInfo]]:
    """Read a page of dead letters."""
    chosen = query(after=after, limit=limit, reason=reason, actor=actor)
    return call("GET", _DEAD, reader(Page[DeadLetterInfo]), {"queue": queue}, query=chosen)


def dead_letter(queue: str, letter: str) -> ApiCall[DeadLetterInfo]:
    """Read one dead letter."""
    return call(
        "GET", f"{_DEAD}/{{letter}}", reader(DeadLetterInfo), {"queue": queue, "letter": letter}
    )


def delete_dead_letter(queue: str, letter: str) -> ApiCall[OrderDone]:
    """Delete one dead letter. Not retried: after a lost answer a retry would fail as not found."""
    names = {"queue": queue, "letter": letter}
    return call("DELETE", f"{_DEAD}/{{letter}}", reader(OrderDone), names, repeatable=False)


def order_dead(
    queue: str,
    verb: Order,
    ids: Sequence[str] | None,
    reason: str | None,
    actor: str | None,
    token: str | None,
    *,
    everything: bool,
) -> ApiCall[OrderDone]:
    """Requeue or delete dead letters: by ids, all, or all of a reason and an actor.

    Idempotent: by ids, otherwise by token. Raises ValueError for an ambiguous selection.
    """
    at_large = everything or reason is not None or actor is not None
    if (ids is not None) == at_large or (ids is not None and (token is not None or not ids)):
        raise ValueError("say which dead letters: ids, or reason or actor, or everything=True")
    order: dict[str, object]
    if ids is not None:
        order = {"ids": list(ids)}
    else:
        named: dict[str, object] = {
            "all": True if everything else None,
            "reason": reason,
            "actor": actor,
        }
        order = {name: value for name, value in named.items() if value is not None} | {
            "token": token or uuid.uuid4().hex
        }
    return json_call("POST", f"{_DEAD}:{verb}", reader(OrderDone), {"queue": queue}, body=order)
