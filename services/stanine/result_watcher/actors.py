"""The resultWatcher's actor: scores a batch of attempt ids and commits the results."""

import logging
import time
from collections.abc import Callable

import dramatiq

from stanine.broker import StreamsBroker
from stanine.broker.retries import ACTOR_RETRY_SECONDS, Backoff, call_with_retries
from stanine.messages import ATTEMPT_ID_BYTES, SCORE_ATTEMPTS
from stanine.result_watcher.batch_scorer import BatchScorer
from stanine.store.settings.model import Settings
from stanine.telemetry.logs import get_log
from stanine.telemetry.watcher_metrics import ResultWatcherMetrics

#: Default maximum of messages per batch; at this size the overhead of a call is spread thin.
BATCH_MESSAGES = 512


def register(
    broker: StreamsBroker, scorer: BatchScorer, metrics: ResultWatcherMetrics
) -> Callable[[Settings], None]:
    """Define the actor on a broker; return a callback that applies changed settings to it."""
    log, backoff = get_log(), Backoff(logging.getLogger(__name__), "Scoring", broker.client)

    @dramatiq.actor(
        broker=broker,
        actor_name=SCORE_ATTEMPTS.actor,
        queue_name=SCORE_ATTEMPTS.queue,
        batch="attempts",
    )
    def score_attempts(attempts: bytes) -> None:
        began = time.perf_counter()
        # Wait for the end of a short outage, which keeps the batch whole; an exception would split it.
        tally = call_with_retries(
            lambda: scorer.score(attempts), backoff, timeout=ACTOR_RETRY_SECONDS
        )
        metrics.batch_size.observe(len(attempts) // ATTEMPT_ID_BYTES)
        metrics.batch_seconds.observe(time.perf_counter() - began)
        metrics.scoring_seconds.observe(tally.scoring_seconds)
        metrics.scored.inc(tally.scored)
        metrics.failed.inc(tally.failed)
        metrics.lost_race.inc(tally.already)
        log.debug(
            "attempts.scored",
            scored=tally.scored,
            failed=tally.failed,
            already=tally.already,
            unknown=tally.unknown,
        )
        if tally.failed:
            log.warning("attempts.failed", count=tally.failed)

    def apply_settings(settings: Settings) -> None:
        score_attempts.options.update(_limits(settings))

    apply_settings(Settings())
    return apply_settings


def _limits(settings: Settings) -> dict[str, int]:
    """Return the limits of a batch. A single message with more ids forms its own batch."""
    most = settings.batch_max_attempts
    return {
        "batch_max_messages": min(BATCH_MESSAGES, most),
        "batch_max_bytes": most * ATTEMPT_ID_BYTES,
    }
