"""Conversion of fetched entries and parts to messages. Called by the consumer. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dramatiq
from dramatiq.errors import DecodeError

from stanine.broker.batch import BatchPart
from stanine.broker.entry import TRACE_OPTION, Entry, read_head
from stanine.broker.lease import ConsumerLease
from stanine.broker.proxy import StreamProxy


@dataclass(frozen=True)
class InvalidEntry:
    """An entry that cannot be delivered: the reason, and its actor if known."""

    entry: Entry
    reason: str
    actor: str = ""


def open_part(part: BatchPart, lease: ConsumerLease) -> StreamProxy:
    """Return the message for merged entries."""
    message: dramatiq.Message[Any] = dramatiq.Message(
        queue_name=lease.queue.name,
        actor_name=read_head(part.head)[1],
        args=(),
        kwargs={part.limits.argument: b"".join(part.chunks)},
        options={"traceparents": [trace.decode("ascii", "replace") for trace in part.traces]}
        if part.traces
        else {},
        message_id=part.entry_ids[0].decode(),
        message_timestamp=part.created,
    )
    return StreamProxy(message, lease, part.entry_ids, part.delivery, None)


def open_entry(
    entry: Entry, lease: ConsumerLease, actors: "Mapping[str, dramatiq.Actor[Any, Any]]"
) -> StreamProxy | InvalidEntry:
    """Return the message for one entry, also for an unknown actor, which the Worker rejects."""
    if entry.ids is not None:
        return _without_batch_actor(entry, lease, actors)
    queue_name = lease.queue.name
    try:
        message = dramatiq.Message.decode(entry.head)
    except DecodeError:
        return InvalidEntry(entry, "Undecodable")
    if not _is_sound(message):
        return InvalidEntry(entry, "Undecodable")
    actor = actors.get(message.actor_name)
    argument = actor.options.get("batch") if actor is not None else None
    if argument is not None:
        return _batch_of_one(entry, message, argument, lease)
    if message.queue_name != queue_name:
        message = message.copy(queue_name=queue_name)  # the Worker settles by this name
    message.options.pop("eta", None)  # it is due; with an eta the Worker would hold it in memory
    if entry.trace:
        message.options[TRACE_OPTION] = entry.trace.decode("ascii", "replace")
    return StreamProxy(message, lease, [entry.id], entry.delivery, entry)


def _batch_of_one(
    entry: Entry, message: Any, argument: str, lease: ConsumerLease
) -> StreamProxy | InvalidEntry:
    """Return a message to a batch actor that was sent whole.

    Producers do so if they do not know the actor and their encoding supports bytes.
    """
    ids = message.kwargs.get(argument)
    if message.args or len(message.kwargs) != 1 or not isinstance(ids, bytes):
        return InvalidEntry(entry, "NotABatchMessage", message.actor_name)
    options = {"traceparents": [entry.trace.decode("ascii", "replace")]} if entry.trace else {}
    name = lease.queue.name
    made: dramatiq.Message[Any] = dramatiq.Message(
        name, message.actor_name, (), {argument: ids}, options, entry.id.decode(), entry.created
    )
    return StreamProxy(made, lease, [entry.id], entry.delivery, None)


def _is_sound(message: Any) -> bool:
    """Return whether the parts read before an actor runs have valid types.

    Entries are untrusted input.
    """
    named = (
        isinstance(message.queue_name, str)
        and isinstance(message.actor_name, str)
        and isinstance(message.message_id, str)
    )
    return named and isinstance(message.kwargs, dict) and isinstance(message.options, dict)


def actor_of(entry: Entry) -> str:
    """Return the actor's name in an entry, or an empty string if it cannot be read."""
    try:
        return (
            read_head(entry.head)[1]
            if entry.ids is not None
            else str(dramatiq.Message.decode(entry.head).actor_name)
        )
    except (ValueError, DecodeError):
        return ""


def _without_batch_actor(
    entry: Entry, lease: ConsumerLease, actors: "Mapping[str, dramatiq.Actor[Any, Any]]"
) -> StreamProxy | InvalidEntry:
    try:
        _, actor_name = read_head(entry.head)
    except ValueError:
        return InvalidEntry(entry, "Undecodable")
    if actor_name in actors:
        return InvalidEntry(entry, "NotABatchActor", actor_name)
    message: dramatiq.Message[Any] = dramatiq.Message(
        lease.queue.name, actor_name, (), {}, {}, entry.id.decode(), entry.created
    )
    return StreamProxy(message, lease, [entry.id], entry.delivery, None)
