"""The operator's metrics in one registry.

Created by main.py, updated by the controller, served at `/metrics`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stanine.telemetry.metrics import DURATION_BUCKETS
from stanine_operator.controller.resource import Key
from stanine_operator.controller.resource_cache import ResourceCache
from stanine_operator.controller.status import is_ready

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class OperatorMetrics:
    """The operator's metrics."""

    def __init__(
        self, registry: CollectorRegistry, resource_cache: ResourceCache, kinds: Iterable[str]
    ) -> None:
        self.registry = registry
        prefix = "stanine_operator"
        self.reconciles = Counter(
            f"{prefix}_reconciles",
            "Reconciliations done, by kind and result.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.duration = Histogram(
            f"{prefix}_reconcile_duration_seconds",
            "Seconds a reconciliation took.",
            ["kind"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.errors = Counter(
            f"{prefix}_errors",
            "Reconciliations that failed, by kind and reason.",
            ["kind", "reason"],
            registry=registry,
        )
        self.requests = Counter(
            f"{prefix}_api_requests",
            "Requests to the API server (0: no answer).",
            ["method", "status"],
            registry=registry,
        )
        self.writes = Counter(
            f"{prefix}_status_writes", "Statuses written, by kind.", ["kind"], registry=registry
        )
        self.dropped_events = Counter(
            f"{prefix}_events_dropped", "Events not posted, by cause.", ["why"], registry=registry
        )
        self.stale = Counter(
            f"{prefix}_stale_resources",
            "Changes of resources that the watch missed.",
            ["kind"],
            registry=registry,
        )
        self.waiting = Gauge(
            f"{prefix}_waiting",
            "Resources that are due and wait for a free worker.",
            registry=registry,
        )
        self.gauges = ResourceGauges(resource_cache, tuple(kinds))
        registry.register(self.gauges)


class ResourceGauges(Collector):
    """Gauges of the resources by readiness, and of each kind's own figures.

    For example `stanine_operator_queue_ready{namespace,name}`.
    """

    def __init__(self, resource_cache: ResourceCache, kinds: tuple[str, ...]) -> None:
        self._resource_cache = resource_cache
        self._kinds = kinds
        self._values: dict[Key, Mapping[str, float]] = {}

    def set(self, key: Key, values: Mapping[str, float]) -> None:
        """Replace the figures of a resource."""
        self._values[key] = values

    def forget(self, key: Key) -> None:
        """Remove the figures of a resource."""
        self._values.pop(key, None)

    def describe(self) -> Iterator[Metric]:
        """Return the metrics that always exist."""
        yield _resources()

    def collect(self) -> Iterator[Metric]:
        """Return the current figures from memory; no server is queried."""
        resources = _resources()
        for kind in self._kinds:
            counts = {"True": 0, "False": 0, "Unknown": 0}
            for resource in self._resource_cache.all(kind):
                counts[
                    {True: "True", False: "False", None: "Unknown"}[is_ready(resource.status)]
                ] += 1
            for ready, count in counts.items():
                resources.add_metric([kind, ready], count)
        yield resources
        families: dict[str, GaugeMetricFamily] = {}
        for (kind, namespace, name), values in list(self._values.items()):
            for gauge, value in values.items():
                full = f"stanine_operator_{_snake(kind)}_{_snake(gauge)}"
                family = families.get(full)
                if family is None:
                    family = families[full] = GaugeMetricFamily(
                        full, f"{_snake(gauge)} of a {kind}.", labels=["namespace", "name"]
                    )
                family.add_metric([namespace, name], value)
        yield from families.values()


def _resources() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "stanine_operator_resources",
        "Resources by kind and status of the condition Ready.",
        labels=["kind", "ready"],
    )


def _snake(name: str) -> str:
    return _HUMP.sub("_", name).lower()
