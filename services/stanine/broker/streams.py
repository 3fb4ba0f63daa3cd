"""The broker: declares actors and queues, enqueues, makes consumers. Everybody who uses Dramatiq calls it through Dramatiq's own API.

Run it with the stock Worker: `dramatiq.Worker(broker, worker_threads=2).start()`. Two threads overlap fetching, work and settling of
batches; more help only actors that wait. Prefetch is the Worker's (two a thread); of batches one more than the threads is kept.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import dramatiq
import dramatiq.errors
import redis
import redis.asyncio
from dramatiq.common import current_millis

from stanine.broker import entry as entries
from stanine.broker.batch import check_actor
from stanine.broker.consumer import StreamsConsumer
from stanine.broker.entry import TRACE_OPTION, NewEntry
from stanine.broker.errors import BrokerSettingsInvalid, QueueDraining
from stanine.broker.keeper import Keeper
from stanine.broker.keys import queue_keys
from stanine.broker.membership import Membership
from stanine.broker.middleware import Streams
from stanine.broker.operations import Operations
from stanine.broker.patience import TROUBLE, connection_error
from stanine.broker.producing import Chunk, Message, make_entry, without_options
from stanine.broker.proxy import StreamProxy
from stanine.broker.queue import SHUT, Queue, library
from stanine.broker.settings import QueueSettings, read_settings
from stanine.broker.settling import Settler
from stanine.broker.state import Gate, read_state, working
from stanine.connection import clients
from stanine.connection.errors import classify

#: Seconds a renewal may take, and no retries: a late one is worth less than the next.
KEEPER_TIMEOUT = 2.0
#: Seconds between looks of `join`.
JOIN_INTERVAL = 0.01

#: Dramatiq's errors are not annotated.
_errors: Any = dramatiq.errors


class StreamsBroker(Operations, dramatiq.Broker):
    """A Dramatiq broker on Redis Streams.

    `url` (see stanine.connection.clients) or ready clients; what is missing is made lazily. Clients must not decode responses.
    `lease_seconds`: a consumer that has not renewed for so long is taken over from; the queue's settings hash overrides it.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        client: "redis.Redis | None" = None,
        blocking_client: "redis.Redis | None" = None,
        async_client: "redis.asyncio.Redis | None" = None,
        namespace: str = "dramatiq",
        middleware: "list[dramatiq.Middleware] | None" = None,
        lease_seconds: float = 15,
    ) -> None:
        super().__init__(middleware=middleware)
        if url is None and client is None:
            raise ValueError("give the broker a url or a client")
        for given in (client, blocking_client, async_client):
            if given is not None and given.get_encoder().decode_responses:
                raise ValueError("the broker's clients must not decode responses: its messages are bytes")
        self.url = url
        self.namespace = namespace
        self.defaults = QueueSettings(lease_ms=int(lease_seconds * 1000))
        self.queues: dict[str, Queue] = {}
        self._client = client
        self._blocking_client = blocking_client
        self._async_client = async_client
        self._async_made = False
        self._made: list[redis.Redis] = []
        self._lock = threading.RLock()
        self._consumers: list[StreamsConsumer] = []
        self._memberships: list[Membership] = []
        self._idle: dict[str, Membership] = {}
        self._batch_queues: set[str] = set()
        self._gate = Gate()
        self.keeper = Keeper(self._keeper_client)
        #: Called with a queue's name whenever its consumer has gone once around, idle or not: for a probe of liveness. Must be quick.
        self.on_cycle: Callable[[str], None] = lambda _queue: None
        self.add_middleware(Streams())

    # ---------------------------------------------------------------------------------------------------------------------- clients

    @property
    def client(self) -> "redis.Redis":
        """The client for everything that does not block."""
        with self._lock:
            if self._client is None:
                self._client = clients.connect(self._address())
                self._made.append(self._client)
            return self._client

    @property
    def blocking_client(self) -> "redis.Redis":
        """The client for blocking reads; every consumer keeps one connection of its pool."""
        with self._lock:
            if self._blocking_client is None:
                if self.url is not None:
                    self._blocking_client = clients.connect_blocking(self.url)
                else:
                    self._blocking_client = clients.blocking_twin(self.client)
                self._made.append(self._blocking_client)
            return self._blocking_client

    @property
    def async_client(self) -> "redis.asyncio.Redis":
        """The client of the asyncio methods; made lazily, belongs to the loop that uses it first."""
        if self._async_client is None:
            self._async_client = clients.connect_async(self._address())
            self._async_made = True
        return self._async_client

    @property
    def settler(self) -> Settler:
        """What settles this broker's messages."""
        return Settler(self.client, self.keeper)

    def _keeper_client(self) -> "redis.Redis":
        if self.url is not None:
            return clients.connect(self.url, pool_size=1, timeout=KEEPER_TIMEOUT, retries=0)
        return clients.blocking_twin(self.client, timeout=KEEPER_TIMEOUT)

    def _address(self) -> str:
        if self.url is None:
            raise ValueError("this broker was made from clients without a url: give it the client that is missing, too")
        return self.url

    # ------------------------------------------------------------------------------------------------------------ actors and queues

    def declare_actor(self, actor: "dramatiq.Actor[Any, Any]") -> None:
        """Declare an actor; raises BatchRefused if a batch actor asks for what merged messages cannot have."""
        check_actor(self, actor)
        super().declare_actor(actor)
        if actor.options.get("batch") is not None:
            self._batch_queues.add(actor.queue_name)

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue; nothing happens in Redis until it is used. There are no delay queues."""
        if queue_name in self.queues:
            return
        self.emit_before("declare_queue", queue_name)
        self.queues[queue_name] = self._make_queue(queue_name)
        self.emit_after("declare_queue", queue_name)

    def has_batch_actor(self, queue_name: str) -> bool:
        """Tell whether messages of this queue are merged."""
        return queue_name in self._batch_queues

    def ready_key(self, queue_name: str) -> str:
        """Return the key of a queue's stream, for transactional enqueue: `XADD key * h <head> i <ids> [t <traceparent>]`."""
        return self._queue(queue_name).keys.ready

    def head(self, queue_name: str, actor_name: str) -> bytes:
        """Return the constant head of messages to a batch actor."""
        return entries.head(queue_name, actor_name)

    def _make_queue(self, queue_name: str) -> Queue:
        return Queue(queue_name, queue_keys(self.namespace, queue_name))

    def _queue(self, queue_name: str) -> Queue:
        return self.queues.get(queue_name) or self._make_queue(queue_name)

    # -------------------------------------------------------------------------------------------------------------------- enqueueing

    def enqueue(self, message: Message, *, delay: int | None = None) -> Message:
        """Enqueue a message, `delay` milliseconds from now if given.

        Called with a message in flight (as Retries does), it notes the deferral; the acknowledgement that follows does both in one step.
        Raises BrokerConnectionError if the server cannot take it; the message may then be there or not. QueueDraining: the queue takes
        nothing new (seen within a second). BatchRefused: see batch actors. DedupeRefused: see dedupe.py; a duplicate is not taken, nor
        announced to middleware by `after_enqueue`.
        """
        if isinstance(message, StreamProxy):
            return self._defer(message, delay)
        entry, delay = self._before(message, delay)
        if delay is not None or entry.dedupe is not None or not self._gate.is_open(message.queue_name):
            chunk = Chunk(self._queue(message.queue_name))
            chunk.add(message, entry, delay)
            self._send(chunk)
            return message
        try:
            self.client.xadd(self._queue(message.queue_name).keys.ready, entry.stream_fields())
        except TROUBLE as error:
            raise connection_error(error, self.client) from error
        self.emit_after("enqueue", message, delay)
        return message

    def enqueue_many(self, messages: Iterable[Message], *, delay: int | None = None) -> None:
        """Enqueue messages, up to 500 (or 1 MiB) a round trip; each such chunk is there as a whole or not at all. Errors: as `enqueue`."""
        for chunk in self._chunks(messages, delay):
            self._send(chunk)

    async def enqueue_async(self, message: Message, *, delay: int | None = None) -> Message:
        """Enqueue a message from asyncio; as `enqueue`. Middleware runs in the event loop."""
        await self.enqueue_many_async([message], delay=delay)
        return message

    async def enqueue_many_async(self, messages: Iterable[Message], *, delay: int | None = None) -> None:
        """Enqueue messages from asyncio; as `enqueue_many`."""
        for chunk in self._chunks(messages, delay):
            try:
                answer = await library().call_async(self.async_client, *chunk.command(begotten=working.get()))
            except TROUBLE as error:
                raise connection_error(error) from error
            self._enqueued(chunk, answer)

    def _send(self, chunk: Chunk) -> None:
        try:
            answer = library().call(self.client, *chunk.command(begotten=working.get()))
        except TROUBLE as error:
            raise connection_error(error, self.client) from error
        self._enqueued(chunk, answer)

    def _before(self, message: Message, delay: int | None) -> tuple[NewEntry, int | None]:
        """Emit before_enqueue (middleware may add a traceparent) and make the entry; an `eta` among the options becomes the delay."""
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

    def _enqueued(self, chunk: Chunk, answer: Any) -> None:
        wait, *taken = answer if chunk.has_keys else (answer,)
        if int(wait) == SHUT:
            raise QueueDraining(f"queue {chunk.queue.name} is draining: it takes new messages again when it is resumed")
        self._gate.passed(chunk.queue.name)
        if chunk.is_delayed or chunk.has_keys:
            self.keeper.expect(chunk.queue, int(wait))
        for (message, delay), new in zip(chunk.messages, taken or [1] * len(chunk.messages), strict=True):
            if new:
                self.emit_after("enqueue", message, delay)
            else:
                self.logger.debug("Message %r to %s is a duplicate and was not taken.", message.message_id, message.actor_name)

    def _defer(self, proxy: StreamProxy, delay: int | None) -> Message:
        if proxy.is_batch:
            return proxy.message  # a failed batch is split when it is settled; Retries does not act on it
        more = {}
        if "traceback" in proxy.options:
            # Texts and tracebacks of exceptions may hold what people answered; the type is enough to find the fault in the logs.
            error = proxy._exception  # noqa: SLF001 - Dramatiq keeps it there for brokers
            more["traceback"] = type(error).__name__ if error is not None else ""
        self.emit_before("enqueue", proxy.message, delay)
        proxy.deferral = (without_options(proxy.message, (TRACE_OPTION, "traceback", *proxy.lent), **more).encode(), max(0, delay or 0))
        self.emit_after("enqueue", proxy.message, delay)
        return proxy.message

    # --------------------------------------------------------------------------------------------------------------------- consuming

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 30000) -> StreamsConsumer:
        """Return a consumer of a declared queue; it talks to Redis when it is first asked for a message."""
        if queue_name not in self.queues:
            raise _errors.QueueNotFound(queue_name)
        with self._lock:
            membership = self._idle.pop(queue_name, None) or Membership(self.queues[queue_name], self.defaults)
            consumer = StreamsConsumer(self, membership, prefetch, timeout)
            self._consumers.append(consumer)
            return consumer

    def join_queue(self, membership: Membership) -> None:
        """Register a membership in Redis and have it kept."""
        fields = membership.queue.join(self.client, membership.name, membership.settings)
        with contextlib.suppress(BrokerSettingsInvalid):  # the keeper says so at its first beat; meanwhile the defaults hold
            membership.settings = read_settings(fields, membership.defaults)
            membership.follow(read_state(fields))
        membership.joined = True
        with self._lock:
            self._memberships.append(membership)
        self.keeper.watch(membership)

    def rejoin(self, lost: Membership) -> Membership:
        """Return a fresh membership in place of one that was taken over."""
        self.keeper.forget(lost)
        with self._lock:
            if lost in self._memberships:
                self._memberships.remove(lost)
        return Membership(lost.queue, self.defaults)

    def consumer_closed(self, consumer: StreamsConsumer, membership: Membership, *, stopping: bool) -> None:
        """Forget a consumer; unless the Worker shuts down, its membership waits for the next."""
        with self._lock:
            if consumer in self._consumers:
                self._consumers.remove(consumer)
            if not stopping and not membership.lost:
                self._idle[membership.queue.name] = membership

    def stop_consumers(self) -> None:
        """Make every consumer stop fetching."""
        with self._lock:
            consumers = list(self._consumers)
        for consumer in consumers:
            consumer.stop_fetching()

    def leave_queues(self) -> None:
        """End every membership; what it still holds is free to be taken over at once."""
        with self._lock:
            memberships, self._memberships = self._memberships, []
            self._idle.clear()
        for membership in memberships:
            self.keeper.forget(membership)
            try:
                membership.queue.leave(self.client, membership.name)
            except TROUBLE as error:
                self.logger.warning("Leaving queue %s failed: %s; its lease ends by itself", membership.queue.name, classify(error))
            membership.lose()

    def close(self) -> None:
        """Leave every queue and close the connections this broker made."""
        self.stop_consumers()
        self.leave_queues()
        self.keeper.stop()
        for client in self._made:
            client.close()

    async def close_async(self) -> None:
        """Close the asyncio client if this broker made it."""
        if self._async_client is not None and self._async_made:
            await self._async_client.aclose()
            self._async_client = None

    def join(self, queue_name: str, *, timeout: int | None = None) -> None:
        """Wait until a queue has nothing ready, delayed or in flight; for tests.

        Raises QueueNotFound, and QueueJoinTimeout after `timeout` milliseconds.
        """
        if queue_name not in self.queues:
            raise _errors.QueueNotFound(queue_name)
        deadline = time.monotonic() + timeout / 1000 if timeout is not None else None
        while True:
            stats = self.stats(queue_name)
            if not stats.ready and not stats.delayed and not stats.in_flight:
                return
            if deadline is not None and time.monotonic() > deadline:
                raise _errors.QueueJoinTimeout(f"queue {queue_name} still has messages after {timeout} ms")
            time.sleep(JOIN_INTERVAL)
