"""Metrics of the pages. Created by their composition root, in its own registry."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from stanine.telemetry.metrics import DURATION_BUCKETS

#: What a call of the API may end with: a response, a response with a server error, no response.
CALL_OUTCOMES = ("answered", "failed", "unreached")


class PagesMetrics:
    """Requests of the pages. Labels have fixed sets of values, never codes or ids of sessions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = Counter(
            "stanine_pages_requests",
            "Responses of the pages.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._duration = Histogram(
            "stanine_pages_request_duration_seconds",
            "Seconds from a request of the pages to its response, the calls of the API included.",
            ["method", "route"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._calls = Counter(
            "stanine_pages_api_calls",
            "Calls of the API by the pages, each attempt and each readiness probe.",
            ["outcome"],
            registry=registry,
        )
        # Prometheus detects no increase in a counter that starts at 1
        for outcome in CALL_OUTCOMES:
            self._calls.labels(outcome)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one response. `route`: the template of the path; "" for none."""
        self._requests.labels(method, route, str(status)).inc()
        self._duration.labels(method, route).observe(seconds)

    def call(self, status: int | None) -> None:
        """Count one call of the API by the status of its response; None: there was none."""
        if status is None:
            outcome = "unreached"
        else:
            outcome = "failed" if status >= 500 else "answered"
        self._calls.labels(outcome).inc()


def watch_readiness(registry: CollectorRegistry) -> Callable[[bool], None]:
    """Report whether the process takes work: 0 until the returned function is called with True."""
    ready = Gauge("stanine_ready", "1 if this process is ready.", registry=registry)
    return ready.set
