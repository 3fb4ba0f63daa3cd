"""Metrics of the API. Created by its composition root; updated by routes and the intake."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .metrics import DURATION_BUCKETS

#: What may happen to a session: swept: submitted by the sweep, at its deadline; repeated: opened or submitted again.
SESSION_EVENTS = (
    "opened",
    "repeated",
    "saved",
    "conflict",
    "submitted",
    "swept",
    "withdrawn",
    "expired",
)


class ApiMetrics:
    """The API's metrics in one registry. Labels have fixed sets of values, never names or ids.

    `problems` lists all problem types. Each is initialized to 0, since Prometheus detects no increase in a counter that
    starts at 1.
    """

    def __init__(self, registry: CollectorRegistry, problems: Iterable[str] = ()) -> None:
        self.registry = registry
        self._requests = Counter(
            "stanine_http_requests",
            "HTTP responses sent.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._duration = Histogram(
            "stanine_http_request_duration_seconds",
            "Seconds from a request's headers to the end of its response.",
            ["method", "route"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        attempts = Counter(
            "stanine_attempts", "Attempts received, by outcome.", ["outcome"], registry=registry
        )
        self.attempts_accepted = attempts.labels("accepted")
        self.attempts_repeated = attempts.labels("repeated")
        self.attempts_refused = attempts.labels("refused")
        self._sessions = Counter(
            "stanine_sessions", "What happened to sessions, by event.", ["event"], registry=registry
        )
        for event in SESSION_EVENTS:
            self._sessions.labels(event)
        invitations = Counter(
            "stanine_invitations",
            "Invitations that were to be created, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.invitations = {
            outcome: invitations.labels(outcome) for outcome in ("created", "repeated", "refused")
        }
        erased = Counter(
            "stanine_erased",
            "What was erased, by its kind and why.",
            ["kind", "by"],
            registry=registry,
        )
        self.erased = {
            (kind, by): erased.labels(kind, by)
            for kind in ("attempt", "session", "invitation")
            for by in ("order", "retention")
        }
        self.overdue_sessions = Gauge(
            "stanine_sessions_overdue",
            "Sessions that were due at this process's last sweep and could not be ended.",
            registry=registry,
        )
        self._problems = Counter(
            "stanine_http_problems",
            "Problem responses sent, by the last part of their type.",
            ["type"],
            registry=registry,
        )
        for problem in problems:
            self._problems.labels(problem)
        self.ready = Gauge("stanine_ready", "1 if this process is ready.", registry=registry)
        # A route has few methods and statuses: one dict lookup replaces two label lookups per request.
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a response."""
        child = self._children.get((method, route, status))
        if child is None:
            child = (
                self._requests.labels(method, route, str(status)),
                self._duration.labels(method, route),
            )
            self._children[method, route, status] = child
        child[0].inc()
        child[1].observe(seconds)

    def session(self, event: str) -> None:
        """Count what happened to a session; `event` is one of SESSION_EVENTS."""
        self._sessions.labels(event).inc()

    def refused(self, problem: str) -> None:
        """Count one answered problem; `problem` is from docs/reference/problems.md's closed list."""
        self._problems.labels(problem).inc()

    def watch_index(
        self, read: Callable[[], tuple[int, int]], refreshed_at: Callable[[], float]
    ) -> None:
        """Report the index cache's (hits, misses), and when (Unix time) it was last current."""
        self.registry.register(_Lookups(read))
        Gauge(
            "stanine_index_refreshed_timestamp_seconds",
            "When this process's copy of the index was last made current (Unix time); 0: never.",
            registry=self.registry,
        ).set_function(refreshed_at)

    def watch_backups(self, newest_at: Callable[[], float]) -> None:
        """Report when the newest good backup was taken (Unix time; 0: none is recorded)."""
        Gauge(
            "stanine_backup_newest_timestamp_seconds",
            "When the newest good backup was taken (Unix time); 0: none is recorded.",
            registry=self.registry,
        ).set_function(newest_at)

    def watch_capacity(
        self, refuses: Callable[[], bool], memory: Callable[[], tuple[int, int]]
    ) -> None:
        """Report whether new work is rejected because Redis is nearly full, and its memory.

        `memory` returns (used, maximum) in bytes at the last check.
        """
        self.registry.register(_Memory(memory))
        Gauge(
            "stanine_refuses_new_work",
            "1 while Redis is too full for new work.",
            registry=self.registry,
        ).set_function(lambda: float(refuses()))


class _Memory(Collector):
    def __init__(self, read: Callable[[], tuple[int, int]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Read the server's memory as known to the API."""
        used, allowed = self._read()
        yield GaugeMetricFamily(
            "stanine_redis_memory_used_bytes", "Memory that Redis uses.", value=used
        )
        yield GaugeMetricFamily(
            "stanine_redis_memory_max_bytes",
            "Memory that Redis may use; 0: unlimited.",
            value=allowed,
        )


class _Lookups(Collector):
    def __init__(self, read: Callable[[], tuple[int, int]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Read the cache's counters."""
        hits, misses = self._read()
        family = CounterMetricFamily(
            "stanine_index_lookups",
            "Lookups of index entries in the process's cache.",
            labels=["result"],
        )
        family.add_metric(["hit"], hits)
        family.add_metric(["miss"], misses)
        yield family
