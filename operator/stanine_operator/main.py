"""The operator's process: composition and kopf's registrations. Console script `stanine-operator`.

kopf runs the watches and writes nothing. Its events go to the controller, which schedules all reconciliations.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kopf
from opentelemetry.trace import TracerProvider

from stanine.runtime.readiness import Readiness
from stanine.runtime.stopping import call_on_signals
from stanine.telemetry.health import HealthServer
from stanine.telemetry.heartbeats import Heartbeats
from stanine.telemetry.logs import configure_logs, get_log
from stanine.telemetry.metrics import make_registry
from stanine.telemetry.traces import TracingConfigError, get_tracer, make_provider, stop_provider
from stanine_operator.controller.catalogue import all_kinds
from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.controller import Controller
from stanine_operator.controller.events import EventRecorder
from stanine_operator.controller.kinds import GROUP, VERSION, KindHandler
from stanine_operator.controller.reconciler import Reconciler
from stanine_operator.controller.resource import Key, read_resource
from stanine_operator.controller.resource_cache import ResourceCache
from stanine_operator.controller.responsibility import Responsibility
from stanine_operator.kubernetes.client import Client, ClusterError
from stanine_operator.kubernetes.cluster import Cluster
from stanine_operator.kubernetes.credentials import (
    ClusterCredentialsError,
    connection_info,
    load_credentials,
)
from stanine_operator.kubernetes.leaving import Leaving
from stanine_operator.metrics import OperatorMetrics
from stanine_operator.redis_servers.connections import Connections
from stanine_operator.redis_servers.monitor import ServerMonitor
from stanine_operator.settings import (
    DEFAULT_NAMESPACE,
    Options,
    configure_kopf,
    read_options,
    served_namespaces,
)

#: Seconds between checks for missing CustomResourceDefinitions.
KINDS_INTERVAL = 2.0
#: Seconds between checks whether the first lists are complete.
LISTS_INTERVAL = 0.2
#: Seconds that running reconciliations may take after the process was asked to stop.
STOP_TIMEOUT = 12.0
#: Seconds to post the last Events.
EVENTS_TIMEOUT = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator until SIGTERM or SIGINT; return the exit status."""
    options = read_options(arguments)
    configure_logs("operator")
    for chatty in (
        "kopf",
        "aiohttp",
        "kubernetes",
    ):  # kopf logs every retried request, with its URL, as an error
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        provider = make_provider("stanine-operator")
        return asyncio.run(_serve(options, provider))
    except (ClusterCredentialsError, TracingConfigError) as error:
        get_log().error("operator.unusable", detail=str(error))
        return 2


async def _serve(options: Options, provider: TracerProvider) -> int:
    """Compose the parts, run kopf and the controller, and shut everything down."""
    log = get_log()
    settings = kopf.OperatorSettings()
    configure_kopf(settings)
    kinds = {kind.name: kind for kind in all_kinds()}
    resource_cache, heartbeats, readiness = (
        ResourceCache(),
        Heartbeats(),
        Readiness("it is starting"),
    )
    metrics = OperatorMetrics(make_registry(), resource_cache, kinds)
    client = await Client.connect(
        on_response=lambda method, status: metrics.requests.labels(method, str(status)).inc()
    )
    cluster, namespaces = Cluster(client), served_namespaces(options, client.namespace)
    health = HealthServer(
        options.health_host,
        options.health_port,
        heartbeats=heartbeats,
        ready=readiness.reasons,
        registry=metrics.registry,
    )
    health.start()
    recorder = EventRecorder(cluster, dropped=lambda why: metrics.dropped_events.labels(why).inc())
    connections = Connections(cluster.read_secret_from_thread)
    executor = ThreadPoolExecutor(options.workers, thread_name_prefix="reconcile")
    reconciler = Reconciler(
        kinds,
        ReconcileContext(connections, resource_cache, options.operator_id),
        cluster,
        recorder,
        metrics,
        get_tracer(provider),
        executor,
    )
    controller = Controller(
        kinds, resource_cache, reconciler, connections, cluster, metrics, heartbeats,
        workers=options.workers, namespaces=tuple(namespaces) or (None,),
    )  # fmt: skip
    responsibility = Responsibility(
        cluster, options.operator_id, tuple(namespaces), client.namespace or DEFAULT_NAMESPACE
    )
    reconciler.wait, responsibility.changed = responsibility.wait, controller.served_changed
    stop, watch_again = asyncio.Event(), asyncio.Event()
    connections.changed, reconciler.readiness_changed, controller.history_changed = (
        controller.connection_changed,
        controller.readiness_changed,
        watch_again.set,
    )
    call_on_signals(stop.set)
    log.info("operator.started", health_port=health.port, namespaces=list(namespaces) or "all")
    posting = asyncio.create_task(recorder.run(), name="events")
    working: list[asyncio.Task[None]] = []
    failed = _Failed(stop)
    posting.add_done_callback(failed)
    try:
        ready_for = (lambda: _missing(cluster, kinds), lambda: _refused_leases(responsibility))
        if all([await _wait_for(each, readiness, stop) for each in ready_for]):
            monitor = ServerMonitor(
                connections,
                controller.connection_changed,
                lambda key: _last_run_id(resource_cache, key),
            )
            working = [
                *controller.start(),
                asyncio.create_task(_begin_when_synced(controller, readiness), name="readiness"),
                asyncio.create_task(monitor.run(), name="monitor"),
                asyncio.create_task(responsibility.run(), name="leases"),
            ]
            for task in working:
                task.add_done_callback(failed)
            while await _watch(
                _register(kinds, controller, controller.history),
                settings,
                namespaces,
                stop,
                watch_again,
            ):
                watch_again.clear()
    finally:
        log.info("operator.stopping")
        readiness.waiting("it is stopping")
        controller.stop()
        leaving = Leaving(cluster, kinds, responsibility, reconciler, namespaces, client.namespace)
        await leaving.free()
        await _end(working)
        await leaving.free()  # resources to which a running reconciliation added the finalizer
        await recorder.drain(EVENTS_TIMEOUT)
        posting.cancel()
        await client.close()
        executor.shutdown(wait=False, cancel_futures=True)
        connections.close()
        health.stop()
        stop_provider(provider)
    log.info("operator.stopped")
    return 0 if stop.is_set() and not failed.any_failed else 1


class _Failed:
    """Stops the process when one of its tasks fails.

    A partial operator would seem healthy and do nothing.
    """

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self.any_failed = False

    def __call__(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            get_log().error("operator.task_failed", task=task.get_name(), exc_info=error)
            self.any_failed = True
            self._stop.set()


async def _watch(
    registry: kopf.OperatorRegistry,
    settings: kopf.OperatorSettings,
    namespaces: Collection[str],
    stop: asyncio.Event,
    again: asyncio.Event,
) -> bool:
    """Run kopf until `stop` or `again` is set or kopf fails. Return whether to run it again.

    If kopf fails, the process ends and is restarted. kopf continues a broken stream from the last resourceVersion,
    for which an API server with another history sends nothing; hence `again`.
    """
    ended = asyncio.Event()
    waiting = [asyncio.create_task(event.wait()) for event in (stop, again)]
    for task in waiting:
        task.add_done_callback(lambda _: ended.set())
    others = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=settings,
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=ended,
    )
    call_on_signals(stop.set)  # kopf has replaced the signal handlers
    try:
        await kopf.run_tasks(tasks, ignored=others)
    except Exception:  # noqa: BLE001 - the process cannot continue without the watch
        get_log().exception("watch.failed")
        return False
    finally:
        for task in waiting:
            task.cancel()
    return again.is_set() and not stop.is_set()


def _register(
    kinds: dict[str, KindHandler], controller: Controller, history: int
) -> kopf.OperatorRegistry:
    """Register kopf's watches.

    The handlers only forward objects; none can fail, so kopf never retries. kopf's indexes are not used: at the start
    they wake all waiting objects for each indexed one, half a million times for a thousand. `history`: the number of
    the history in which this watch begins, which identifies its late events after a new history began.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return connection_info(await load_credentials())

    for kind in kinds.values():

        async def on_event(
            event: kopf.RawEvent, body: kopf.Body, kind: KindHandler = kind, **_: Any
        ) -> None:
            resource = read_resource(kind.name, body, history)
            if event["type"] == "DELETED":
                controller.remove(resource)
            else:
                controller.observe(resource)

        kopf.on.event(GROUP, VERSION, kind.plural, registry=registry, id=f"event-{kind.plural}")(
            on_event
        )
    return registry


def _last_run_id(resource_cache: ResourceCache, key: Key) -> str | None:
    """Return the server's run id as of the RedisConfig's last reconciliation."""
    resource = resource_cache.get(key)
    return None if resource is None else resource.status.get("runId")


async def _begin_when_synced(controller: Controller, readiness: Readiness) -> None:
    """Start the workers and report readiness once the cache is complete."""
    readiness.waiting("the first lists of resources are not complete")
    while not await controller.is_synced():  # noqa: ASYNC110 - the API server is polled
        await asyncio.sleep(LISTS_INTERVAL)
    controller.begin()
    readiness.ready()


async def _missing(cluster: Cluster, kinds: dict[str, KindHandler]) -> str:
    missing = await cluster.missing_kinds(kinds.values())
    return (
        f"not installed: {', '.join(missing)}; apply the chart's CustomResourceDefinitions"
        if missing
        else ""
    )


async def _refused_leases(responsibility: Responsibility) -> str:
    try:
        await responsibility.refresh()
    except ClusterError as error:
        if error.status != 403:
            raise
        return "it may not use the leases that tell which operator serves what: extend its Role (docs/howto/operate.md, Rights)"
    return ""


async def _wait_for(
    obstacle: Callable[[], Awaitable[str]], readiness: Readiness, stop: asyncio.Event
) -> bool:
    """Wait until `obstacle` returns an empty string; return False if stopped first."""
    logged: object = None
    while not stop.is_set():
        try:
            reason = await obstacle()
        except ClusterError as error:
            reason = f"the API server refuses or does not answer ({error.status or 'no answer'})"
        if not reason:
            return True
        readiness.waiting(reason)
        if reason != logged:
            get_log().warning("operator.waiting", detail=reason)
            logged = reason
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KINDS_INTERVAL):
                await stop.wait()
    return False


async def _end(working: list["asyncio.Task[None]"]) -> None:
    """Let running reconciliations finish within the timeout, then cancel them."""
    if not working:
        return
    for task in working:
        if not task.get_name().startswith("worker"):
            task.cancel()
    _, late = await asyncio.wait(working, timeout=STOP_TIMEOUT)
    for task in late:
        task.cancel()
    if late:
        get_log().warning("operator.turns_cut", count=len(late))
        await asyncio.wait(late, timeout=1)
