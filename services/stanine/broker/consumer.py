"""Consumer of one queue: fetches entries, merges them and hands messages to the Worker.

Created by the Worker through `broker.consume`. `__next__` runs in the Worker's consumer thread; `ack`, `nack` and
`requeue` run in its worker threads (settling.py). The only exception is BrokerConnectionError, raised for permanent
problems; short outages are waited out here.
"""

import logging
import threading
import time
from collections.abc import Iterable
from typing import Any

import dramatiq
from dramatiq.errors import BrokerConnectionError

from stanine.broker import deliveries
from stanine.broker.batch import BatchLimits, BatchPart, merge, merge_entries
from stanine.broker.consumer_needs import BrokerOfConsumers
from stanine.broker.entry import Entry, Fields, is_tick, read_entry
from stanine.broker.fetched import FetchedWork, WorkItem
from stanine.broker.fetching import Fetching
from stanine.broker.lease import ConsumerLease
from stanine.broker.opening import InvalidEntry, actor_of, open_entry, open_part
from stanine.broker.proxy import StreamProxy
from stanine.broker.queue import Rejection
from stanine.broker.reader import QUEUE_DELETED, Reader
from stanine.broker.retries import REDIS_ERRORS, Backoff, connection_error

#: Own pending entries fetched per call during reconciliation.
PENDING_PAGE = 500
#: Seconds: maximum read time while poison candidates wait; the next one may run once the current one is settled.
POISON_WAIT = 0.01
#: Seconds: shortest blocking read.
SHORTEST_BLOCK = 0.001
#: Seconds between checks for takeover while no thread is free; settled messages of this queue wake it earlier.
TAKEOVER_CHECK = 0.5
#: Seconds that the Worker's consumer thread sleeps per cycle while it stops.
STOPPING_PAUSE = 0.05

_logger = logging.getLogger(__name__)


class StreamsConsumer(dramatiq.Consumer):
    """Delivers the messages of one queue to one Worker."""

    def __init__(
        self, broker: BrokerOfConsumers, lease: ConsumerLease, prefetch: int, timeout_ms: int
    ) -> None:
        self._broker = broker
        self._client = broker.client
        self._lease = lease
        self._queue = lease.queue
        self._timeout = timeout_ms / 1000
        self._prefetch = max(1, prefetch)
        #: Dramatiq's default prefetch is two messages per thread.
        self._threads = max(1, prefetch // 2)
        self._fetched = FetchedWork()
        self._backoff = Backoff(_logger, f"Reading queue {self._queue.name}", broker.client)
        self._stopping = threading.Event()
        reader = Reader(broker.blocking_client, self._queue.keys.ready)
        self._fetching = Fetching(
            self._queue.name, broker.client, reader, broker.actors, self._stopping
        )
        self._took_over = False
        #: Monotonic seconds until which no request is sent after a failure.
        self._resting_until = 0.0

    @property
    def worker(self) -> object:
        """The Worker that runs this consumer; None if it is used without a Worker."""
        return self._lease.worker

    def __next__(self) -> StreamProxy | None:
        """Return the next message, or None after the timeout."""
        self._broker.on_cycle(self._queue.name)
        deadline = time.monotonic() + self._timeout
        while True:
            remaining = deadline - time.monotonic()
            try:
                if self._stopping.is_set():
                    self._release_fetched()
                    time.sleep(min(max(0.0, remaining), STOPPING_PAUSE))
                    return None
                proxy = self._next_fetched()
                if proxy is not None or remaining < SHORTEST_BLOCK:
                    return proxy
                if (rest := self._resting_until - time.monotonic()) > 0:
                    self._stopping.wait(min(rest, remaining))
                elif self._lease.is_paused:
                    self._wait_while_paused(remaining)
                else:
                    self._fetch(remaining)
            except REDIS_ERRORS as error:
                self._handle_failure(error)
            except BrokerConnectionError:
                raise
            except Exception as error:
                _logger.exception("Reading queue %s failed unexpectedly", self._queue.name)
                raise connection_error(error) from error

    def ack(self, message: Any) -> None:
        """Settle a processed message.

        Acknowledge it, defer it if Retries asked for it, or split a failed batch.
        """
        self._broker.settler.settle(message, rejected=False)

    def nack(self, message: Any) -> None:
        """Reject a message: dead-letter it with the reason, or split a failed batch."""
        self._broker.settler.settle(message, rejected=True)

    def requeue(self, messages: Iterable[Any]) -> None:
        """Return unprocessed messages to the queue immediately, without counting a delivery."""
        self._broker.settler.release(messages)

    def stop_fetching(self) -> None:
        """Stop fetching; fetched messages that were not handed over return to the queue."""
        self._stopping.set()
        with self._lease.changed:
            self._lease.changed.notify_all()

    def close(self) -> None:
        """Close the connection; when stopping, also return fetched messages to the queue.

        Otherwise the next Consumer fetches them again.
        """
        self._fetching.close()
        if self._stopping.is_set():
            try:
                self._release_fetched()
            except REDIS_ERRORS as error:
                self._backoff.failed(error)
        self._discard_fetched()
        self._broker.consumer_closed(self, self._lease, stopping=self._stopping.is_set())

    # delivery

    def _next_fetched(self) -> StreamProxy | None:
        lease = self._lease
        if lease.lost:
            self._discard_fetched()
            self._lease = self._broker.rejoin(lease)
            return None
        while self._free() > 0 and not lease.is_paused:
            taken = self._fetched.take(candidates_may_run=not lease.has_poison_candidate())
            if taken is None:
                return None
            item, is_candidate = taken
            proxy = self._deliver(item, poison_candidate=is_candidate)
            if proxy is not None or lease.lost:
                return proxy
        return None

    def _wait_while_paused(self, remaining: float) -> None:
        """Return fetched entries while the queue is paused, for a purge to cover them, and wait."""
        self._release_fetched()
        lease = self._lease
        with lease.changed:
            if lease.is_paused and not lease.lost and not self._stopping.is_set():
                lease.changed.wait(remaining)

    def _deliver(self, item: WorkItem, *, poison_candidate: bool) -> StreamProxy | None:
        """Build the message and record it as in flight.

        Returns None if the entry is invalid, and then dead-letters it, or if the lease was lost.
        """
        lease = self._lease
        opened = (
            open_part(item, lease)
            if isinstance(item, BatchPart)
            else open_entry(item, lease, self._broker.actors)
        )
        if isinstance(opened, InvalidEntry):
            self._dead_letter(opened.entry.id, opened.entry.delivery, opened.reason, opened.actor)
            return None
        opened.poison_candidate = poison_candidate
        opened.crashed = deliveries.crashed_of(item)
        counted = [pair for pair in deliveries.counts_of(item) if pair[0] in lease.adopted]
        if counted:
            if not self._queue.start(self._client, lease.name, counted):
                lease.mark_lost()
                return None
            lease.mark_started(entry_id for entry_id, _ in counted)
        lease.add_in_flight(opened)
        return opened

    def _free(self) -> int:
        prefetch = self._prefetch
        if self._fetching.merges:
            prefetch = prefetch // 2 + 1  # for batches, prefetch one more than the threads
        return prefetch - self._lease.outstanding

    def _discard_fetched(self) -> None:
        self._fetched.clear()
        self._lease.request_reconciliation()

    def _release_fetched(self) -> None:
        """Return fetched entries to the queue.

        Those taken over from dead consumers become available when this consumer leaves.
        """
        earlier, stay = self._fetched.returnable(), self._fetched.has_taken_over
        if earlier and not self._lease.lost:
            self._queue.release(self._client, self._lease.name, earlier)
            self._lease.mark_started(entry_id for entry_id, _ in earlier)
        self._fetched.clear()
        if stay:
            self._lease.request_reconciliation()

    # fetching

    def _fetch(self, remaining: float) -> None:
        lease = self._lease
        if not lease.joined:
            self._broker.join_queue(lease)
            return
        if lease.orphans_until is not None and not lease.reconcile and self._take_over():
            return
        free = self._free_to_fetch()
        if free <= 0:
            with lease.changed:
                if self._free_to_fetch() <= 0 and not lease.lost and not self._stopping.is_set():
                    lease.changed.wait(
                        remaining if lease.orphans_until is None else min(remaining, TAKEOVER_CHECK)
                    )
            return
        if lease.reconcile:
            self._reconcile()
            return
        if self._fetched.has_candidates:
            remaining = min(remaining, POISON_WAIT)
        rows = self._fetching.read(lease, free, remaining, self._backoff.succeeded)
        if not rows:
            return
        work, invalid = merge(rows, self._limits)
        self._fetching.adapt(len(rows), work, lease)
        self._fetched.add(work)
        if invalid:
            self._settle_invalid(invalid)

    def _free_to_fetch(self) -> int:
        """Return how many messages may be fetched.

        Nothing is prefetched while dead consumers' entries wait: those go to idle threads first.
        """
        free = self._free()
        return (
            free
            if self._lease.orphans_until is None
            else min(free, self._threads - self._lease.outstanding)
        )

    def _take_over(self) -> bool:
        """Take over dead consumers' entries for idle threads; return whether any can run."""
        lease, until = self._lease, self._lease.orphans_until
        fetched = len(self._fetched)
        room = self._broker.idle_threads(lease, self._threads) - fetched
        if room <= 0 and until is not None and time.monotonic() >= until:
            # All Workers are busy with other queues: use this queue's share of the threads.
            room = self._threads - lease.outstanding - fetched
        if room <= 0:
            return False
        taken, more = self._queue.recover(
            self._broker.once_client, lease.name, self._fetching.room(room, lease)
        )
        if taken:
            level = (
                logging.INFO if self._took_over else logging.WARNING
            )  # log the parts of one takeover once
            _logger.log(
                level,
                "Taking over messages of dead consumers of queue %s: %d",
                self._queue.name,
                len(taken),
            )
            self._took_over = True
            lease.adopt(taken)
        if not more:
            lease.set_orphans(None)  # the next heartbeat reports whether there are others
            self._took_over = False
        return bool(taken)

    def _limits(self, head: bytes) -> BatchLimits | None:
        return self._fetching.limits(head, self._lease)

    def _settle_invalid(self, invalid: "list[tuple[bytes, Fields]]") -> None:
        """Acknowledge ticks and promote due messages; dead-letter entries of unknown form."""
        ticks = [entry_id for entry_id, fields in invalid if is_tick(fields)]
        if ticks:
            self._queue.ack(self._client, self._lease.name, ticks)
            self._broker.keeper.expect(self._queue, self._queue.promote(self._client))
        for entry_id, fields in invalid:
            if not is_tick(fields):
                self._dead_letter(entry_id, 1, "Undecodable", "")

    def _reconcile(self) -> None:
        """Fetch own pending entries that are unknown here: from lost replies and from takeovers."""
        lease = self._lease
        lease.begin_reconciliation()
        self._fetched.clear()
        handed = (
            lease.in_flight_ids()
        )  # read before the request: an entry settled during it must not count as new
        entries: list[tuple[Entry, bool]] = []
        deleted: list[bytes] = []
        after = b""
        while True:
            rows, more = self._queue.held(self._client, lease.name, after, PENDING_PAGE)
            for entry_id, times, fields in rows:
                if entry_id in handed:
                    continue
                if not fields or is_tick(fields):
                    deleted.append(entry_id)
                    continue
                entry = self._fetch_again(
                    entry_id, times, fields, adopted=entry_id in lease.adopted
                )
                if entry is not None:
                    entries.append(entry)
            if not more:
                break
            after = rows[-1][0]
        if deleted:
            self._queue.ack(self._client, lease.name, deleted)
        self._fetched.add(merge_entries(entries, self._limits))

    def _fetch_again(
        self, entry_id: bytes, times: int, fields: Fields, *, adopted: bool
    ) -> tuple[Entry, bool] | None:
        """Return a pending entry and whether to record its start; None if it was dead-lettered."""
        entry = read_entry(entry_id, fields, times + 1 if adopted else times)
        if entry is None:
            self._dead_letter(entry_id, times, "Undecodable", "")
            return None
        # For ordinary messages only crashes count here; Retries limits failures.
        deliveries = entry.delivery if entry.ids is not None else entry.handed
        if adopted and deliveries > self._lease.settings.max_deliveries:
            self._dead_letter(entry_id, entry.delivery - 1, "DeliveryLimit", actor_of(entry))
            return None
        return entry, adopted

    def _dead_letter(self, entry_id: bytes, delivery: int, reason: str, actor: str) -> None:
        lease = self._lease
        _logger.error(
            "Message %s of queue %s is dead after delivery %d: %s",
            entry_id.decode(),
            self._queue.name,
            delivery,
            reason,
        )
        rejection = Rejection(entry_id, delivery, None)
        self._queue.reject(
            self._client,
            lease.name,
            [rejection],
            reason=reason,
            actor=actor,
            settings=lease.settings,
        )
        lease.mark_started([entry_id])

    def _handle_failure(self, error: BaseException) -> None:
        lease = self._lease
        lease.request_reconciliation()
        if any(sign in str(error) for sign in QUEUE_DELETED):
            # The queue was deleted: there is nothing to settle, so register again.
            _logger.warning("Queue %s was deleted and is created again", self._queue.name)
            lease.mark_lost()
            return
        problem, pause = self._backoff.failed(error)
        if problem.permanent and lease.worker is None:
            raise connection_error(error) from error
        self._resting_until = time.monotonic() + pause
