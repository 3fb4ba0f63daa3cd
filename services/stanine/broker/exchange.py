"""Arguments and results of the Redis functions. Used by the queue and its callers."""

from dataclasses import dataclass

from stanine.broker.connection.functions import Argument
from stanine.broker.entry import Fields

#: Returned by a fetch in place of a time when another consumer is on watch.
BELL = -2


@dataclass(frozen=True)
class ProducerCall:
    """A producer's call (senders.py).

    `from_worker`: sent while processing a message, so a draining queue accepts it.
    """

    sender: str
    number: int
    from_worker: bool

    def arguments(self) -> list[Argument]:
        """Return the arguments that start every producer call."""
        return [int(self.from_worker), self.sender, self.number]


@dataclass(frozen=True)
class ConsumerCapacity:
    """Capacity of a consumer: actor calls, and batch entries per call."""

    calls: int
    merge: int


@dataclass(frozen=True)
class Fetched:
    """Result of a fetch. Without rows: what to wait for, and for how many ms (rate limit)."""

    rows: "list[tuple[bytes, Fields]]"
    wait_ms: int
    #: Wait for entries after this id; if empty, read one entry.
    last_id: bytes

    @property
    def waits_for_bell(self) -> bool:
        """Whether another consumer waits for work on behalf of all."""
        return self.wait_ms == BELL
