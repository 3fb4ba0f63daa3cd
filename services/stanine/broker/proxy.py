"""The message passed to the Worker, with the entry ids and the lease needed to settle it.

They are kept on the proxy, not on the consumer: after a lost connection the Worker creates a new Consumer, which
settles messages of the old one.
"""

from typing import Any

import dramatiq

from stanine.broker.entry import Entry
from stanine.broker.lease import ConsumerLease


class StreamProxy(dramatiq.MessageProxy):
    """A message in flight: one entry, or the merged entries of a batch."""

    def __init__(
        self,
        message: "dramatiq.Message[Any]",
        lease: ConsumerLease,
        entry_ids: list[bytes],
        delivery: int,
        entry: Entry | None,
    ) -> None:
        super().__init__(message)
        self.lease = lease
        self.entry_ids = entry_ids
        #: The number of this delivery, from 1.
        self.delivery = delivery
        #: The entry of an ordinary message; None for a batch.
        self.entry = entry
        #: Set in flight by `broker.enqueue(proxy, delay=…)`: the head to deliver again, and the delay in ms.
        self.deferral: tuple[bytes, int] | None = None
        #: Names of options that come from the queue's settings; they are not sent with the message.
        self.queue_defaults: tuple[str, ...] = ()
        #: Two consumers died with it: at most one such message runs at a time.
        self.poison_candidate = False
        #: (entry id, deliveries including this one) of its entries taken over from dead consumers.
        self.crashed: list[tuple[bytes, int]] = []

    @property
    def is_batch(self) -> bool:
        """Whether it is a batch of merged entries."""
        return self.entry is None

    @property
    def message(self) -> "dramatiq.Message[Any]":
        """The message itself."""
        return self._message

    def __str__(self) -> str:
        # Logged by the Worker; the ids of a batch would take kilobytes.
        if self.is_batch:
            return f"{self._message.actor_name}({len(self.entry_ids)} entries, delivery {self.delivery})"
        return str(self._message)
