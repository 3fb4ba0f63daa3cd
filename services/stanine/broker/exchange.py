"""What producers and consumers tell the functions in Redis, and what a fetch tells them. Used by the queue and its callers."""

from dataclasses import dataclass

from stanine.broker.connection.functions import Argument
from stanine.broker.entry import Fields

#: What a fetch answers in place of a time when another consumer keeps the watch.
BELL = -2


@dataclass(frozen=True)
class Call:
    """A producer's call (senders.py). `begotten`: by a message in flight, so that a draining queue takes it too."""

    sender: str
    number: int
    begotten: bool

    def arguments(self) -> list[Argument]:
        """Return the arguments that every call of a producer begins with."""
        return [int(self.begotten), self.sender, self.number]


@dataclass(frozen=True)
class Room:
    """What a consumer can take: how many calls of actors, and how many entries of a batch go into one."""

    calls: int
    merge: int


@dataclass(frozen=True)
class Fetched:
    """What a fetch came to. Without rows: what to wait for, and how many ms (the rate)."""

    rows: "list[tuple[bytes, Fields]]"
    wait_ms: int
    #: Wait for what comes after this id; empty: read one entry.
    last_id: bytes

    @property
    def waits_for_bell(self) -> bool:
        """Whether another consumer waits for work on behalf of all."""
        return self.wait_ms == BELL
