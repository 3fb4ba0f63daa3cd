"""A consumer's lease on a queue: unique name, messages in flight, and whether it was lost.

Outlives the Consumer objects that the Worker creates and discards. Shared by the consumer thread (fetches), the worker
threads (settle) and the keeper (renews); `changed` guards the shared state.
"""

import os
import secrets
import socket
import threading
from collections.abc import Iterable
from typing import Protocol

from stanine.broker.queue import Queue
from stanine.broker.settings import QueueSettings
from stanine.broker.state import QueueState


def consumer_name() -> str:
    """Return a unique consumer name: host and process id for people, plus a random suffix."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(6)}"


class InFlight(Protocol):
    """A message in flight, as far as a lease must know it (proxy.py)."""

    entry_ids: list[bytes]
    poison_candidate: bool


class ConsumerLease:
    """One registered consumer of one queue."""

    def __init__(self, queue: Queue, defaults: QueueSettings, worker: object = None) -> None:
        self.queue = queue
        #: The Worker that runs the consumer; None if it is used without a Worker.
        self.worker = worker
        self.name = consumer_name()
        #: Values for settings that the queue's hash does not define.
        self.defaults = defaults
        #: Current settings; replaced by the keeper.
        self.settings = defaults
        self.state = QueueState.RUNNING
        self.changed = threading.Condition()
        self.joined = False
        #: Its lease was taken over or the queue deleted: its settlements have no effect.
        self.lost = False
        #: A read failed or entries were taken over: compare pending entries with known ones.
        self.reconcile = False
        #: Ids taken over from dead consumers and not yet started.
        self.adopted: set[bytes] = set()
        #: Monotonic seconds until which dead consumers' entries are reserved for idle threads; None if there are none.
        self.orphans_until: float | None = None
        self._in_flight: dict[int, InFlight] = {}

    @property
    def outstanding(self) -> int:
        """Number of messages in flight in the Worker."""
        return len(self._in_flight)

    @property
    def is_paused(self) -> bool:
        """Whether delivery is paused."""
        return self.state is QueueState.PAUSED

    def set_state(self, state: QueueState) -> None:
        """Set the state of the queue."""
        if state is not self.state:
            with self.changed:
                self.state = state
                self.changed.notify_all()

    def add_in_flight(self, proxy: InFlight) -> None:
        """Record a message as in flight."""
        with self.changed:
            self._in_flight[id(proxy)] = proxy

    def remove_in_flight(self, proxy: InFlight) -> None:
        """Record a message as settled."""
        with self.changed:
            self._in_flight.pop(id(proxy), None)
            self.changed.notify_all()

    def has_poison_candidate(self) -> bool:
        """Return whether a poison candidate is in flight."""
        with self.changed:
            return any(proxy.poison_candidate for proxy in self._in_flight.values())

    def in_flight_ids(self) -> set[bytes]:
        """Return the entry ids in flight."""
        with self.changed:
            return {entry_id for proxy in self._in_flight.values() for entry_id in proxy.entry_ids}

    def request_reconciliation(self) -> None:
        """Request a reconciliation of pending entries."""
        with self.changed:
            self.reconcile = True

    def begin_reconciliation(self) -> None:
        """Record that a reconciliation begins."""
        with self.changed:
            self.reconcile = False

    def mark_started(self, ids: Iterable[bytes]) -> None:
        """Record that entries taken over were started or dead-lettered."""
        with self.changed:
            self.adopted.difference_update(ids)

    def adopt(self, ids: list[bytes]) -> None:
        """Record entries as taken over."""
        with self.changed:
            self.adopted.update(ids)
            self.reconcile = True
            self.changed.notify_all()

    def set_orphans(self, until: float | None) -> None:
        """Record that dead consumers' entries wait (None: none wait).

        They are reserved for idle threads until `until` (monotonic seconds).
        """
        with self.changed:
            if until is None or self.orphans_until is None:
                self.orphans_until = until
                self.changed.notify_all()

    def mark_lost(self) -> None:
        """Mark the lease as lost; the consumer discards its messages and registers again."""
        with self.changed:
            self.lost = True
            self.changed.notify_all()
