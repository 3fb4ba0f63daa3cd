"""The resultWatcher's composition root: `python -m stanine.result_watcher`."""

import time
from collections.abc import Sequence

from stanine.messages import RESCORE, SCORE_ATTEMPTS
from stanine.result_watcher.actors import register, register_rescoring
from stanine.result_watcher.attempt_sweep import sweep_attempts
from stanine.result_watcher.batch_scorer import BatchScorer
from stanine.result_watcher.rescorer import Rescorer
from stanine.result_watcher.rescoring_sweep import sweep_rescorings
from stanine.runtime.process import Watcher, WatcherLoop, run_watcher
from stanine.store.index import Index
from stanine.store.instruments import InstrumentHistory
from stanine.store.rescoring import Rescorings
from stanine.store.results import Results
from stanine.store.sweep import Sweep
from stanine.telemetry.logs import get_log
from stanine.telemetry.watcher_metrics import ResultWatcherMetrics


def assemble(watcher: Watcher) -> Sequence[WatcherLoop]:
    """Register the actors and return the sweep."""
    client, library, keys = watcher.client, watcher.library, watcher.keys
    results = Results(client, library, keys, watcher.outbox(SCORE_ATTEMPTS))
    instruments = InstrumentHistory(client, keys)
    scorer = BatchScorer(
        results,
        Index(client, library, keys),
        instruments,
        clock=time.perf_counter,
    )
    metrics = ResultWatcherMetrics(watcher.registry)
    watcher.on_settings.append(register(watcher.broker, scorer, metrics))
    sweep = Sweep(client, library, keys)
    rescorings = Rescorings(client, library, keys, watcher.outbox(RESCORE))
    register_rescoring(watcher.broker, Rescorer(rescorings, results, instruments), metrics)

    def sweep_once() -> None:
        oldest = watcher.broker.stats(SCORE_ATTEMPTS.queue).oldest_ms
        swept = sweep_attempts(sweep, results, oldest, watcher.settings.max_requeues)
        requeued = sweep_rescorings(rescorings, oldest, watcher.settings.max_requeues)
        metrics.sweeps.inc()
        metrics.swept.inc(swept.requeued)
        metrics.failed.inc(swept.failed)
        if swept.requeued or swept.failed:
            get_log().warning("attempts.swept", requeued=swept.requeued, failed=swept.failed)
        if requeued:
            get_log().warning("rescoring.swept", requeued=requeued)

    return [WatcherLoop("sweep", lambda: watcher.settings.sweep_seconds, sweep_once)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    return run_watcher("result-watcher", SCORE_ATTEMPTS, assemble, arguments)
