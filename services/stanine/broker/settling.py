"""Settlement of processed messages. Called by the consumer in worker threads.

Each settlement is one Redis function call, idempotent, and without effect after the lease was taken over.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import dramatiq
import redis
from dramatiq.errors import ActorNotFound, Retry
from dramatiq.middleware import SkipMessage
from dramatiq.middleware.shutdown import Shutdown

from stanine.broker.failure import split
from stanine.broker.keeper import LeaseKeeper
from stanine.broker.lease import ConsumerLease
from stanine.broker.library import FENCED
from stanine.broker.proxy import StreamProxy
from stanine.broker.queue import Rejection
from stanine.broker.retries import Backoff, call_with_retries
from stanine.broker.state import working

_logger = logging.getLogger(__name__)


class Settler:
    """Settles messages for one broker; retries until the broker is closed.

    Raises BrokerConnectionError if the broker is closed meanwhile.
    """

    def __init__(
        self,
        client: "redis.Redis",
        keeper: LeaseKeeper,
        actors: "Mapping[str, dramatiq.Actor[Any, Any]]",
    ) -> None:
        self._client = client
        self._actors = actors
        self._keeper = keeper
        self._closing = threading.Event()
        #: One per queue, so that a problem is logged once for many messages.
        self._backoffs: dict[str, Backoff] = {}

    def close(self) -> None:
        """Stop waiting for the server."""
        self._closing.set()

    def settle(self, proxy: StreamProxy, *, rejected: bool) -> None:
        """Acknowledge, defer, split or dead-letter a processed message."""
        working.set(False)
        lease = proxy.lease
        if not lease.lost:
            settled = self._with_retries(lease, lambda: self._settle_once(proxy, rejected=rejected))
            if settled == FENCED:
                lease.mark_lost()
        lease.remove_in_flight(proxy)

    def release(self, proxies: Iterable[StreamProxy]) -> None:
        """Return unprocessed messages to their queue."""
        by_lease: dict[ConsumerLease, list[StreamProxy]] = {}
        for proxy in proxies:
            by_lease.setdefault(proxy.lease, []).append(proxy)
        for lease, held in by_lease.items():
            if not lease.lost:
                self._release(lease, held)
            for proxy in held:
                lease.remove_in_flight(proxy)

    def _release(self, lease: ConsumerLease, proxies: list[StreamProxy]) -> None:
        crashed = [(entry_id, times - 1) for proxy in proxies for entry_id, times in proxy.crashed]
        kept = {entry_id for entry_id, _ in crashed}
        earlier = [pair for proxy in proxies for pair in _uncounted(proxy) if pair[0] not in kept]
        if earlier:
            self._with_retries(
                lease, lambda: lease.queue.release(self._client, lease.name, earlier)
            )
        if crashed:  # a new entry would reset its count; it stays pending and can be taken over when this consumer leaves
            self._with_retries(lease, lambda: lease.queue.start(self._client, lease.name, crashed))

    def _settle_once(self, proxy: StreamProxy, *, rejected: bool) -> int:
        lease, queue = proxy.lease, proxy.lease.queue
        error = proxy._exception  # noqa: SLF001 - Dramatiq keeps it there for brokers
        if (
            proxy.is_batch
            and error is not None
            and not isinstance(error, SkipMessage | ActorNotFound)
        ):
            if isinstance(error, Shutdown):
                return queue.release(self._client, lease.name, _uncounted(proxy))
            delay = error.delay if isinstance(error, Retry) else None
            rejections = split(
                proxy.entry_ids, proxy.delivery, lease.settings, random.uniform, delay
            )
        elif rejected:
            rejections = [Rejection(entry_id, proxy.delivery, None) for entry_id in proxy.entry_ids]
        elif proxy.deferral is not None and proxy.entry is not None:
            data, delay_ms = proxy.deferral
            settled, wait = queue.retry(self._client, lease.name, proxy.entry, data, delay_ms)
            self._keeper.expect(queue, wait)
            return settled
        elif proxy.entry is not None and proxy.entry.unique is not None:
            return queue.finish(self._client, lease.name, proxy.entry)
        else:
            return queue.ack(self._client, lease.name, proxy.entry_ids)
        reason = type(error).__name__ if error is not None else "Rejected"
        settled, wait = queue.reject(
            self._client,
            lease.name,
            rejections,
            reason=reason,
            actor=proxy.actor_name,
            settings=lease.settings,
        )
        if any(rejection.delay_ms is None for rejection in rejections):
            # Dramatiq logs an expected rejection itself, at a lower level.
            level = logging.INFO if _is_expected(proxy, self._actors, error) else logging.ERROR
            text = "%d messages of queue %s are dead after delivery %d: %s"
            _logger.log(level, text, len(rejections), queue.name, proxy.delivery, reason)
        self._keeper.expect(queue, wait)
        return settled

    def _with_retries(self, lease: ConsumerLease, operation: "Callable[[], Any]") -> Any:
        name = lease.queue.name
        backoff = self._backoffs.get(name) or self._backoffs.setdefault(
            name, Backoff(_logger, f"Settling messages of queue {name}", self._client)
        )
        return call_with_retries(operation, backoff, closing=self._closing)


def _is_expected(
    proxy: StreamProxy,
    actors: "Mapping[str, dramatiq.Actor[Any, Any]]",
    error: BaseException | None,
) -> bool:
    """Return whether the actor asked for the rejection.

    By `max_age`, or an exception in `throws`.
    """
    if isinstance(error, SkipMessage):
        return True
    actor = actors.get(proxy.actor_name)
    throws: Any = proxy.options.get("throws") or (actor.options.get("throws") if actor else None)
    return bool(throws) and isinstance(error, throws)


def _uncounted(proxy: StreamProxy) -> list[tuple[bytes, int]]:
    return [(entry_id, proxy.delivery - 1) for entry_id in proxy.entry_ids]
