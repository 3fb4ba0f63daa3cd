"""Prometheus registry of a process, and metrics common to all: queues and connection pools.

Created by each composition root. prometheus_client's global registry is not used, so that tests and several apps in one
process do not conflict.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future

import msgspec
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

#: Seconds: from a cached read to the longest allowed wait (30 s).
DURATION_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

#: Seconds that a scrape waits for Redis: well below Prometheus' timeout of 10 s, after which all metrics of the process
#: would be lost.
READ_SECONDS = 2.0

_STATES = ("Running", "Paused", "Draining")


class QueueReading(msgspec.Struct, frozen=True):
    """State and size of one queue.

    Numbers of entries, and age of the oldest unsettled one in seconds.
    """

    queue: str
    ready: int
    in_flight: int
    delayed: int
    dead: int
    oldest_age: float
    #: Running, Paused or Draining.
    state: str = "Running"
    #: Messages ever dead-lettered, by reason (exception types and reasons of the broker).
    deaths: Mapping[str, int] = {}


def make_registry() -> CollectorRegistry:
    """Return a new registry with process metrics.

    CPU, memory, file descriptors, garbage collection.
    """
    # Timestamps of every series would nearly double a scrape and are not used. The switch is global in
    # prometheus_client.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def expose(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return the registry's text and content type, in the format of the `accept` header."""
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def watch_queues(
    registry: CollectorRegistry,
    read: Callable[[], Iterable[QueueReading]],
    *,
    within: float = READ_SECONDS,
) -> None:
    """Report entries, oldest age, state and dead letters of queues, read at each scrape.

    If Redis cannot be read `within` that many seconds, they are omitted and `stanine_queues_readable` is 0: a gap is
    better than an outdated value. A client with retries may take longer than a scrape.
    """
    registry.register(_Queues(_TimedRead(read, within)))


def watch_pool(registry: CollectorRegistry, name: str, read: Callable[[], tuple[int, int]]) -> None:
    """Report how many connections of the Redis pool `name` are in use, and the maximum."""
    registry.register(_Pool(name, read))


class _TimedRead:
    """A read with a timeout. A late read continues, and later callers wait for the same one."""

    def __init__(self, read: Callable[[], Iterable[QueueReading]], within: float) -> None:
        self._read, self._within = read, within
        self._lock = threading.Lock()
        self._last: Future[list[QueueReading]] | None = None

    def __call__(self) -> list[QueueReading]:
        """Return the result. Raises TimeoutError if it is late, and exceptions of the read."""
        with self._lock:
            reading = self._last
            if reading is None or reading.done():
                reading = self._last = Future()
                # a daemon thread: process exit must not wait for an unresponsive server
                threading.Thread(
                    target=self._settle, args=(reading,), name="queues", daemon=True
                ).start()
        return reading.result(self._within)

    def _settle(self, reading: "Future[list[QueueReading]]") -> None:
        try:
            reading.set_result(list(self._read()))
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting caller
            reading.set_exception(error)


class _Queues(Collector):
    def __init__(self, read: Callable[[], Iterable[QueueReading]]) -> None:
        self._read = read

    def describe(self) -> Iterator[Metric]:
        """Describe the metrics without a request to Redis."""
        yield from self._families()

    def collect(self) -> Iterator[Metric]:
        """Read the queues."""
        entries, oldest, states, deaths, readable = self._families()
        try:
            for reading in self._read():
                for state in ("ready", "in_flight", "delayed", "dead"):
                    entries.add_metric([reading.queue, state], getattr(reading, state))
                oldest.add_metric([reading.queue], reading.oldest_age)
                for each in _STATES:
                    states.add_metric([reading.queue, each], reading.state == each)
                for reason, count in reading.deaths.items():
                    deaths.add_metric([reading.queue, reason], count)
        except (RedisError, OSError, TimeoutError):
            readable.add_metric([], 0)
            yield readable
            return
        readable.add_metric([], 1)
        yield from (entries, oldest, states, deaths, readable)

    @staticmethod
    def _families() -> tuple[
        GaugeMetricFamily,
        GaugeMetricFamily,
        GaugeMetricFamily,
        CounterMetricFamily,
        GaugeMetricFamily,
    ]:
        return (
            GaugeMetricFamily(
                "stanine_queue_entries", "Entries of a queue by state.", labels=["queue", "state"]
            ),
            GaugeMetricFamily(
                "stanine_queue_oldest_age_seconds",
                "Age of the oldest unsettled entry.",
                labels=["queue"],
            ),
            GaugeMetricFamily(
                "stanine_queue_state",
                "1 for the current state of the queue.",
                labels=["queue", "state"],
            ),
            CounterMetricFamily(
                "stanine_queue_deaths",
                "Messages dead-lettered by all consumers, by reason.",
                labels=["queue", "reason"],
            ),
            GaugeMetricFamily(
                "stanine_queues_readable",
                "1 if the queues could be read for this scrape.",
                labels=[],
            ),
        )


class _Pool(Collector):
    def __init__(self, name: str, read: Callable[[], tuple[int, int]]) -> None:
        self._name, self._read = name, read

    def describe(self) -> Iterator[Metric]:
        """Describe no metrics: pools share metric names and differ in their label."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read the pool."""
        in_use, allowed = self._read()
        family = GaugeMetricFamily(
            "stanine_redis_pool_connections",
            "Connections of a Redis pool.",
            labels=["pool", "state"],
        )
        family.add_metric([self._name, "in_use"], in_use)
        family.add_metric([self._name, "allowed"], allowed)
        yield family
