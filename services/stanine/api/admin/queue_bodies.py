"""The bodies of what operates queues: asked for and answered. Used by the routes of queues."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

#: Letters of a dead letter's reason or actor, and of a request's token.
MAX_TEXT = 128
#: Dead letters named one by one in a request.
MAX_LETTERS = 1000

LETTER_PATTERN = "^[0-9]{1,15}-[0-9]{1,15}$"

State = Literal["Running", "Paused", "Draining"]
_Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
#: `~` begins the tokens that the broker makes and forgets.
_Token = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT, pattern="^[^~]")]
_LetterId = Annotated[str, Meta(pattern=LETTER_PATTERN)]


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    """What all bodies share: camelCase names."""


class QueueBody(_Body, frozen=True):
    """A queue at one moment."""

    queue: str
    #: The actor that its messages go to.
    actor: str
    state: State
    #: Whether it is draining and has nothing left to work.
    drained: bool
    ready: int
    in_flight: int
    delayed: int
    #: Dead letters that are kept.
    dead: int
    #: Messages ever given up, by reason.
    deaths: dict[str, int]
    #: Seconds since the oldest of ready, in flight and delayed was created; null when there is none.
    oldest_seconds: float | None
    #: Consumers with a live lease.
    consumers: int
    #: The custom resource that alone changes settings and state, if there is one.
    managed_by: str | UnsetType = UNSET
    #: What its consumers go by; `faults` instead if the settings in Redis cannot be used.
    settings: dict[str, int] | UnsetType = UNSET
    faults: list[str] | UnsetType = UNSET


class QueueList(_Body, frozen=True):
    """All queues, by name."""

    items: list[QueueBody]
    next: None = None


class DeadLetterBody(_Body, frozen=True):
    """A message that was given up."""

    id: str
    #: The exception's type, or DeliveryLimit, ActorNotFound, NotABatchActor, NotABatchMessage, Undecodable, Rejected.
    reason: str
    actor: str
    deliveries: int
    created_at: str
    died_at: str
    #: What it was about: attempt ids or names of instruments.
    about: list[str]


class DeadLetterPage(_Body, frozen=True):
    """Dead letters in order of death; `next` is null at the end."""

    items: list[DeadLetterBody]
    next: str | None


class PurgeOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """Which part of a queue to delete; what is in flight is never touched."""

    part: Literal["ready", "delayed", "dead"]
    #: Makes the order one that acts once, however often it is sent.
    token: _Token = ""


class DeadLetterOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """Which dead letters: those with these ids, or all, or all of a reason and an actor."""

    ids: Annotated[list[_LetterId], Meta(min_length=1, max_length=MAX_LETTERS)] | UnsetType = UNSET
    all: Literal[True] | UnsetType = UNSET
    reason: _Text | UnsetType = UNSET
    actor: _Text | UnsetType = UNSET
    #: Makes an order without ids one that acts once, however often it is sent.
    token: _Token = ""


class Done(_Body, frozen=True):
    """What an order came to."""

    #: Messages deleted or put back.
    count: int
    #: Whether an order with this token had been carried out before; the count is then what it came to.
    repeated: bool
