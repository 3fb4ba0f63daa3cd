"""Metrics of the pages. Created by their composition root, in its own registry."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from stanine.telemetry.metrics import DURATION_BUCKETS


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

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one response. `route`: the template of the path; "" for none."""
        self._requests.labels(method, route, str(status)).inc()
        self._duration.labels(method, route).observe(seconds)
