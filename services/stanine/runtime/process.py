"""Watcher process: configuration from the environment, bootstrap, work, and graceful shutdown.

The mains of both watchers call `run_watcher` with a function that registers actors and returns loops. SIGTERM finishes
running batches, returns the rest to the queue, and exits with status 0.
"""

import argparse
import gc
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import dramatiq
import redis
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry, Gauge

from stanine import store
from stanine.broker import StreamsBroker
from stanine.broker.bootstrap import QueueDeclaration, bootstrap_until_ready
from stanine.broker.connection.clients import connect, pool_use
from stanine.broker.connection.environment import InvalidEnvironmentError, read_environment
from stanine.broker.connection.functions import Library
from stanine.messages import MessageRoute, Outbox
from stanine.runtime.failure_log import LoopFailures
from stanine.runtime.loop_states import LoopStates
from stanine.runtime.readiness import Readiness
from stanine.runtime.settings_follower import FollowedSettings
from stanine.runtime.stopping import event_on_signals
from stanine.store.keys import Keys
from stanine.store.layout import advice_on_layout
from stanine.store.processes import NOTE_SECONDS, OwnProcess
from stanine.store.settings.model import Settings
from stanine.store.settings.reader import load_settings
from stanine.telemetry.health import HealthServer
from stanine.telemetry.heartbeats import Heartbeats
from stanine.telemetry.logs import configure_logs, get_log
from stanine.telemetry.metrics import QueueReading, make_registry, watch_pool, watch_queues
from stanine.telemetry.traces import TracingConfigError, get_tracer, make_provider, stop_provider
from stanine.telemetry.tracing import Tracing

#: Threads that run actors: two overlap scoring of one batch with loading and committing of another.
WORKER_THREADS = 2
#: Milliseconds after which an idle worker checks whether to stop. It receives messages without that delay.
WORKER_TIMEOUT = 500
#: Milliseconds to finish running batches: below the 25 s that a watcher guarantees, and the usual 30 s grace period of
#: a pod.
STOP_TIMEOUT = 20_000
#: Garbage collection thresholds: net allocations between collections, and collections between those of older
#: generations. Redis replies are many small lists without cycles, which the default (700, 10, 10) scans several times
#: per batch.
GC_THRESHOLDS = (50_000, 20, 20)
#: Seconds between reads of the settings.
SETTINGS_SECONDS = 1.0
#: Seconds after which a waiting loop checks whether its interval changed.
INTERVAL_CHECK_SECONDS = 1.0
#: Seconds without an iteration after which a loop counts as stuck.
LOOP_STUCK_SECONDS = 120.0


@dataclass
class Watcher:
    """Connections, metrics and settings from which a watcher is built."""

    client: "redis.Redis"
    library: Library
    keys: Keys
    broker: StreamsBroker
    registry: CollectorRegistry
    tracer: Tracer
    #: The runtime settings as last read, and callbacks for changes.
    settings: Settings
    on_settings: list[Callable[[Settings], None]] = field(default_factory=list)

    def outbox(self, route: MessageRoute) -> Outbox:
        """Return what a Redis function needs to append a message for a route."""
        return Outbox(
            self.broker.ready_key(route.queue), self.broker.head(route.queue, route.actor)
        )


@dataclass(frozen=True)
class WatcherLoop:
    """A periodic task: runs at start, then every `seconds()`."""

    name: str
    seconds: Callable[[], float]
    step: Callable[[], None]


Assemble = Callable[[Watcher], Sequence[WatcherLoop]]


def run_watcher(
    service: str, route: MessageRoute, assemble: Assemble, arguments: Sequence[str] | None = None
) -> int:
    """Run the watcher of one queue until SIGTERM or SIGINT; return the exit status.

    `assemble` registers the actors on the watcher's broker and returns its loops.
    """
    options = _read_arguments(service, arguments)
    configure_logs(service)
    log = get_log()
    try:
        environment = read_environment(os.environ)
    except InvalidEnvironmentError as error:
        log.error("environment.faulty", detail=str(error))  # noqa: TRY400 - the message is complete
        return 2
    try:
        provider = make_provider(f"stanine-{service}")
    except TracingConfigError as error:
        log.error("tracing.unusable", detail=str(error))  # noqa: TRY400 - same
        return 2
    stop = event_on_signals()
    tracer = get_tracer(provider)
    keys = Keys(environment.namespace)
    client = connect(environment.redis_url)
    broker = StreamsBroker(url=environment.redis_url, namespace=keys.partition)
    broker.add_middleware(Tracing(tracer))
    watcher = Watcher(
        client, store.load_library(), keys, broker, make_registry(), tracer, Settings()
    )
    watch_pool(watcher.registry, "commands", pool_use(client))
    watch_queues(watcher.registry, lambda: [read_queue(broker, route.queue)])
    loops = assemble(watcher)

    heartbeats = Heartbeats()
    readiness = Readiness("the bootstrap has not completed")
    ready_now = Gauge("stanine_ready", "1 if this process is ready.", registry=watcher.registry)
    ready_now.set_function(lambda: float(not readiness.reasons()))
    health = HealthServer(
        options.health_host,
        options.health_port,
        heartbeats=heartbeats,
        ready=readiness.reasons,
        registry=watcher.registry,
    )
    health.start()
    log.info("watcher.started", health_port=health.port, namespace=environment.namespace)
    try:
        ready = bootstrap_until_ready(
            client,
            namespace=keys.partition,
            queues=[QueueDeclaration(route.queue)],
            libraries=[watcher.library],
            stop=stop,
            on_state=lambda problem: readiness.waiting(
                "the worker has not started" if problem is None else str(problem)
            ),
        )
        if ready is not None and not stop.is_set():
            if advice := advice_on_layout(client):
                log.warning("server.layout", detail=advice)
            _work(service, watcher, route.queue, loops, heartbeats, readiness, stop)
    finally:
        health.stop()
        client.close()
        stop_provider(provider)
    log.info("watcher.stopped")
    return 0


def read_queue(broker: StreamsBroker, queue: str) -> QueueReading:
    """Return a queue's statistics for the metrics."""
    stats = broker.stats(queue)
    age = 0.0 if stats.oldest_ms is None else max(0.0, (stats.now_ms - stats.oldest_ms) / 1000)
    return QueueReading(
        queue,
        stats.ready,
        stats.in_flight,
        stats.delayed,
        stats.dead,
        age,
        stats.state.value,
        stats.deaths,
    )


def _work(
    service: str,
    watcher: Watcher,
    queue: str,
    loops: Sequence[WatcherLoop],
    heartbeats: Heartbeats,
    readiness: Readiness,
    stop: threading.Event,
) -> None:
    log = get_log()

    def try_write() -> None:
        watcher.broker.try_write(queue)

    # Exclude the objects loaded so far from garbage collection.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    beat = heartbeats.expect("consumer", LOOP_STUCK_SECONDS)
    watcher.broker.on_cycle = lambda _queue: beat()
    worker = dramatiq.Worker(
        watcher.broker, worker_threads=WORKER_THREADS, worker_timeout=WORKER_TIMEOUT
    )
    worker.start()
    states = LoopStates()
    own = OwnProcess(service, watcher.library, watcher.keys)
    every = [
        WatcherLoop("settings", lambda: SETTINGS_SECONDS, _follow_settings(watcher)),
        WatcherLoop(
            "presence", lambda: NOTE_SECONDS, lambda: own.note(watcher.client, states.now())
        ),
        *loops,
    ]
    threads = [
        threading.Thread(
            target=_run_loop,
            args=(loop, heartbeats, states, stop, try_write),
            name=loop.name,
            daemon=True,
        )
        for loop in every
    ]
    for thread in threads:
        thread.start()
    readiness.ready()
    log.info("watcher.ready")
    stop.wait()
    readiness.waiting("the process is stopping")
    log.info("watcher.stopping")
    heartbeats.forget("consumer")
    worker.stop(timeout=STOP_TIMEOUT)
    for thread in threads:
        thread.join(timeout=2)
    watcher.broker.close()


def _follow_settings(watcher: Watcher) -> Callable[[], None]:
    """Return the iteration that reads the settings and applies changes."""
    followed = FollowedSettings(watcher.settings)

    def step() -> None:
        if followed.take(load_settings(watcher.client, watcher.keys, followed.read)):
            watcher.settings = followed.read.settings
            for callback in watcher.on_settings:
                callback(watcher.settings)

    return step


def _run_loop(
    loop: WatcherLoop,
    heartbeats: Heartbeats,
    states: LoopStates,
    stop: threading.Event,
    try_write: Callable[[], None],
) -> None:
    failures = LoopFailures(get_log(loop=loop.name), try_write)
    beat = heartbeats.expect(loop.name, LOOP_STUCK_SECONDS)
    while not stop.is_set():
        try:
            loop.step()
            pause = failures.succeeded()
            states.succeeded(loop.name)
        except Exception as error:  # noqa: BLE001 - no error may end the loop
            pause = failures.failed(error)
            states.failed(loop.name, failures.text)
        ended = time.monotonic()
        beat()
        while (
            not stop.is_set()
            and (left := ended + max(pause, loop.seconds()) - time.monotonic()) > 0
        ):
            stop.wait(min(left, INTERVAL_CHECK_SECONDS))
            beat()
    heartbeats.forget(loop.name)


def _read_arguments(service: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=service,
        description="A watcher of Stanine. Reads STANINE_REDIS_URL, STANINE_NAMESPACE and OTEL_*.",
    )
    parser.add_argument(
        "--health-host",
        default="127.0.0.1",
        help="address for /healthz, /readyz and /metrics (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--health-port",
        type=int,
        default=0,
        help="port for them (default: a free one, see the log)",
    )
    return parser.parse_args(arguments)
