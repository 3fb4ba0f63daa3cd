"""Request and response bodies of the queue routes."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

#: Maximum characters of a dead letter's reason or actor, and of a request's token.
MAX_TEXT = 128
#: Maximum dead letters listed by id in a request.
MAX_LETTERS = 1000

LETTER_PATTERN = "^[0-9]{1,15}-[0-9]{1,15}$"

State = Literal["Running", "Paused", "Draining"]
_Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
#: The broker reserves tokens that begin with `~` for tokens of its own, which it does not keep.
_Token = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT, pattern="^[^~]")]
_LetterId = Annotated[str, Meta(pattern=LETTER_PATTERN)]


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    """Base of all bodies: camelCase names."""


class QueueBody(_Body, frozen=True):
    """The state of a queue."""

    queue: str
    #: The actor that handles its messages.
    actor: str
    state: State
    #: Whether it is draining and has no messages left.
    drained: bool
    ready: int
    in_flight: int
    delayed: int
    #: Number of stored dead letters.
    dead: int
    #: Number of dead-lettered messages since the beginning, by reason.
    deaths: dict[str, int]
    #: Age in seconds of the oldest ready, delayed or in-flight message; null without messages.
    oldest_seconds: float | None
    #: Number of consumers with a live lease.
    consumers: int
    #: The custom resource that owns its settings and state; absent without one.
    managed_by: str | UnsetType = UNSET
    #: The settings of its consumers; `faults` instead if the settings in Redis are invalid.
    settings: dict[str, int] | UnsetType = UNSET
    faults: list[str] | UnsetType = UNSET


class QueueList(_Body, frozen=True):
    """All queues, by name."""

    items: list[QueueBody]
    next: None = None


class DeadLetterBody(_Body, frozen=True):
    """A dead letter."""

    id: str
    #: The exception's type, or DeliveryLimit, ActorNotFound, NotABatchActor, NotABatchMessage, Undecodable,
    #: Rejected.
    reason: str
    actor: str
    deliveries: int
    created_at: str
    died_at: str
    #: The records of the message: attempt ids or names of instruments.
    about: list[str]


class DeadLetterPage(_Body, frozen=True):
    """Dead letters in order of death; `next` is null at the end."""

    items: list[DeadLetterBody]
    next: str | None


class PurgeOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """The part of a queue to delete. In-flight messages are never deleted."""

    part: Literal["ready", "delayed", "dead"]
    #: Idempotency token: a repeated request with it has no effect.
    token: _Token = ""


class DeadLetterOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """A selection of dead letters: by ids, all, or all of a reason and an actor."""

    ids: Annotated[list[_LetterId], Meta(min_length=1, max_length=MAX_LETTERS)] | UnsetType = UNSET
    all: Literal[True] | UnsetType = UNSET
    reason: _Text | UnsetType = UNSET
    actor: _Text | UnsetType = UNSET
    #: Idempotency token for a selection without ids: a repeated request with it has no effect.
    token: _Token = ""


class Done(_Body, frozen=True):
    """The result of an operation on messages."""

    #: Number of messages deleted or requeued.
    count: int
    #: True: the operation with this token was done before; the count is the one of that time.
    repeated: bool
