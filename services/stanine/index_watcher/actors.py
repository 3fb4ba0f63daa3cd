"""The indexWatcher's actor: builds index entries for instrument names.

Several messages for one instrument cause one build.
"""

import logging
import time

import dramatiq

from stanine.broker import StreamsBroker
from stanine.broker.retries import ACTOR_RETRY_SECONDS, Backoff, call_with_retries
from stanine.index_watcher.index_builder import Built, IndexBuilder
from stanine.messages import BUILD_INDEX, split_names
from stanine.telemetry.logs import get_log
from stanine.telemetry.watcher_metrics import IndexWatcherMetrics


def register(broker: StreamsBroker, builder: IndexBuilder, metrics: IndexWatcherMetrics) -> None:
    """Define the actor on a broker."""
    backoff = Backoff(logging.getLogger(__name__), "Building entries", broker.client)

    @dramatiq.actor(
        broker=broker,
        actor_name=BUILD_INDEX.actor,
        queue_name=BUILD_INDEX.queue,
        batch="instruments",
        batch_max_messages=64,
    )
    def build_index(instruments: bytes) -> None:
        began = time.perf_counter()
        report(
            call_with_retries(
                lambda: builder.build(split_names(instruments)),
                backoff,
                timeout=ACTOR_RETRY_SECONDS,
            ),
            metrics,
        )
        metrics.build_seconds.observe(time.perf_counter() - began)


def report(built: Built, metrics: IndexWatcherMetrics) -> None:
    """Log and count the result of a build."""
    log = get_log()
    metrics.built.inc(built.built)
    metrics.unchanged.inc(built.unchanged)
    metrics.failed.inc(len(built.failed))
    if built.built:
        log.info("index.built", entries=built.built, unchanged=built.unchanged)
    for entry, problem in built.failed:
        log.error("index.not_built", entry=entry, detail=problem)
