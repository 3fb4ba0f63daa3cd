"""The consumer of one queue: fetches, merges, hands over and settles. The Worker makes it through `broker.consume` and drives it.

`__next__` runs in the Worker's consumer thread; `ack`, `nack` and `requeue` run in its worker threads. Nothing is raised but
BrokerConnectionError, and that only for what waiting cannot mend: short outages are waited for here.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import dramatiq
from dramatiq.errors import ActorNotFound, BrokerConnectionError, DecodeError, Retry
from dramatiq.middleware import SkipMessage
from dramatiq.middleware.shutdown import Shutdown

from stanine.broker.batch import BatchLimits, Part, limits_of, merge, merge_entries
from stanine.broker.entry import TRACE_OPTION, Entry, is_tick, read_entry, read_head
from stanine.broker.failure import split
from stanine.broker.membership import Membership
from stanine.broker.patience import TROUBLE, Backoff, connection_error, patiently
from stanine.broker.proxy import StreamProxy
from stanine.broker.queue import FENCED, Verdict
from stanine.broker.reader import Reader

if TYPE_CHECKING:
    from stanine.broker.streams import StreamsBroker

#: Own pending entries fetched in one call when reconciling.
HELD_PAGE = 500
#: Entries read at once before the size of messages is known.
FIRST_COUNT = 64
#: Handed out so often, an entry may be what kills its consumers: it runs with no other such beside it.
SUSPECT_HANDED = 3
#: Seconds: what a read can block at least.
SHORTEST_BLOCK = 0.001
#: Seconds between looks while stopping or out of room.
STOPPING_PAUSE = 0.05

_logger = logging.getLogger(__name__)


class StreamsConsumer(dramatiq.Consumer):
    """Delivers the messages of one queue to one Worker."""

    def __init__(self, broker: "StreamsBroker", membership: Membership, prefetch: int, timeout_ms: int) -> None:
        self._broker = broker
        self._membership = membership
        self._queue = membership.queue
        self._timeout = timeout_ms / 1000
        self._prefetch = max(1, prefetch)
        self._reader = Reader(broker.blocking_client, self._queue.keys.ready)
        self._work: deque[Part | Entry] = deque()
        self._suspects: deque[Part | Entry] = deque()
        self._count = FIRST_COUNT
        self._reading = Backoff(_logger, f"Reading queue {self._queue.name}", broker.client)
        self._stopping = threading.Event()
        with membership.changed:
            membership.reconcile = membership.joined  # whatever an earlier Consumer had fetched and not handed over

    # ------------------------------------------------------------------------------------------------------------------ delivering

    def __next__(self) -> StreamProxy | None:
        """Return the next message, or None when there was none in time."""
        deadline = time.monotonic() + self._timeout
        while True:
            remaining = deadline - time.monotonic()
            try:
                if self._stopping.is_set():
                    self._release_fetched()
                    time.sleep(min(max(0.0, remaining), STOPPING_PAUSE))
                    return None
                proxy = self._next_fetched()
                if proxy is not None:
                    return proxy
                if remaining < SHORTEST_BLOCK:
                    return None
                self._fetch(remaining)
                self._reading.succeeded()
            except TROUBLE as error:
                self._after_trouble(error, remaining)
            except BrokerConnectionError:
                raise
            except Exception as error:
                _logger.exception("Reading queue %s failed unexpectedly", self._queue.name)
                raise connection_error(error) from error

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
        self._work.clear()
        self._suspects.clear()
        with self._membership.changed:
            self._membership.reconcile = True
        self._broker.consumer_closed(self, self._membership, stopping=self._stopping.is_set())

    def _next_fetched(self) -> StreamProxy | None:
        membership = self._membership
        if membership.lost:
            self._work.clear()
            self._suspects.clear()
            self._membership = self._broker.rejoin(self, membership)
            return None
        if self._free() <= 0:
            return None
        if self._suspects and not membership.has_suspect():
            return self._hand_over(self._suspects.popleft(), suspect=True)
        while self._work:
            item = self._work.popleft()
            if self._handed(item) >= SUSPECT_HANDED:
                self._suspects.append(item)
                if not membership.has_suspect():
                    return self._hand_over(self._suspects.popleft(), suspect=True)
                continue
            proxy = self._hand_over(item, suspect=False)
            if proxy is not None:
                return proxy
        return None

    def _free(self) -> int:
        prefetch = self._prefetch
        if self._takes_batches():
            prefetch = prefetch // 2 + 1  # stock prefetch is two messages a thread; of batches one ahead of the threads is enough
        return prefetch - self._membership.outstanding

    def _takes_batches(self) -> bool:
        return self._broker.has_batch_actor(self._queue.name)

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
        count = self._count if self._takes_batches() else free
        rows = self._reader.read(membership.name, count, int(remaining * 1000))
        if not rows:
            return
        work, headless = merge(rows, self._limits)
        if headless:
            self._settle_headless(rows, set(headless))
        self._adapt_count(len(rows), work)
        self._work.extend(work)

    def _adapt_count(self, read: int, work: "list[Part | Entry]") -> None:
        """Read about one batch at a time, however many ids the messages carry: more would only keep them from other consumers."""
        if read >= self._count and len(work) == 1:
            self._count = min(self._count * 2, self._largest_batch())
        elif len(work) > 1 and isinstance(work[0], Part):
            self._count = max(1, len(work[0].entry_ids))

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

    def _settle_headless(self, rows: "list[tuple[bytes, list[bytes]]]", headless: set[bytes]) -> None:
        """Acknowledge ticks and look what is due; bury what is nothing of ours."""
        ticks = [entry_id for entry_id, fields in rows if entry_id in headless and is_tick(fields)]
        if ticks:
            self._queue.ack(self._broker.client, self._membership.name, ticks)
            self._broker.keeper.expect(self._queue, self._queue.promote(self._broker.client))
        for entry_id in headless.difference(ticks):
            self._bury(entry_id, 1, "Undecodable", "")

    def _reconcile(self) -> None:
        """Fetch own pending entries that neither the Worker nor this consumer has: replies that were lost, and what was taken over."""
        membership = self._membership
        with membership.changed:
            membership.reconcile = False
        self._work.clear()
        self._suspects.clear()
        handed = membership.handed_ids()  # before asking: what is settled meanwhile must not look as if it were new
        entries: list[tuple[Entry, bool]] = []
        gone: list[bytes] = []
        after = b""
        while True:
            rows = self._queue.held(self._broker.client, membership.name, after, HELD_PAGE)
            for entry_id, times, fields in rows:
                if entry_id in handed:
                    continue
                adopted = entry_id in membership.adopted
                entry = read_entry(entry_id, fields, times + 1 if adopted else times)
                if entry is not None and not self._is_exhausted(entry, adopted=adopted):
                    entries.append((entry, adopted))
                elif entry is not None:
                    self._bury(entry_id, entry.delivery - 1, "DeliveryLimit", self._actor_of(entry))
                elif fields and not is_tick(fields):
                    self._bury(entry_id, times, "Undecodable", "")
                else:
                    gone.append(entry_id)
            if len(rows) < HELD_PAGE:
                break
            after = rows[-1][0]
        if gone:
            self._queue.ack(self._broker.client, membership.name, gone)
        self._work.extend(merge_entries(entries, self._limits))

    def _is_exhausted(self, entry: Entry, *, adopted: bool) -> bool:
        # Of ordinary messages only what crashed counts: how often they may fail is for Retries to say.
        deliveries = entry.delivery if entry.ids is not None else entry.handed
        return adopted and deliveries > self._membership.settings.max_deliveries

    def _actor_of(self, entry: Entry) -> str:
        try:
            return read_head(entry.head)[1] if entry.ids is not None else dramatiq.Message.decode(entry.head).actor_name
        except (ValueError, DecodeError):
            return ""

    def _handed(self, item: "Part | Entry") -> int:
        if isinstance(item, Part):
            return max((times for _, times in item.handed), default=1)
        return item.handed

    def _hand_over(self, item: "Part | Entry", *, suspect: bool) -> StreamProxy | None:
        """Make the message and note that the Worker has it; None if it could not be one and was buried, or this consumer is fenced."""
        membership = self._membership
        proxy = self._batch_proxy(item) if isinstance(item, Part) else self._single_proxy(item)
        if proxy is None:
            return None
        proxy.suspect = suspect
        counted = item.handed if isinstance(item, Part) else [(item.id, item.handed)]
        counted = [pair for pair in counted if pair[0] in membership.adopted]
        if counted:
            if not self._queue.start(self._broker.client, membership.name, counted):
                membership.lose()
                return None
            with membership.changed:
                membership.adopted.difference_update(entry_id for entry_id, _ in counted)
        membership.hand(proxy)
        return proxy

    def _batch_proxy(self, part: Part) -> StreamProxy:
        _, actor_name = read_head(part.head)
        message: dramatiq.Message[Any] = dramatiq.Message(
            queue_name=self._queue.name,
            actor_name=actor_name,
            args=(),
            kwargs={part.limits.argument: b"".join(part.chunks)},
            options={"traceparents": [trace.decode("ascii", "replace") for trace in part.traces]} if part.traces else {},
            message_id=part.entry_ids[0].decode(),
            message_timestamp=part.created,
        )
        return StreamProxy(message, self._membership, part.entry_ids, part.delivery, None)

    def _single_proxy(self, entry: Entry) -> StreamProxy | None:
        if entry.ids is not None:
            return self._without_batch_actor(entry)
        try:
            message = dramatiq.Message.decode(entry.head)
        except DecodeError:
            self._bury(entry.id, entry.delivery, "Undecodable", "")
            return None
        actor = self._broker.actors.get(message.actor_name)
        if actor is not None and actor.options.get("batch") is not None:
            self._bury(entry.id, entry.delivery, "NotABatchMessage", message.actor_name)
            return None
        if message.queue_name != self._queue.name:
            message = message.copy(queue_name=self._queue.name)
        message.options.pop("eta", None)
        if entry.trace:
            message.options[TRACE_OPTION] = entry.trace.decode("ascii", "replace")
        return StreamProxy(message, self._membership, [entry.id], entry.delivery, entry)

    def _without_batch_actor(self, entry: Entry) -> StreamProxy | None:
        """Handle a batch message whose actor is unknown (the Worker rejects it) or takes no batches."""
        try:
            _, actor_name = read_head(entry.head)
        except ValueError:
            self._bury(entry.id, entry.delivery, "Undecodable", "")
            return None
        if actor_name in self._broker.actors:
            self._bury(entry.id, entry.delivery, "NotABatchActor", actor_name)
            return None
        message: dramatiq.Message[Any] = dramatiq.Message(self._queue.name, actor_name, (), {}, {}, entry.id.decode(), entry.created)
        return StreamProxy(message, self._membership, [entry.id], entry.delivery, None)

    def _bury(self, entry_id: bytes, delivery: int, reason: str, actor: str) -> None:
        membership = self._membership
        _logger.error("Message %s of queue %s is dead after delivery %d: %s", entry_id.decode(), self._queue.name, delivery, reason)
        verdict = Verdict(entry_id, delivery, None)
        self._queue.reject(self._broker.client, membership.name, [verdict], reason=reason, actor=actor, settings=membership.settings)
        with membership.changed:
            membership.adopted.discard(entry_id)

    def _after_trouble(self, error: BaseException, remaining: float) -> None:
        membership = self._membership
        with membership.changed:
            membership.reconcile = True
        if "NOGROUP" in str(error) or "UNBLOCKED" in str(error):
            # The queue was deleted under us: nothing of it is left to settle, so begin anew.
            _logger.warning("Queue %s was deleted: it is made again", self._queue.name)
            membership.lose()
            return
        problem, pause = self._reading.failed(error)
        if problem.permanent:
            raise connection_error(error) from error
        self._stopping.wait(max(0.0, min(pause, remaining)))

    # -------------------------------------------------------------------------------------------------------------------- settling

    def ack(self, message: Any) -> None:
        """Settle a message whose processing ended: acknowledge it, or defer it if Retries asked for that, or split a failed batch."""
        self._settle(message, rejected=False)

    def nack(self, message: Any) -> None:
        """Give a message up: it becomes a dead letter with the reason. A failed batch is split instead."""
        self._settle(message, rejected=True)

    def requeue(self, messages: Iterable[Any]) -> None:
        """Put messages that were not processed back into the queue, at once and uncounted."""
        by_membership: dict[Membership, list[StreamProxy]] = {}
        for proxy in messages:
            by_membership.setdefault(proxy.membership, []).append(proxy)
        for membership, proxies in by_membership.items():
            earlier = [(entry_id, proxy.delivery - 1) for proxy in proxies for entry_id in proxy.entry_ids]
            self._patiently(lambda membership=membership, earlier=earlier: self._release(membership, earlier))
            for proxy in proxies:
                membership.take_back(proxy)

    def _settle(self, proxy: StreamProxy, *, rejected: bool) -> None:
        membership = proxy.membership
        if not membership.lost:
            settled = self._patiently(lambda: self._settle_once(proxy, rejected=rejected))
            if settled == FENCED:
                membership.lose()
        membership.take_back(proxy)

    def _settle_once(self, proxy: StreamProxy, *, rejected: bool) -> int:
        membership, client, queue = proxy.membership, self._broker.client, proxy.membership.queue
        error = proxy._exception  # noqa: SLF001 - Dramatiq keeps it there for brokers
        reason = type(error).__name__ if error is not None else "Rejected"
        if proxy.is_batch and error is not None and not isinstance(error, SkipMessage | ActorNotFound):
            if isinstance(error, Shutdown):
                return self._release(membership, [(entry_id, proxy.delivery - 1) for entry_id in proxy.entry_ids])
            delay = error.delay if isinstance(error, Retry) else None
            verdicts = split(proxy.entry_ids, proxy.delivery, membership.settings, random.uniform, delay)
        elif rejected:
            verdicts = [Verdict(entry_id, proxy.delivery, None) for entry_id in proxy.entry_ids]
        elif proxy.deferral is not None and proxy.entry is not None:
            data, delay_ms = proxy.deferral
            settled, wait = queue.retry(client, membership.name, proxy.entry, data, delay_ms)
            self._broker.keeper.expect(queue, wait)
            return settled
        else:
            return queue.ack(client, membership.name, proxy.entry_ids)
        settled, wait = queue.reject(client, membership.name, verdicts, reason=reason, actor=proxy.actor_name, settings=membership.settings)
        self._broker.keeper.expect(queue, wait)
        return settled

    def _release_fetched(self) -> None:
        earlier: list[tuple[bytes, int]] = []
        for item in (*self._work, *self._suspects):
            if isinstance(item, Part):
                earlier += [(entry_id, item.delivery - 1) for entry_id in item.entry_ids]
            else:
                earlier.append((item.id, item.delivery - 1))
        if earlier:
            self._release(self._membership, earlier)
        self._work.clear()
        self._suspects.clear()

    def _release(self, membership: Membership, earlier: "list[tuple[bytes, int]]") -> int:
        return membership.queue.release(self._broker.client, membership.name, earlier)

    def _patiently(self, operation: Any) -> Any:
        return patiently(operation, Backoff(_logger, f"Settling on queue {self._queue.name}", self._broker.client))
