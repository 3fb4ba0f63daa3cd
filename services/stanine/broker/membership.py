"""A consumer's membership of a queue's group: its unique name, what it was handed, and whether its lease was taken over.

Outlives the Consumer objects that the Worker makes and drops around it. Shared by the consumer thread (fetches), the worker threads
(settle) and the keeper (renews); `changed` guards what they share.
"""

import os
import secrets
import socket
import threading
from collections.abc import Iterable

from stanine.broker.proxy import StreamProxy
from stanine.broker.queue import Queue
from stanine.broker.settings import QueueSettings
from stanine.broker.state import QueueState


def consumer_name() -> str:
    """Return a name that no other consumer ever has: host and process for people, random for the rest."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(6)}"


class ConsumerLease:
    """One registered consumer of one queue."""

    def __init__(self, queue: Queue, defaults: QueueSettings, worker: object = None) -> None:
        self.queue = queue
        #: The Worker that it consumes for; None: somebody's own consumer.
        self.worker = worker
        self.name = consumer_name()
        #: What holds where the queue's settings hash says nothing.
        self.defaults = defaults
        #: What holds now; the keeper replaces it.
        self.settings = defaults
        self.state = QueueState.RUNNING
        self.changed = threading.Condition()
        self.joined = False
        #: Its lease was taken over (or the queue deleted): nothing it does counts any more.
        self.lost = False
        #: A read failed or entries were taken over: compare what is pending with what is held.
        self.reconcile = False
        #: Ids taken over from dead consumers and not yet started.
        self.adopted: set[bytes] = set()
        #: Dead consumers' entries wait for whoever has idle threads; from this moment on (monotonic seconds) also for who has not.
        #: None: there are none.
        self.orphans_until: float | None = None
        self._handed: dict[int, StreamProxy] = {}

    @property
    def outstanding(self) -> int:
        """How many messages the Worker has and has not settled."""
        return len(self._handed)

    @property
    def is_paused(self) -> bool:
        """Whether nothing may be handed out."""
        return self.state is QueueState.PAUSED

    def follow(self, state: QueueState) -> None:
        """Note what the queue is told to do."""
        if state is not self.state:
            with self.changed:
                self.state = state
                self.changed.notify_all()

    def hand(self, proxy: StreamProxy) -> None:
        """Note that the Worker has it now."""
        with self.changed:
            self._handed[id(proxy)] = proxy

    def take_back(self, proxy: StreamProxy) -> None:
        """Note that the Worker is done with it."""
        with self.changed:
            self._handed.pop(id(proxy), None)
            self.changed.notify_all()

    def has_suspect(self) -> bool:
        """Tell whether the Worker has a message that may be killing its processes."""
        with self.changed:
            return any(proxy.suspect for proxy in self._handed.values())

    def handed_ids(self) -> set[bytes]:
        """Return the entries that the Worker has."""
        with self.changed:
            return {entry_id for proxy in self._handed.values() for entry_id in proxy.entry_ids}

    def ask_again(self) -> None:
        """Note that what is pending may differ from what is held."""
        with self.changed:
            self.reconcile = True

    def asked(self) -> None:
        """Note that the two are about to be compared."""
        with self.changed:
            self.reconcile = False

    def started(self, ids: Iterable[bytes]) -> None:
        """Note that entries taken over were started (or given up)."""
        with self.changed:
            self.adopted.difference_update(ids)

    def adopt(self, ids: list[bytes]) -> None:
        """Note entries that were taken over."""
        with self.changed:
            self.adopted.update(ids)
            self.reconcile = True
            self.changed.notify_all()

    def note_orphans(self, until: float | None) -> None:
        """Note that dead consumers' entries wait, until a moment (monotonic seconds) for idle threads only, or that none do."""
        with self.changed:
            if until is None or self.orphans_until is None:
                self.orphans_until = until
                self.changed.notify_all()

    def lose(self) -> None:
        """Note that somebody took over: what is held is dropped, and the consumer registers anew."""
        with self.changed:
            self.lost = True
            self.changed.notify_all()
