"""The message as the Worker sees it, with what is needed to settle it: its entries' ids and the membership that holds them.

They lie on the proxy, not on the consumer: after a lost connection the Worker makes a new Consumer, which settles for the old one.
"""

from typing import TYPE_CHECKING, Any

import dramatiq

if TYPE_CHECKING:
    from stanine.broker.entry import Entry
    from stanine.broker.membership import ConsumerLease


class StreamProxy(dramatiq.MessageProxy):
    """A message in flight: one entry, or the merged entries of a batch."""

    def __init__(
        self,
        message: "dramatiq.Message[Any]",
        membership: "ConsumerLease",
        entry_ids: list[bytes],
        delivery: int,
        entry: "Entry | None",
    ) -> None:
        super().__init__(message)
        self.membership = membership
        self.entry_ids = entry_ids
        #: Which delivery this is, from 1.
        self.delivery = delivery
        #: The entry of an ordinary message; None for a batch.
        self.entry = entry
        #: Set while in flight by `broker.enqueue(proxy, delay=…)`: the head to deliver again, and after how many ms.
        self.deferral: tuple[bytes, int] | None = None
        #: Names of options that are the queue's and not the message's: they do not travel with it.
        self.lent: tuple[str, ...] = ()
        #: Held by two consumers that died: it runs without another such beside it.
        self.suspect = False
        #: Of its entries those that dead consumers held, each with how often it was handed out, this time included.
        self.crashed: list[tuple[bytes, int]] = []

    @property
    def is_batch(self) -> bool:
        """Whether entries were merged for a batch actor."""
        return self.entry is None

    @property
    def message(self) -> "dramatiq.Message[Any]":
        """The message itself."""
        return self._message

    def __str__(self) -> str:
        # The Worker logs this; the ids of a batch would be kilobytes.
        if self.is_batch:
            return f"{self._message.actor_name}({len(self.entry_ids)} entries, delivery {self.delivery})"
        return str(self._message)
