"""The resultWatcher's actors: score a batch of attempts and commit the results; do a step of a re-scoring."""

import logging
import time
from collections.abc import Callable

import dramatiq

from stanine.broker import StreamsBroker
from stanine.broker.retries import ACTOR_RETRY_SECONDS, Backoff, call_with_retries
from stanine.messages import (
    ATTEMPT_ID_BYTES,
    RESCORE,
    SCORE_ATTEMPTS,
    split_rescoring_steps,
)
from stanine.result_watcher.batch_scorer import BatchScorer
from stanine.result_watcher.rescorer import Rescorer
from stanine.store.settings.model import Settings
from stanine.telemetry.logs import get_log
from stanine.telemetry.watcher_metrics import ResultWatcherMetrics

#: Default maximum of messages per batch; at this size the overhead of a call is spread thin.
BATCH_MESSAGES = 512
#: Seconds that a step of a re-scoring is retried before its message is delayed: short, because new attempts need the
#: thread, and a full server refuses re-scoring for as long as it is full.
RESCORING_RETRY_SECONDS = 10.0


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


def register_rescoring(
    broker: StreamsBroker, rescorer: Rescorer, metrics: ResultWatcherMetrics
) -> None:
    """Define the actor that does steps of re-scorings; committing a step queues the next."""
    log, backoff = get_log(), Backoff(logging.getLogger(__name__), "Re-scoring", broker.client)

    @dramatiq.actor(
        broker=broker,
        actor_name=RESCORE.actor,
        queue_name=RESCORE.queue,
        batch="steps",
        batch_max_messages=1,
    )
    def rescore(steps: bytes) -> None:
        for step in split_rescoring_steps(steps):
            tally = call_with_retries(
                lambda step=step: rescorer.do(step),  # type: ignore[misc]
                backoff,
                timeout=RESCORING_RETRY_SECONDS,
            )
            metrics.rescored.inc(tally.attempts)
            metrics.replaced.inc(tally.changed)
            log.debug("attempts.rescored", attempts=tally.attempts, changed=tally.changed)
            if tally.failed is not None:
                log.error("rescoring.failed", run=step.run.hex(), reason=tally.failed)


def _limits(settings: Settings) -> dict[str, int]:
    """Return the limits of a batch. A single message with more ids forms its own batch."""
    most = settings.batch_max_attempts
    return {
        "batch_max_messages": min(BATCH_MESSAGES, most),
        "batch_max_bytes": most * ATTEMPT_ID_BYTES,
    }
