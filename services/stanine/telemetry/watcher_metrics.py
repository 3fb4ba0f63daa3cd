"""Metrics of the watchers. Each composition root creates its own; actors update them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .metrics import DURATION_BUCKETS

#: Attempts per batch: up to the maximum that the settings allow (`batchMaxAttempts`).
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class Sweeps:
    """Number of sweeps and time of the last one, whose age reveals a stuck sweep."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._count = Counter(
            "stanine_sweeps", "Sweeps of the records completed.", registry=registry
        )
        self._last = Gauge(
            "stanine_last_sweep_timestamp_seconds",
            "When the last sweep ended (Unix time); 0: never.",
            registry=registry,
        )

    def inc(self) -> None:
        """Count a completed sweep."""
        self._count.inc()
        self._last.set_to_current_time()


class ResultWatcherMetrics:
    """The resultWatcher's metrics in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.batch_size = Histogram(
            "stanine_score_batch_attempts",
            "Attempts in a scored batch.",
            buckets=_BATCH_BUCKETS,
            registry=registry,
        )
        self.scoring_seconds = Histogram(
            "stanine_scoring_duration_seconds",
            "Seconds to score a batch, without Redis.",
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "stanine_score_batch_duration_seconds",
            "Seconds from a batch's delivery to its commit.",
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        settled = Counter(
            "stanine_attempts_settled",
            "Attempts settled, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.scored = settled.labels("scored")
        self.failed = settled.labels("failed")
        self.lost_race = settled.labels("already_settled")
        self.rescored = Counter(
            "stanine_rescored_attempts",
            "Attempts compared by re-scorings, dry runs included.",
            registry=registry,
        )
        self.replaced = Counter(
            "stanine_rescored_attempts_changed",
            "Those whose result changes.",
            registry=registry,
        )
        self.sweeps = Sweeps(registry)
        self.swept = Counter(
            "stanine_swept",
            "Attempts or index entries requeued or built by sweeps.",
            registry=registry,
        )


class IndexWatcherMetrics:
    """The indexWatcher's metrics in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        builds = Counter(
            "stanine_index_builds",
            "Index entries built, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.built = builds.labels("built")
        self.unchanged = builds.labels("unchanged")
        self.failed = builds.labels("failed")
        self.build_seconds = Histogram(
            "stanine_index_build_duration_seconds",
            "Seconds to build and store one entry.",
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.stale = Gauge(
            "stanine_index_stale_entries",
            "Index entries that the last sweep could not build.",
            registry=registry,
        )
        self.sweeps = Sweeps(registry)
        self.swept = Counter(
            "stanine_swept",
            "Attempts or index entries requeued or built by sweeps.",
            registry=registry,
        )
