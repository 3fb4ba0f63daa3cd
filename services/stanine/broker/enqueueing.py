"""Enqueueing: single, bulk, asyncio, deduplicated and deferred messages. Mixed into StreamsBroker.

Every call to Redis carries a sender and a sequence number (senders.py), so repeating it after a lost reply is safe.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import dramatiq
from dramatiq.common import current_millis

from stanine.broker.async_clients import AsyncClients
from stanine.broker.dedupe import DUPLICATE
from stanine.broker.entry import TRACE_OPTION, NewEntry
from stanine.broker.errors import QueueDraining
from stanine.broker.exchange import ProducerCall
from stanine.broker.keeper import LeaseKeeper
from stanine.broker.library import DRAINING, library
from stanine.broker.producing import Chunk, Message, make_entry, without_options
from stanine.broker.proxy import StreamProxy
from stanine.broker.queue import Queue
from stanine.broker.retries import REDIS_ERRORS, connection_error
from stanine.broker.senders import Sender, Senders
from stanine.broker.server import ServerCheck
from stanine.broker.state import working

if TYPE_CHECKING:
    import redis


class Enqueueing:
    """The enqueue methods of the broker."""

    if TYPE_CHECKING:
        logger: logging.Logger
        keeper: LeaseKeeper
        actors: dict[str, dramatiq.Actor[Any, Any]]
        _senders: Senders
        _server_check: ServerCheck
        _async_clients: AsyncClients

        @property
        def client(self) -> "redis.Redis": ...  # noqa: D102 - implemented by the broker
        def _queue(self, queue_name: str) -> Queue: ...
        def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None: ...  # noqa: D102 - same
        def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None: ...  # noqa: D102 - same

    def enqueue(self, message: Message, *, delay: int | None = None) -> Message:
        """Enqueue a message, `delay` milliseconds from now if given; return it.

        For a message in flight (as from Retries), the deferral is recorded and applied atomically with the
        acknowledgement. Raises BrokerConnectionError if the server does not answer or rejects the write; the message
        may have been enqueued. Raises QueueDraining if the queue accepts nothing new, BatchRefused (see batch.py) and
        DedupeRefused (see dedupe.py). A duplicate is not enqueued and not announced to middleware by `after_enqueue`;
        the returned message then has the option `duplicate`.
        """
        if isinstance(message, StreamProxy):
            return self._defer(message, delay)
        return (
            message
            if self.enqueue_unique(message, delay=delay)
            else message.copy(options={DUPLICATE: True})
        )

    def enqueue_unique(self, message: Message, *, delay: int | None = None) -> bool:
        """Enqueue a message like `enqueue`; return False if it is a duplicate by its key."""
        return self.enqueue_many([message], delay=delay) == 1

    def enqueue_many(self, messages: Iterable[Message], *, delay: int | None = None) -> int:
        """Enqueue messages; return how many were not duplicates.

        A round trip takes up to 500 messages or 1 MiB; each such chunk is atomic. Errors: as for `enqueue`.
        """
        return sum(self._send(chunk) for chunk in self._chunks(messages, delay))

    async def enqueue_async(self, message: Message, *, delay: int | None = None) -> Message:
        """Enqueue a message from asyncio, like `enqueue`. Middleware runs in the event loop."""
        taken = await self.enqueue_many_async([message], delay=delay)
        return message if taken else message.copy(options={DUPLICATE: True})

    async def enqueue_many_async(
        self, messages: Iterable[Message], *, delay: int | None = None
    ) -> int:
        """Enqueue messages from asyncio, like `enqueue_many`."""
        taken, client = 0, await self._async_clients.use()
        for chunk in self._chunks(messages, delay):
            with self._senders.reserve() as sender:
                try:
                    answer = await library().call_async(client, *chunk.command(_call(sender)))
                except REDIS_ERRORS as error:
                    raise connection_error(error) from error
            await self._server_check.once_async(client)
            taken += self._enqueued(chunk, answer)
        return taken

    def _send(self, chunk: Chunk) -> int:
        with self._senders.reserve() as sender:
            try:
                answer = library().call(self.client, *chunk.command(_call(sender)))
            except REDIS_ERRORS as error:
                raise connection_error(error, self.client) from error
        self._server_check.once(self.client)
        return self._enqueued(chunk, answer)

    def _before(self, message: Message, delay: int | None) -> tuple[NewEntry, int | None]:
        """Emit before_enqueue and create the entry.

        Middleware may add a traceparent. The option `eta` becomes the delay.
        """
        eta = message.options.pop("eta", None)
        if delay is None and isinstance(eta, int | float):
            delay = int(eta) - current_millis()
        if delay is not None and delay <= 0:
            delay = None
        self.emit_before("enqueue", message, delay)
        return make_entry(message, self.actors.get(message.actor_name), delay), delay

    def _chunks(self, messages: Iterable[Message], delay: int | None) -> Iterator[Chunk]:
        waiting: dict[tuple[str, bool, bool], Chunk] = {}
        for message in messages:
            entry, pause = self._before(message, delay)
            key = (message.queue_name, pause is not None, entry.dedupe is not None)
            chunk = waiting.setdefault(key, Chunk(self._queue(message.queue_name)))
            chunk.add(message, entry, pause)
            if chunk.is_full:
                yield waiting.pop(key)
        yield from waiting.values()

    def _enqueued(self, chunk: Chunk, answer: Any) -> int:
        """Announce enqueued messages; return their number."""
        wait, *taken = answer if chunk.has_keys else (answer,)
        if int(wait) == DRAINING:
            raise QueueDraining(
                f"queue {chunk.queue.name} is draining: it accepts new messages after it is resumed"
            )
        if chunk.is_delayed or chunk.has_keys:
            self.keeper.expect(chunk.queue, int(wait))
        taken = taken or [1] * len(chunk.messages)
        for (message, delay), new in zip(chunk.messages, taken, strict=True):
            if new:
                self.emit_after("enqueue", message, delay)
            else:
                self.logger.debug(
                    "Message %r to %s is a duplicate and was not enqueued.",
                    message.message_id,
                    message.actor_name,
                )
        return sum(map(int, taken))

    def _defer(self, proxy: StreamProxy, delay: int | None) -> Message:
        if proxy.is_batch:
            return proxy.message  # a failed batch is split when settled; Retries does not handle it
        more = {}
        if "traceback" in proxy.options:
            # Exception texts and tracebacks may contain answers; the type is enough to find the error in the logs.
            error = proxy._exception  # noqa: SLF001 - Dramatiq keeps it there for brokers
            more["traceback"] = type(error).__name__ if error is not None else ""
        self.emit_before("enqueue", proxy.message, delay)
        proxy.deferral = (
            without_options(
                proxy.message, (TRACE_OPTION, "traceback", *proxy.queue_defaults), **more
            ).encode(),
            max(0, delay or 0),
        )
        self.emit_after("enqueue", proxy.message, delay)
        return proxy.message


def _call(sender: Sender) -> ProducerCall:
    return ProducerCall(sender.name, sender.number, from_worker=working.get())
