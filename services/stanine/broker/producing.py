"""Conversion of messages to entries, in chunks of one call each.

Called by the broker. Pure except for tokens.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import dramatiq

from stanine.broker.batch import ids_of, refuse_options
from stanine.broker.dedupe import DEDUPE_OPTIONS, DUPLICATE, dedupe_of
from stanine.broker.enqueue_commands import Command, append_command, delay_command, unique_command
from stanine.broker.entry import TRACE_OPTION, NewEntry, head
from stanine.broker.exchange import ProducerCall
from stanine.broker.queue import Queue

#: Maximum of messages and bytes per call: some milliseconds of server time.
CHUNK_MESSAGES = 500
CHUNK_BYTES = 1024 * 1024

Message = dramatiq.Message[Any]


@dataclass
class Chunk:
    """Messages for one call: of one queue and one kind (immediate, delayed or deduplicated)."""

    queue: Queue
    entries: list[tuple[NewEntry, int | None]] = field(default_factory=list)
    messages: list[tuple[Message, int | None]] = field(default_factory=list)
    size: int = 0

    def add(self, message: Message, entry: NewEntry, delay: int | None) -> None:
        """Add one message."""
        self.entries.append((entry, delay))
        self.messages.append((message, delay))
        self.size += len(entry.head) + len(entry.ids)

    @property
    def is_full(self) -> bool:
        """Whether it should be sent."""
        return len(self.entries) >= CHUNK_MESSAGES or self.size >= CHUNK_BYTES

    @property
    def is_delayed(self) -> bool:
        """Whether its messages are due later."""
        return self.entries[0][1] is not None

    @property
    def has_keys(self) -> bool:
        """Whether its messages have deduplication keys."""
        return self.entries[0][0].dedupe is not None

    def command(self, call: ProducerCall) -> Command:
        """Return function, keys and arguments of the call.

        Repeating the same command adds nothing.
        """
        if self.has_keys:
            unique = [(secrets.token_bytes(12), delay or 0, entry) for entry, delay in self.entries]
            return unique_command(self.queue, call, unique)
        if not self.is_delayed:
            return append_command(self.queue, call, [entry for entry, _ in self.entries])
        delayed = [(secrets.token_bytes(12), delay or 0, entry) for entry, delay in self.entries]
        return delay_command(self.queue, call, delayed)


def make_entry(
    message: Message, actor: "dramatiq.Actor[Any, Any] | None", delay: int | None = None
) -> NewEntry:
    """Return the entry for a message; `actor` is given if it is declared here.

    Raises BatchRefused if a batch actor's message carries anything but its ids, and DedupeRefused for invalid
    deduplication options.
    """
    trace = message.options.get(TRACE_OPTION) or ""
    bare = without_options(
        message, (TRACE_OPTION, *DEDUPE_OPTIONS, DUPLICATE)
    )  # deduplication options are used up when the message is enqueued
    argument = actor.options.get("batch") if actor else None
    ids = ids_of(bare, argument) if argument is not None or actor is None else None
    if ids is not None:
        refuse_options(message, DEDUPE_OPTIONS)
        data, dedupe = head(message.queue_name, message.actor_name), None
    else:
        data, dedupe = bare.encode(), dedupe_of(message, actor, delay)
    return NewEntry(data, ids or b"", trace.encode() if isinstance(trace, str) else trace, dedupe)


def without_options(message: Message, names: Sequence[str], **more: Any) -> Message:
    """Return the message with options removed and added; the same object if nothing changes."""
    if not more and not any(name in message.options for name in names):
        return message
    options = {name: value for name, value in message.options.items() if name not in names} | more
    return dramatiq.Message(
        message.queue_name,
        message.actor_name,
        message.args,
        message.kwargs,
        options,
        message.message_id,
        message.message_timestamp,
    )
