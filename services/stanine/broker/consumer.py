"""The consumer of one queue: fetches, merges and hands over. The Worker makes it through `broker.consume` and drives it.

`__next__` runs in the Worker's consumer thread; `ack`, `nack` and `requeue` run in its worker threads (settling.py). Nothing is raised
but BrokerConnectionError, and that only for what waiting cannot mend: short outages are waited for here.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import dramatiq
import redis
from dramatiq.errors import BrokerConnectionError

from stanine.broker.batch import BatchLimits, Part, limits_of, merge, merge_entries
from stanine.broker.entry import Entry, Fields, is_tick, read_entry, read_head
from stanine.broker.membership import Membership
from stanine.broker.opening import Unusable, actor_of, open_entry, open_part
from stanine.broker.patience import TROUBLE, Backoff, connection_error
from stanine.broker.proxy import StreamProxy
from stanine.broker.queue import Verdict, library
from stanine.broker.reader import Reader
from stanine.connection.library import is_function_missing

if TYPE_CHECKING:
    from stanine.broker.streams import StreamsBroker

#: Own pending entries fetched in one call when reconciling.
HELD_PAGE = 500
#: Entries read at once before the size of messages is known.
FIRST_COUNT = 64
#: Handed out so often, an entry may be what kills its consumers: it runs with no other such beside it.
SUSPECT_HANDED = 3
#: Seconds that a read waits at the most while suspects do: the next of them may go once the one before is settled.
SUSPECT_LOOK = 0.01
#: Seconds: what a read can block at least.
SHORTEST_BLOCK = 0.001
#: Seconds that the Worker's consumer thread waits between looks while it stops.
STOPPING_PAUSE = 0.05

#: What a server says when it has no such queue (any more). Redis says UNBLOCKED also to who waits while it becomes a replica.
QUEUE_DELETED = ("NOGROUP", "UNBLOCKED the stream key no longer exists")

_logger = logging.getLogger(__name__)


class StreamsConsumer(dramatiq.Consumer):
    """Delivers the messages of one queue to one Worker."""

    def __init__(self, broker: "StreamsBroker", membership: Membership, prefetch: int, timeout_ms: int) -> None:
        self._broker = broker
        self._client = broker.client
        self._membership = membership
        self._queue = membership.queue
        self._timeout = timeout_ms / 1000
        self._prefetch = max(1, prefetch)
        self._reader = Reader(broker.blocking_client, self._queue.keys.ready)
        #: Fetched and not handed over. Suspects wait until no other suspect is out.
        self._work: deque[Part | Entry] = deque()
        self._suspects: deque[Part | Entry] = deque()
        self._count = FIRST_COUNT
        self._reading = Backoff(_logger, f"Reading queue {self._queue.name}", broker.client)
        self._stopping = threading.Event()

    def __next__(self) -> StreamProxy | None:
        """Return the next message, or None when there was none in time."""
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
                if self._membership.is_paused:
                    self._stand_still(remaining)
                else:
                    self._fetch(remaining)
                self._reading.succeeded()
            except TROUBLE as error:
                self._after_trouble(error, remaining)
            except BrokerConnectionError:
                raise
            except Exception as error:
                _logger.exception("Reading queue %s failed unexpectedly", self._queue.name)
                raise connection_error(error) from error

    def ack(self, message: Any) -> None:
        """Settle a message whose processing ended: acknowledge it, or defer it if Retries asked for that, or split a failed batch."""
        self._broker.settler.settle(message, rejected=False)

    def nack(self, message: Any) -> None:
        """Give a message up: it becomes a dead letter with the reason. A failed batch is split instead."""
        self._broker.settler.settle(message, rejected=True)

    def requeue(self, messages: Iterable[Any]) -> None:
        """Put messages that were not processed back into the queue, at once and uncounted."""
        self._broker.settler.release(messages)

    def stop_fetching(self) -> None:
        """Fetch nothing more; what is fetched and not handed over goes back to the queue."""
        self._stopping.set()
        with self._membership.changed:
            self._membership.changed.notify_all()

    def close(self) -> None:
        """Give back the connection and, when stopping, what was fetched; otherwise the next Consumer fetches it again."""
        self._reader.close()
        if self._stopping.is_set():
            try:
                self._release_fetched()
            except TROUBLE as error:
                self._reading.failed(error)
        self._forget_fetched()
        self._broker.consumer_closed(self, self._membership, stopping=self._stopping.is_set())

    # ---------------------------------------------------------------------------------------------------------------- handing over

    def _next_fetched(self) -> StreamProxy | None:
        membership = self._membership
        if membership.lost:
            self._forget_fetched()
            self._membership = self._broker.rejoin(membership)
            return None
        while self._free() > 0 and not membership.is_paused:
            if self._suspects and not membership.has_suspect():
                proxy = self._hand_over(self._suspects.popleft(), suspect=True)
            elif self._work:
                item = self._work.popleft()
                if _handed(item) >= SUSPECT_HANDED:
                    self._suspects.append(item)
                    continue
                proxy = self._hand_over(item, suspect=False)
            else:
                return None
            if proxy is not None or membership.lost:
                return proxy
        return None

    def _stand_still(self, remaining: float) -> None:
        """While the queue is paused: give back what is fetched, so that it can be purged, and wait for a change."""
        self._release_fetched()
        membership = self._membership
        with membership.changed:
            if membership.is_paused and not membership.lost and not self._stopping.is_set():
                membership.changed.wait(remaining)

    def _hand_over(self, item: "Part | Entry", *, suspect: bool) -> StreamProxy | None:
        """Make the message and note that the Worker has it; None if it was none and is buried, or this consumer is fenced."""
        membership = self._membership
        opened = open_part(item, membership) if isinstance(item, Part) else open_entry(item, membership, self._broker.actors)
        if isinstance(opened, Unusable):
            self._bury(opened.entry.id, opened.entry.delivery, opened.reason, opened.actor)
            return None
        opened.suspect = suspect
        opened.crashed = _crashed(item)
        counted = [pair for pair in _counts(item) if pair[0] in membership.adopted]
        if counted:
            if not self._queue.start(self._client, membership.name, counted):
                membership.lose()
                return None
            membership.started(entry_id for entry_id, _ in counted)
        membership.hand(opened)
        return opened

    def _free(self) -> int:
        prefetch = self._prefetch
        if self._takes_batches():
            prefetch = prefetch // 2 + 1  # the stock prefetch is two messages a thread; of batches, one ahead of the threads is enough
        return prefetch - self._membership.outstanding

    def _takes_batches(self) -> bool:
        return self._broker.has_batch_actor(self._queue.name)

    def _forget_fetched(self) -> None:
        self._work.clear()
        self._suspects.clear()
        self._membership.ask_again()

    def _release_fetched(self) -> None:
        """Put back what was fetched. What dead consumers held stays pending, for its count is kept there: free when this one leaves."""
        fetched = [*self._work, *self._suspects]
        earlier = [(entry_id, item.delivery - 1) for item in fetched if not _crashed(item) for entry_id in _ids(item)]
        if earlier and not self._membership.lost:
            self._queue.release(self._client, self._membership.name, earlier)
            self._membership.started(entry_id for entry_id, _ in earlier)
        self._work.clear()
        self._suspects.clear()
        if any(_crashed(item) for item in fetched):
            self._membership.ask_again()

    # -------------------------------------------------------------------------------------------------------------------- fetching

    def _fetch(self, remaining: float) -> None:
        membership = self._membership
        if not membership.joined:
            self._broker.join_queue(membership)
            return
        free = self._free()
        if free <= 0:
            with membership.changed:
                if self._free() <= 0 and not membership.lost and not self._stopping.is_set():
                    membership.changed.wait(remaining)
            return
        if membership.reconcile:
            self._reconcile()
            return
        if self._suspects:
            remaining = min(remaining, SUSPECT_LOOK)
        count = self._count if self._takes_batches() else free
        if membership.settings.rate_messages is not None:
            rows = self._fetch_within_rate(count, remaining)
        else:
            rows = self._reader.read(membership.name, count, int(remaining * 1000))
        if not rows:
            return
        work, headless = merge(rows, self._limits)
        self._adapt_count(len(rows), work)
        self._work.extend(work)
        if headless:
            self._settle_headless(headless)

    def _fetch_within_rate(self, count: int, remaining: float) -> "list[tuple[bytes, Fields]]":
        """Read as much as the queue's rate allows, or wait: for the rate if there is work, for work if there is none."""
        command = self._queue.fetch_command(self._membership.name, count)
        try:
            wait_ms, last_id, rows = self._reader.fetch(command)
        except redis.ResponseError as error:
            if not is_function_missing(error):
                raise
            library().load(self._client)
            return []
        if wait_ms >= 0:
            self._stopping.wait(min(wait_ms / 1000, remaining))
        elif not rows:
            self._reader.wait_for_more(last_id, int(remaining * 1000))
        return rows

    def _adapt_count(self, read: int, work: "list[Part | Entry]") -> None:
        """Read about one batch at a time, however many ids the messages carry: more would only keep them from other consumers."""
        if read >= self._count and len(work) == 1:
            self._count = min(self._count * 2, self._largest_batch())
        elif len(work) > 1 and isinstance(work[0], Part):
            self._count = len(work[0].entry_ids)

    def _largest_batch(self) -> int:
        settings = self._membership.settings
        bounds = [limits_of(actor, settings) for actor in list(self._broker.actors.values()) if actor.queue_name == self._queue.name]
        return max((bound.max_messages for bound in bounds if bound), default=1)

    def _limits(self, head: bytes) -> BatchLimits | None:
        try:
            _, actor_name = read_head(head)
        except ValueError:
            return None
        actor = self._broker.actors.get(actor_name)
        return limits_of(actor, self._membership.settings) if actor else None

    def _settle_headless(self, headless: "list[tuple[bytes, Fields]]") -> None:
        """Acknowledge ticks and look what is due; bury what is nothing of ours."""
        ticks = [entry_id for entry_id, fields in headless if is_tick(fields)]
        if ticks:
            self._queue.ack(self._client, self._membership.name, ticks)
            self._broker.keeper.expect(self._queue, self._queue.promote(self._client))
        for entry_id, fields in headless:
            if not is_tick(fields):
                self._bury(entry_id, 1, "Undecodable", "")

    def _reconcile(self) -> None:
        """Fetch own pending entries that neither the Worker nor this consumer has: replies that were lost, and what was taken over."""
        membership = self._membership
        membership.asked()
        self._work.clear()
        self._suspects.clear()
        handed = membership.handed_ids()  # before asking: what is settled meanwhile must not look as if it were new
        entries: list[tuple[Entry, bool]] = []
        gone: list[bytes] = []
        after = b""
        while True:
            rows = self._queue.held(self._client, membership.name, after, HELD_PAGE)
            for entry_id, times, fields in rows:
                if entry_id in handed:
                    continue
                if not fields or is_tick(fields):
                    gone.append(entry_id)
                    continue
                entry = self._fetch_again(entry_id, times, fields, adopted=entry_id in membership.adopted)
                if entry is not None:
                    entries.append(entry)
            if len(rows) < HELD_PAGE:
                break
            after = rows[-1][0]
        if gone:
            self._queue.ack(self._client, membership.name, gone)
        self._work.extend(merge_entries(entries, self._limits))

    def _fetch_again(self, entry_id: bytes, times: int, fields: Fields, *, adopted: bool) -> tuple[Entry, bool] | None:
        """Return a pending entry and whether its start must be noted; None if it is buried."""
        entry = read_entry(entry_id, fields, times + 1 if adopted else times)
        if entry is None:
            self._bury(entry_id, times, "Undecodable", "")
            return None
        # Of ordinary messages only what crashed counts: how often they may fail is for Retries to say.
        deliveries = entry.delivery if entry.ids is not None else entry.handed
        if adopted and deliveries > self._membership.settings.max_deliveries:
            self._bury(entry_id, entry.delivery - 1, "DeliveryLimit", actor_of(entry))
            return None
        return entry, adopted

    def _bury(self, entry_id: bytes, delivery: int, reason: str, actor: str) -> None:
        membership = self._membership
        _logger.error("Message %s of queue %s is dead after delivery %d: %s", entry_id.decode(), self._queue.name, delivery, reason)
        verdict = Verdict(entry_id, delivery, None)
        self._queue.reject(self._client, membership.name, [verdict], reason=reason, actor=actor, settings=membership.settings)
        membership.started([entry_id])

    def _after_trouble(self, error: BaseException, remaining: float) -> None:
        membership = self._membership
        membership.ask_again()
        if any(sign in str(error) for sign in QUEUE_DELETED):
            # The queue was deleted under us: nothing of it is left to settle, so begin anew.
            _logger.warning("Queue %s was deleted: it is made again", self._queue.name)
            membership.lose()
            return
        problem, pause = self._reading.failed(error)
        if problem.permanent:
            raise connection_error(error) from error
        self._stopping.wait(max(0.0, min(pause, remaining)))


def _ids(item: "Part | Entry") -> list[bytes]:
    return item.entry_ids if isinstance(item, Part) else [item.id]


def _counts(item: "Part | Entry") -> list[tuple[bytes, int]]:
    return item.handed if isinstance(item, Part) else [(item.id, item.handed)]


def _crashed(item: "Part | Entry") -> list[tuple[bytes, int]]:
    """Return what dead consumers held, each with how often it was handed out, this time included."""
    return [pair for pair in _counts(item) if pair[1] > 1]


def _handed(item: "Part | Entry") -> int:
    return max((times for _, times in _counts(item)), default=1)
