"""The indexWatcher's composition root: `python -m stanine.index_watcher`."""

from collections.abc import Sequence

from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.index_watcher.actors import register, report
from stanine.index_watcher.index_builder import IndexBuilder
from stanine.messages import BUILD_INDEX
from stanine.runtime.process import Watcher, WatcherLoop, run_watcher
from stanine.store.index import Index
from stanine.store.instruments import InstrumentHistory
from stanine.telemetry.watcher_metrics import IndexWatcherMetrics


def assemble(watcher: Watcher) -> Sequence[WatcherLoop]:
    """Register the actor and return the sweep."""
    client, keys = watcher.client, watcher.keys
    builder = IndexBuilder(
        InstrumentHistory(client, keys), Index(client, watcher.library, keys), ENGINE_VERSION
    )
    metrics = IndexWatcherMetrics(watcher.registry)
    register(watcher.broker, builder, metrics)

    def sweep_once() -> None:
        repaired = builder.repair()
        metrics.sweeps.inc()
        metrics.swept.inc(repaired.built)
        metrics.stale.set(len(repaired.failed))
        report(repaired, metrics)

    return [WatcherLoop("sweep", lambda: watcher.settings.sweep_seconds, sweep_once)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    return run_watcher("index-watcher", BUILD_INDEX, assemble, arguments)
