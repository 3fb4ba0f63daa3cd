"""Background thread that renews leases, promotes delayed messages and detects dead consumers.

One per broker, with its own connection, so that neither a slow actor nor an exhausted pool lets a lease expire. Started
by the first consumer.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping

import redis

from stanine.broker.errors import BrokerSettingsInvalid
from stanine.broker.lease import ConsumerLease
from stanine.broker.queue import Queue
from stanine.broker.retries import PAUSE_MAX, REDIS_ERRORS, Backoff
from stanine.broker.settings import read_settings
from stanine.broker.state import read_state

#: Seconds: maximum between heartbeats, so that changed settings apply within 2 s; at most a third of the lease.
BEAT_INTERVAL = 1.5
#: Seconds during which only idle Workers take over entries of dead consumers; afterwards busy ones do, too.
IDLE_FIRST = 2 * BEAT_INTERVAL

_logger = logging.getLogger(__name__)


class LeaseKeeper:
    """Renews every watched lease and promotes delayed messages."""

    def __init__(self, make_client: "Callable[[], redis.Redis]") -> None:
        self._make_client = make_client
        self._client: redis.Redis | None = None
        self._wake = threading.Condition()
        #: ConsumerLease -> when its next heartbeat is due (monotonic seconds).
        self._beats: dict[ConsumerLease, float] = {}
        #: Queue -> when its next delayed message is due (monotonic seconds).
        self._due: dict[Queue, float] = {}
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._backoff = Backoff(_logger, "Keeping leases")
        self._bad_settings: dict[str, str] = {}

    def watch(self, lease: ConsumerLease) -> None:
        """Start renewing a new lease.

        The first heartbeat is immediate and reports due and orphaned messages.
        """
        with self._wake:
            self._beats[lease] = 0.0
            if self._thread is None:
                self._stopped = False
                self._thread = threading.Thread(
                    target=self._run, name="stanine-broker-keeper", daemon=True
                )
                self._thread.start()
            self._wake.notify()

    def forget(self, lease: ConsumerLease) -> None:
        """Stop renewing a lease."""
        with self._wake:
            self._beats.pop(lease, None)

    def expect(self, queue: Queue, wait_ms: int) -> None:
        """Schedule a promotion in `wait_ms` (-1: there are no delayed messages)."""
        if wait_ms < 0:
            return
        with self._wake:
            due = time.monotonic() + wait_ms / 1000
            if due < self._due.get(queue, float("inf")):
                self._due[queue] = due
                self._wake.notify()

    def stop(self) -> None:
        """Stop the thread."""
        with self._wake:
            self._stopped = True
            thread, self._thread = self._thread, None
            self._wake.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join(5)

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._stopped:
                    break
                now = time.monotonic()
                beats = [lease for lease, at in self._beats.items() if at <= now]
                due = [queue for queue, at in self._due.items() if at <= now]
                if not beats and not due:
                    upcoming = min([*self._beats.values(), *self._due.values()], default=now + 60)
                    self._wake.wait(max(0.0, upcoming - now))
                    continue
            pause = self._work(beats, due)
            if pause:
                with self._wake:
                    self._wake.wait(pause)
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _work(self, beats: list[ConsumerLease], due: list[Queue]) -> float:
        """Run due jobs; return the seconds to wait before a retry if one failed.

        A problem of one queue (a key of the wrong type) must not let other leases expire, so each job is tried.
        """
        failure: Exception | None = None
        jobs: list[ConsumerLease | Queue] = [*beats, *due]
        for job in jobs:
            try:
                if self._client is None:
                    self._client = self._make_client()
                    self._backoff = Backoff(_logger, "Keeping leases", self._client)
                if isinstance(job, ConsumerLease):
                    self._beat(self._client, job)
                else:
                    self._promote(self._client, job)
            except redis.ResponseError as error:
                failure = error
            except REDIS_ERRORS as error:
                return self._pause_after(error)
            except Exception as error:  # this thread must survive: all leases depend on it
                _logger.critical("Keeping leases failed unexpectedly", exc_info=True)
                failure = error
        if failure is not None:
            return self._pause_after(failure)
        self._backoff.succeeded()
        return 0.0

    def _pause_after(self, error: Exception) -> float:
        """Return the seconds to wait.

        Kept short after permanent problems, for the sake of other queues.
        """
        return min(PAUSE_MAX, self._backoff.failed(error)[1])

    def _promote(self, client: "redis.Redis", queue: Queue) -> None:
        with self._wake:
            self._due.pop(
                queue, None
            )  # before the request, so that a promotion scheduled during it is kept
        try:
            wait = queue.promote(client)
        except BaseException:
            self.expect(queue, 0)
            raise
        self.expect(queue, wait)

    def _beat(self, client: "redis.Redis", lease: ConsumerLease) -> None:
        queue = lease.queue
        beat = queue.beat(client, lease.name, lease.settings)
        if not beat.alive:
            if lease in self._beats:
                _logger.warning(
                    "Consumer %s of queue %s was taken over and registers again",
                    lease.name,
                    queue.name,
                )
            self.forget(lease)
            lease.mark_lost()
            return
        self._apply(lease, beat.settings)
        with self._wake:
            if lease in self._beats:
                self._beats[lease] = time.monotonic() + min(
                    BEAT_INTERVAL, lease.settings.lease_ms / 3000
                )
        self.expect(queue, beat.wait_ms)
        if not beat.takeover_consumers:
            lease.set_orphans(None)
        else:  # a single consumer need not wait for others with more capacity
            lease.set_orphans(
                time.monotonic() + (IDLE_FIRST if beat.takeover_consumers > 1 else 0.0)
            )

    def _apply(self, lease: ConsumerLease, fields: Mapping[bytes, bytes]) -> None:
        name = lease.queue.name
        try:
            state, before = read_state(fields), lease.state
            lease.settings = read_settings(fields, lease.defaults)
            lease.set_state(state)
            if state is not before:
                _logger.info("Queue %s changed to %s from %s", name, state, before)
        except BrokerSettingsInvalid as error:
            if self._bad_settings.get(name) != str(error):
                self._bad_settings[name] = str(error)
                _logger.error("Settings of queue %s are invalid and not applied: %s", name, error)  # noqa: TRY400 - the message is complete
        else:
            self._bad_settings.pop(name, None)
