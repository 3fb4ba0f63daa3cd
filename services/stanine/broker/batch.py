"""Batch actors: declaration checks, limits, and merging of stream entries into one actor call.

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

#: Default maximum of entries merged into one call. Larger batches gain little: at 512 the overhead of a call is already
#: spread thin.
BATCH_MAX_MESSAGES = 512
#: Default maximum of id bytes merged into one call: 1,024 ids of 16 bytes. A batch is the unit of failure and
#: redelivery, so it should take only a few milliseconds even if one message carries many ids. A larger single message
#: forms its own batch.
BATCH_MAX_BYTES = 16 * 1024
#: Maximum of entries per batch at the second delivery, before each entry runs alone.
SECOND_BATCH_SIZE = 32

#: Options that configure the batches of an actor.
BATCH_OPTIONS = frozenset({"batch", "batch_max_messages", "batch_max_bytes"})
#: Options that concern a single message: its result, age limit, callbacks and retries. A failed batch is split
#: according to the queue settings instead.
_REFUSED_OPTIONS = (
    "store_results", "result_ttl", "max_age", "pipe_target", "pipe_ignore", "on_success", "on_failure",
    "dedupe", "dedupe_ms", "max_retries", "min_backoff", "max_backoff", "retry_when", "throws", "on_retry_exhausted",
)  # fmt: skip


@dataclass(frozen=True)
class BatchLimits:
    """The argument that receives an actor's ids, and the limits of one call."""

    argument: str
    max_messages: int
    max_bytes: int

    def at(self, delivery: int) -> int:
        """Return the maximum batch size at a delivery: full at 1, 32 at 2, one entry from 3 on."""
        if delivery == 1:
            return self.max_messages
        return min(SECOND_BATCH_SIZE, self.max_messages) if delivery == 2 else 1


def check_actor(broker: "dramatiq.Broker", actor: "dramatiq.Actor[Any, Any]") -> None:
    """Validate the batch and deduplication options of an actor.

    Raises BatchRefused if a batch actor declares options that do not apply to merged messages, and DedupeRefused for an
    invalid `dedupe`.
    """
    argument = actor.options.get("batch")
    if argument is None:
        if MODE in actor.options or PERIOD in actor.options:
            check_mode(actor.actor_name, actor.options.get(MODE), actor.options.get(PERIOD))
        misplaced = sorted(BATCH_OPTIONS & actor.options.keys())
        if misplaced:
            raise BatchRefused(
                f"actor {actor.actor_name!r} has {', '.join(misplaced)} but no batch=: name the argument that receives the ids"
            )
        return
    if not isinstance(argument, str) or not argument.isidentifier():
        raise BatchRefused(
            f"actor {actor.actor_name!r}: batch= must name the argument that receives the ids, not {argument!r}"
        )
    for name in ("batch_max_messages", "batch_max_bytes"):
        value = actor.options.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise BatchRefused(
                f"actor {actor.actor_name!r}: {name} must be a positive integer, not {value!r}"
            )
    refused = [name for name in _REFUSED_OPTIONS if actor.options.get(name)]
    if refused:
        raise BatchRefused(
            f"batch actor {actor.actor_name!r} cannot have {', '.join(refused)}: these options apply to single messages"
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
    """Return an actor's batch limits under the queue settings; None if it is no batch actor."""
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
    """Return the ids of a batch actor's message, or None for an ordinary message.

    `argument` is the batch argument of the actor if the actor is declared in this process. Without it, a message whose
    only argument is of type bytes is taken for a batch message if the encoder cannot encode it. If the encoder can
    (pickle), the message is sent whole and the receiver decides. Raises BatchRefused if a batch actor's message carries
    anything but its ids.
    """
    values = list(message.kwargs.items())
    fits = not message.args and len(values) == 1 and isinstance(values[0][1], bytes)
    if argument is None and (not fits or _can_encode(message)):
        return None
    if not fits or (argument is not None and values[0][0] != argument):
        raise BatchRefused(
            f"a message to batch actor {message.actor_name!r} must have exactly one argument, {argument}=, of type bytes"
        )
    ids: bytes = values[0][1]
    if not ids:
        raise BatchRefused(
            f"a message to batch actor {message.actor_name!r} must carry at least one id"
        )
    refuse_options(message, message.options)
    return ids


def _can_encode(message: "dramatiq.Message[Any]") -> bool:
    """Return whether the encoder in use can encode the message."""
    try:
        message.encode()
    except Exception:  # noqa: BLE001 - encoders may raise any exception
        return False
    return True


def refuse_options(message: "dramatiq.Message[Any]", names: Iterable[str]) -> None:
    """Raise BatchRefused if a batch message has any of these options."""
    refused = sorted(name for name in names if name in message.options)
    if refused:
        raise BatchRefused(
            f"a message to batch actor {message.actor_name!r} cannot have the options {', '.join(refused)}: "
            "they apply to single messages"
        )


@dataclass
class BatchPart:
    """Consecutive entries with the same head and delivery count, merged for one call."""

    head: bytes
    delivery: int
    limits: BatchLimits
    entry_ids: list[bytes]
    chunks: list[bytes]
    traces: dict[bytes, None]
    created: int
    size: int
    room: int
    #: (entry id, deliveries) of entries taken over from a dead consumer, to be recorded before the call starts.
    handed: list[tuple[bytes, int]] = field(default_factory=list)


def merge(
    rows: "Iterable[tuple[bytes, Fields]]", limits: "Callable[[bytes], BatchLimits | None]"
) -> "tuple[list[BatchPart | Entry], list[tuple[bytes, Fields]]]":
    """Merge delivered entries in order; return parts and single entries, and rows without a head.

    `limits` returns the batch limits for a head, or None to keep its entries single.
    """
    work: list[BatchPart | Entry] = []
    invalid: list[tuple[bytes, Fields]] = []
    part: BatchPart | None = None
    for entry_id, fields in rows:
        if (
            len(fields) == 4 and fields[2] == b"i" and fields[0] == b"h"
        ):  # head and ids only: the common case
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
            invalid.append((entry_id, fields))
            continue
        part = add_entry(work, part, entry, limits)
    return work, invalid


def merge_entries(
    entries: "Sequence[tuple[Entry, bool]]", limits: "Callable[[bytes], BatchLimits | None]"
) -> "list[BatchPart | Entry]":
    """Merge refetched entries, each with a flag that says whether to record its start."""
    work: list[BatchPart | Entry] = []
    part: BatchPart | None = None
    for entry, noted in entries:
        part = add_entry(work, part, entry, limits)
        if part is not None and (noted or entry.handed > 1):
            part.handed.append((entry.id, entry.handed))
    return work


def add_entry(
    work: "list[BatchPart | Entry]",
    part: BatchPart | None,
    entry: Entry,
    limits: "Callable[[bytes], BatchLimits | None]",
) -> BatchPart | None:
    """Add an entry to the open part if it fits, else start a new one; return the part now open."""
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
        part = BatchPart(
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
