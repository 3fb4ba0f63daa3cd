"""The Dramatiq broker: declares actors and queues, enqueues messages, creates consumers.

Run it with Dramatiq's Worker: `dramatiq.Worker(broker, worker_threads=2).start()`. Two threads overlap fetching, work
and settlement of batches; more threads help only actors that wait for I/O. The prefetch is the Worker's (two per
thread); for batches it is one more than the threads.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import dramatiq
import dramatiq.errors
import redis
import redis.asyncio

from stanine.broker import entry as entries
from stanine.broker.administration import count_messages
from stanine.broker.async_clients import AsyncClients
from stanine.broker.batch import check_actor
from stanine.broker.connection import clients
from stanine.broker.connection.errors import classify
from stanine.broker.consumer import StreamsConsumer
from stanine.broker.enqueueing import Enqueueing
from stanine.broker.errors import BrokerSettingsInvalid
from stanine.broker.keeper import LeaseKeeper
from stanine.broker.keys import queue_keys
from stanine.broker.lease import ConsumerLease
from stanine.broker.middleware import Streams
from stanine.broker.operations import Operations
from stanine.broker.queue import Queue
from stanine.broker.retries import REDIS_ERRORS
from stanine.broker.senders import Senders
from stanine.broker.server import ServerCheck
from stanine.broker.settings import QueueSettings, read_settings
from stanine.broker.settling import Settler
from stanine.broker.state import read_state

#: Seconds a renewal may take, without retries: the next renewal is worth more than a late one.
KEEPER_TIMEOUT = 2.0
#: All Workers, including consumers without one.
ALL_WORKERS = object()
#: Seconds between checks of `join`.
JOIN_INTERVAL = 0.01

#: Dramatiq's errors are not annotated.
_errors: Any = dramatiq.errors


class StreamsBroker(Enqueueing, Operations, dramatiq.Broker):
    """A Dramatiq broker on Redis Streams.

    `url` (see stanine.broker.connection.clients) or existing clients; missing clients are created lazily. Clients must
    not decode responses. `lease_seconds`: a consumer that has not renewed its lease for this long is dead; the queue's
    settings hash overrides it. `max_queues`: maximum of queues this process reads at once; each takes one connection
    (two with two Workers).
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
        max_queues: int = 1024,
    ) -> None:
        super().__init__(middleware=middleware)
        if url is None and client is None:
            raise ValueError("the broker needs a url or a client")
        for given in (client, blocking_client, async_client):
            if given is not None and given.get_encoder().decode_responses:
                raise ValueError(
                    "the broker's clients must not decode responses: messages are bytes"
                )
        self.url = url
        self.namespace = namespace
        self.defaults = QueueSettings(lease_ms=int(lease_seconds * 1000))
        self.queues: dict[str, Queue] = {}
        self._client = client
        self._blocking_client = blocking_client
        self._async_clients = AsyncClients(
            async_client, lambda: clients.connect_async(self._address())
        )
        self._once_client: redis.Redis | None = None
        self._made: list[redis.Redis] = []
        self._lock = threading.RLock()
        self._consumers: list[StreamsConsumer] = []
        self._leases: list[ConsumerLease] = []
        #: Leases waiting for their next Consumer, by Worker and queue.
        self._idle: dict[tuple[object, str], ConsumerLease] = {}
        #: The Workers that run this broker's consumers.
        self.workers: list[dramatiq.Worker] = []
        self.max_queues = max_queues
        self._senders = Senders()
        self._server_check = ServerCheck()
        self.keeper = LeaseKeeper(self._keeper_client)
        self._settler: Settler | None = None
        #: Called with a queue's name after every consumer cycle, for liveness probes. Must be fast.
        self.on_cycle: Callable[[str], None] = lambda _queue: None
        self.add_middleware(Streams())

    # clients

    @property
    def client(self) -> "redis.Redis":
        """The client for commands that do not block."""
        with self._lock:
            if self._client is None:
                self._client = clients.connect(self._address())
                self._made.append(self._client)
            return self._client

    @property
    def blocking_client(self) -> "redis.Redis":
        """The client for blocking reads; every consumer reserves one of its connections."""
        with self._lock:
            if self._blocking_client is None:
                if self.url is not None:
                    self._blocking_client = clients.connect_blocking(
                        self.url, pool_size=self.max_queues
                    )
                else:
                    self._blocking_client = clients.blocking_twin(self.client)
                self._made.append(self._blocking_client)
            return self._blocking_client

    @property
    def async_client(self) -> "redis.asyncio.Redis":
        """The client of the asyncio methods, created lazily for each event loop."""
        return self._async_clients.get()

    @property
    def once_client(self) -> "redis.Redis":
        """The client for commands that must not be retried after a lost reply."""
        with self._lock:
            if self._once_client is None:
                self._once_client = self._keeper_client()
                self._made.append(self._once_client)
            return self._once_client

    @property
    def settler(self) -> Settler:
        """The settler of this broker's messages."""
        with self._lock:
            if self._settler is None:
                self._settler = Settler(self.client, self.keeper, self.actors)
            return self._settler

    def _keeper_client(self) -> "redis.Redis":
        if self.url is not None:
            return clients.connect(self.url, pool_size=1, timeout=KEEPER_TIMEOUT, retries=0)
        return clients.blocking_twin(self.client, timeout=KEEPER_TIMEOUT)

    def _address(self) -> str:
        if self.url is None:
            raise ValueError(
                "this broker was created from clients without a url: pass the missing client, too"
            )
        return self.url

    # actors and queues

    def declare_actor(self, actor: "dramatiq.Actor[Any, Any]") -> None:
        """Declare an actor; raises BatchRefused or DedupeRefused for invalid options."""
        check_actor(self, actor)
        super().declare_actor(actor)

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue.

        Nothing is created in Redis until it is used. There are no delay queues.
        """
        if queue_name in self.queues:
            return
        self.emit_before("declare_queue", queue_name)
        self.queues[queue_name] = self._make_queue(queue_name)
        self.emit_after("declare_queue", queue_name)

    def ready_key(self, queue_name: str) -> str:
        """Return the key of a queue's stream, for transactional enqueueing.

        Append with `XADD key * h <head> i <ids> [t <traceparent>]`.
        """
        return self._queue(queue_name).keys.ready

    def head(self, queue_name: str, actor_name: str) -> bytes:
        """Return the constant head of messages to a batch actor."""
        return entries.head(queue_name, actor_name)

    def _make_queue(self, queue_name: str) -> Queue:
        return Queue(queue_name, queue_keys(self.namespace, queue_name))

    def _queue(self, queue_name: str) -> Queue:
        return self.queues.get(queue_name) or self._make_queue(queue_name)

    # consuming

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 30000) -> StreamsConsumer:
        """Return a consumer of a declared queue; it connects to Redis on first use."""
        if queue_name not in self.queues:
            raise _errors.QueueNotFound(queue_name)
        worker = self._worker_of(threading.current_thread())
        with self._lock:
            if len(self._consumers) >= self.max_queues:
                raise _errors.BrokerConnectionError(
                    f"this process already reads {self.max_queues} queues: increase the broker's max_queues"
                )
            lease = self._idle.pop((worker, queue_name), None) or ConsumerLease(
                self.queues[queue_name], self.defaults, worker
            )
            consumer = StreamsConsumer(self, lease, prefetch, timeout)
            self._consumers.append(consumer)
            return consumer

    def join_queue(self, lease: ConsumerLease) -> None:
        """Register a lease in Redis and start renewing it."""
        fields = lease.queue.join(self.client, lease.name, lease.settings)
        with contextlib.suppress(
            BrokerSettingsInvalid
        ):  # logged at the first heartbeat; until then the defaults apply
            lease.settings = read_settings(fields, lease.defaults)
            lease.set_state(read_state(fields))
        self._server_check.once(self.client)
        lease.joined = True
        with self._lock:
            self._leases.append(lease)
        self.keeper.watch(lease)

    def rejoin(self, lost: ConsumerLease) -> ConsumerLease:
        """Return a new lease in place of one that was taken over."""
        self.keeper.forget(lost)
        with self._lock:
            if lost in self._leases:
                self._leases.remove(lost)
        return ConsumerLease(lost.queue, self.defaults, lost.worker)

    def consumer_closed(
        self, consumer: dramatiq.Consumer, lease: ConsumerLease, *, stopping: bool
    ) -> None:
        """Remove a consumer; unless the Worker shuts down, its lease is kept for the next one."""
        with self._lock:
            self._consumers = [each for each in self._consumers if each is not consumer]
            if not stopping and not lease.lost:
                self._idle[lease.worker, lease.queue.name] = lease

    def idle_threads(self, lease: ConsumerLease, threads: int) -> int:
        """Return the number of idle threads of a lease's Worker; may be negative.

        Without a Worker, `threads` is the number of threads.
        """
        if not isinstance(lease.worker, dramatiq.Worker):
            return threads - lease.outstanding
        with self._lock:
            busy = sum(each.outstanding for each in self._leases if each.worker is lease.worker)
        return lease.worker.worker_threads - busy

    def stop_consumers(self, worker: object = ALL_WORKERS) -> None:
        """Stop fetching for a Worker, or for all."""
        with self._lock:
            consumers = [each for each in self._consumers if worker in (ALL_WORKERS, each.worker)]
        for consumer in consumers:
            consumer.stop_fetching()

    def leave_queues(self, worker: object = ALL_WORKERS) -> None:
        """End the leases of a Worker, or all.

        Their pending entries can be taken over immediately.
        """
        with self._lock:
            leaving = [each for each in self._leases if worker in (ALL_WORKERS, each.worker)]
            self._leases = [each for each in self._leases if each not in leaving]
            self._idle = {key: each for key, each in self._idle.items() if each not in leaving}
            self.workers = [
                each for each in self.workers if worker is not ALL_WORKERS and each is not worker
            ]
        for lease in leaving:
            self.keeper.forget(lease)
            try:
                lease.queue.leave(self.client, lease.name)
            except REDIS_ERRORS as error:
                self.logger.warning(
                    "Leaving queue %s failed: %s; the lease will expire",
                    lease.queue.name,
                    classify(error),
                )
            lease.mark_lost()

    def _worker_of(self, thread: threading.Thread) -> "dramatiq.Worker | None":
        """Return the Worker that a consumer thread belongs to; None for other threads."""
        return next(
            (each for each in self.workers if thread in list(each.consumers.values())), None
        )

    def close(self) -> None:
        """Leave every queue and close the connections created by this broker."""
        self.stop_consumers()
        self.settler.close()
        self.leave_queues()
        self.keeper.stop()
        for client in self._made:
            client.close()

    async def close_async(self) -> None:
        """Close the running loop's asyncio client if this broker created it."""
        await self._async_clients.close()

    def join(self, queue_name: str, *, timeout: int | None = None) -> None:
        """Wait until a queue has no ready, delayed or in-flight messages; for tests.

        Raises QueueNotFound, and QueueJoinTimeout after `timeout` milliseconds.
        """
        if queue_name not in self.queues:
            raise _errors.QueueNotFound(queue_name)
        deadline = time.monotonic() + timeout / 1000 if timeout is not None else None
        while count_messages(self.client, self._queue(queue_name)):
            if deadline is not None and time.monotonic() > deadline:
                raise _errors.QueueJoinTimeout(
                    f"queue {queue_name} still has messages after {timeout} ms"
                )
            time.sleep(JOIN_INTERVAL)
