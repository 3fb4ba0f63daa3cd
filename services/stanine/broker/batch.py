"""Batch actors: one call for many waiting messages. What such an actor may ask for, and how entries are merged.

    @dramatiq.actor(batch="attempts", queue_name="results", broker=broker)
    def score_attempts(attempts: bytes) -> None: ...

Called by the middleware (declaration), the broker (enqueueing) and the consumer (merging). Pure.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import dramatiq
from dramatiq.middleware import AgeLimit
from dramatiq.results import Results

from stanine.broker.dedupe import MODE, PERIOD, check_mode
from stanine.broker.entry import Entry, Fields, read_entry
from stanine.broker.errors import BatchRefused
from stanine.broker.settings import QueueSettings

#: Entries merged into one call unless the actor says otherwise. A larger batch gains little: what a call costs is spread over 512 already.
BATCH_MAX_MESSAGES = 512
#: Bytes of ids merged into one call: 1,024 ids of 16 bytes. A batch is the unit of failure and of redelivery, so it should stay a few ms of
#: work also where one message carries many ids. A single larger message is a batch of its own.
BATCH_MAX_BYTES = 16 * 1024
#: Entries of a part that failed once, before each runs alone.
SECOND_PART = 32

#: Options an actor may declare for batches.
BATCH_OPTIONS = frozenset({"batch", "batch_max_messages", "batch_max_bytes"})
#: Options that speak of one message: its result, its age, its successor, its retries (a failed batch is split instead, by queue settings).
_REFUSED_OPTIONS = (
    "store_results", "result_ttl", "max_age", "pipe_target", "pipe_ignore", "on_success", "on_failure",
    "dedupe", "dedupe_ms", "max_retries", "min_backoff", "max_backoff", "retry_when", "throws", "on_retry_exhausted",
)  # fmt: skip


@dataclass(frozen=True)
class BatchLimits:
    """How an actor takes its batches: the argument that receives the ids, and the most that one call gets."""

    argument: str
    max_messages: int
    max_bytes: int

    def at(self, delivery: int) -> int:
        """Return the most entries that may be merged at a delivery: 1 full, 2 up to 32, from 3 each alone."""
        if delivery == 1:
            return self.max_messages
        return min(SECOND_PART, self.max_messages) if delivery == 2 else 1


def check_actor(broker: "dramatiq.Broker", actor: "dramatiq.Actor[Any, Any]") -> None:
    """Raise BatchRefused if a batch actor is declared with what cannot be kept for merged messages, DedupeRefused for a wrong `dedupe`."""
    argument = actor.options.get("batch")
    if argument is None:
        if MODE in actor.options or PERIOD in actor.options:
            check_mode(actor.actor_name, actor.options.get(MODE), actor.options.get(PERIOD))
        misplaced = sorted(BATCH_OPTIONS & actor.options.keys())
        if misplaced:
            raise BatchRefused(
                f"actor {actor.actor_name!r} has {', '.join(misplaced)} but no batch=: name the argument that takes the ids"
            )
        return
    if not isinstance(argument, str) or not argument.isidentifier():
        raise BatchRefused(
            f"actor {actor.actor_name!r}: batch= names the argument that takes the ids, not {argument!r}"
        )
    for name in ("batch_max_messages", "batch_max_bytes"):
        value = actor.options.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise BatchRefused(
                f"actor {actor.actor_name!r}: {name} is a whole number from 1, not {value!r}"
            )
    refused = [name for name in _REFUSED_OPTIONS if actor.options.get(name)]
    if refused:
        raise BatchRefused(
            f"batch actor {actor.actor_name!r} cannot have {', '.join(refused)}: its messages are merged, so none has its own"
        )
    for middleware in broker.middleware:
        if isinstance(middleware, AgeLimit) and middleware.max_age:
            raise BatchRefused(
                f"batch actor {actor.actor_name!r} cannot have an age limit, but AgeLimit sets one for every actor"
            )
        if isinstance(middleware, Results) and middleware.store_results:
            raise BatchRefused(
                f"batch actor {actor.actor_name!r} cannot store results, but Results stores those of every actor"
            )


def limits_of(actor: "dramatiq.Actor[Any, Any]", settings: QueueSettings) -> BatchLimits | None:
    """Return the batch limits of an actor, the queue's settings applied; None if it takes messages one by one."""
    argument = actor.options.get("batch")
    if argument is None:
        return None
    messages = actor.options.get("batch_max_messages", BATCH_MAX_MESSAGES)
    size = actor.options.get("batch_max_bytes", BATCH_MAX_BYTES)
    return BatchLimits(
        argument,
        min(messages, settings.batch_max_messages or messages),
        min(size, settings.batch_max_bytes or size),
    )


def ids_of(message: "dramatiq.Message[Any]", argument: str | None) -> bytes | None:
    """Return the ids of a message to a batch actor, or None if it is an ordinary message.

    `argument` is that of the actor if it is declared here. Without it, a message with one argument of bytes and nothing else is a batch
    message if the encoder cannot encode it: then no other message can carry bytes. Where it can (pickle), the message travels whole, and
    who receives it knows. Raises BatchRefused if a batch actor's message carries more than its ids.
    """
    values = list(message.kwargs.items())
    fits = not message.args and len(values) == 1 and isinstance(values[0][1], bytes)
    if argument is None and (not fits or _can_encode(message)):
        return None
    if not fits or (argument is not None and values[0][0] != argument):
        raise BatchRefused(
            f"a message to batch actor {message.actor_name!r} carries one argument, {argument}=, of bytes and nothing else"
        )
    ids: bytes = values[0][1]
    if not ids:
        raise BatchRefused(
            f"a message to batch actor {message.actor_name!r} carries at least one id"
        )
    refuse_options(message, message.options)
    return ids


def _can_encode(message: "dramatiq.Message[Any]") -> bool:
    """Tell whether the encoder in use takes bytes. Encoders raise what they like."""
    try:
        message.encode()
    except Exception:  # noqa: BLE001 - then it cannot
        return False
    return True


def refuse_options(message: "dramatiq.Message[Any]", names: Iterable[str]) -> None:
    """Raise BatchRefused if a batch message has any of these options."""
    refused = sorted(name for name in names if name in message.options)
    if refused:
        raise BatchRefused(
            f"a message to batch actor {message.actor_name!r} cannot have the options {', '.join(refused)}: "
            "messages are merged, so none has its own"
        )


@dataclass
class Part:
    """Consecutive entries of one head and one delivery count, for one call."""

    head: bytes
    delivery: int
    limits: BatchLimits
    entry_ids: list[bytes]
    chunks: list[bytes]
    traces: dict[bytes, None]
    created: int
    size: int
    room: int
    #: Times each was handed out, where that must be noted before it starts: entries taken over from a dead consumer.
    handed: list[tuple[bytes, int]] = field(default_factory=list)


def merge(
    rows: "Iterable[tuple[bytes, Fields]]", limits: "Callable[[bytes], BatchLimits | None]"
) -> "tuple[list[Part | Entry], list[tuple[bytes, Fields]]]":
    """Merge entries as delivered, in order; return parts and single entries, and the rows without a head.

    `limits` gives those of a head's actor, or None to keep its entries single.
    """
    work: list[Part | Entry] = []
    headless: list[tuple[bytes, Fields]] = []
    part: Part | None = None
    for entry_id, fields in rows:
        if (
            len(fields) == 4 and fields[2] == b"i" and fields[0] == b"h"
        ):  # head and ids: the bulk of a busy queue
            data, ids = fields[1], fields[3]
            if (
                part is not None
                and part.room > 0
                and data == part.head
                and part.delivery == 1
                and part.size + len(ids) <= part.limits.max_bytes
            ):
                part.entry_ids.append(entry_id)
                part.chunks.append(ids)
                part.size += len(ids)
                part.room -= 1
                continue
        entry = read_entry(entry_id, fields)
        if entry is None:
            headless.append((entry_id, fields))
            continue
        part = add_entry(work, part, entry, limits)
    return work, headless


def merge_entries(
    entries: "Sequence[tuple[Entry, bool]]", limits: "Callable[[bytes], BatchLimits | None]"
) -> "list[Part | Entry]":
    """Merge entries read again, each with whether its start must be noted."""
    work: list[Part | Entry] = []
    part: Part | None = None
    for entry, noted in entries:
        part = add_entry(work, part, entry, limits)
        if part is not None and (noted or entry.handed > 1):
            part.handed.append((entry.id, entry.handed))
    return work


def add_entry(
    work: "list[Part | Entry]",
    part: Part | None,
    entry: Entry,
    limits: "Callable[[bytes], BatchLimits | None]",
) -> Part | None:
    """Add an entry to the open part if it fits, else begin a new one; return the part that is open now."""
    if entry.ids is None:
        work.append(entry)
        return None
    size = len(entry.ids)
    if (
        part is None
        or part.room <= 0
        or entry.head != part.head
        or entry.delivery != part.delivery
        or part.size + size > part.limits.max_bytes
    ):
        bounds = limits(entry.head)
        if bounds is None:
            work.append(entry)
            return None
        part = Part(
            entry.head,
            entry.delivery,
            bounds,
            [],
            [],
            {},
            entry.created,
            0,
            bounds.at(entry.delivery),
        )
        work.append(part)
    part.entry_ids.append(entry.id)
    part.chunks.append(entry.ids)
    part.size += size
    part.room -= 1
    part.created = min(part.created, entry.created)
    if entry.trace:
        part.traces[entry.trace] = None
    return part
