"""The resultWatcher's one actor: a batch of attempt ids in, results committed."""

import logging
import time

import dramatiq

from stanine.broker import StreamsBroker
from stanine.broker.patience import Backoff, patiently
from stanine.messages import ATTEMPT_ID_BYTES, SCORE_ATTEMPTS
from stanine.result_watcher.batch_scorer import BatchScorer
from stanine.telemetry.logs import get_log
from stanine.telemetry.watcher_metrics import ResultWatcherMetrics

#: Bytes of ids in one batch: 1,024 attempts, where the cost of a batch itself no longer shows and a batch still takes few milliseconds.
BATCH_BYTES = 1024 * ATTEMPT_ID_BYTES


def register(broker: StreamsBroker, scorer: BatchScorer, metrics: ResultWatcherMetrics) -> None:
    """Define the actor on a broker."""
    log, logger = get_log(), logging.getLogger(__name__)

    @dramatiq.actor(
        broker=broker,
        actor_name=SCORE_ATTEMPTS.actor,
        queue_name=SCORE_ATTEMPTS.queue,
        batch="attempts",
        batch_max_messages=512,
        batch_max_bytes=BATCH_BYTES,
    )
    def score_attempts(attempts: bytes) -> None:
        began = time.perf_counter()
        # Waiting out a short outage keeps the batch whole; raising would have it taken apart.
        tally = patiently(lambda: scorer.score(attempts), Backoff(logger, "Scoring"))
        metrics.batch_size.observe(len(attempts) // ATTEMPT_ID_BYTES)
        metrics.batch_seconds.observe(time.perf_counter() - began)
        metrics.scoring_seconds.observe(tally.scoring_seconds)
        metrics.scored.inc(tally.scored)
        metrics.failed.inc(tally.failed)
        metrics.lost_race.inc(tally.already)
        log.debug("attempts.scored", scored=tally.scored, failed=tally.failed, already=tally.already, unknown=tally.unknown)
        if tally.failed:
            log.warning("attempts.failed", count=tally.failed)
