"""The operator's controller: work queue, workers, and periodic comparison with the API server.

Events of kopf's watch only enqueue keys; reconciliation reads the current state. Changes that the watch missed (a
lost update, a dead stream, a deletion during a gap) are found every few minutes by comparing the metadata of all
resources with the resource cache.

After etcd is restored from a backup, the watch delivers nothing until resourceVersions exceed those from before the
restore, and every cached state seems newer than the restored one. The controller therefore compares the
resourceVersion of a list with that of the previous list every few seconds. If it is lower, or if two consecutive
lists show an older state than the cached one, a new history begins: lists replace the whole cache regardless of
versions, and the watch restarts.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stanine.telemetry.heartbeats import Heartbeats
from stanine.telemetry.logs import get_log
from stanine_operator.controller.history import differs, is_lower
from stanine_operator.controller.kinds import KindHandler
from stanine_operator.controller.reconciler import GONE, Reconciler, ReconcileRun
from stanine_operator.controller.resource import Key, Resource, read_resource
from stanine_operator.controller.resource_cache import REMEMBERED, ResourceCache
from stanine_operator.controller.workqueue import WorkQueue, next_pause
from stanine_operator.kubernetes.client import ClusterError
from stanine_operator.kubernetes.cluster import Cluster
from stanine_operator.metrics import OperatorMetrics
from stanine_operator.redis_servers.connections import Connections

#: Seconds between two comparisons with the API server.
COMPARE_INTERVAL = 180.0
#: Seconds between two checks for a new history, and between a difference and the second list.
HISTORY_INTERVAL = 10.0
#: Seconds between checks while the API server is unavailable: it may return with other data.
UNAVAILABLE_INTERVAL = 2.0
#: Seconds after which a reconciliation counts as stuck: well above every timeout of Redis and the API server.
RECONCILE_STUCK = 180.0
#: Seconds without a comparison after which the comparison loop counts as stuck.
COMPARE_STUCK = 3 * COMPARE_INTERVAL
#: Seconds of comparisons that all found missed changes, after which the watch counts as dead and the process
#: restarts.
WATCH_MISSING = 4 * COMPARE_INTERVAL
#: Seconds after which a resource that is listed but not cached may have been deleted.
LIST_AGAIN = 10.0
#: Seconds between heartbeats of an idle worker.
HEARTBEAT_INTERVAL = 5.0


class Controller:
    """Hands due resources to workers.

    All methods except `connection_changed` must be called in the event loop.
    """

    def __init__(
        self,
        kinds: Mapping[str, KindHandler],
        resource_cache: ResourceCache,
        reconciler: Reconciler,
        connections: Connections,
        cluster: Cluster,
        metrics: OperatorMetrics,
        heartbeats: Heartbeats,
        *,
        workers: int,
        namespaces: Sequence[str | None],
    ) -> None:
        """Create the controller. `namespaces`: the served namespaces; a single None means all."""
        self._kinds, self._resource_cache, self._reconciler, self._connections = (
            kinds,
            resource_cache,
            reconciler,
            connections,
        )
        self._cluster, self._metrics, self._heartbeats = cluster, metrics, heartbeats
        self._workers, self._namespaces = workers, namespaces
        self._loop = asyncio.get_running_loop()
        self._queue: WorkQueue[Key] = WorkQueue(self._loop.time)
        self._random = random.Random()  # noqa: S311 - jitter
        self._started = asyncio.Event()
        self._stopping = asyncio.Event()
        #: Called when a new history begins: the watch must restart with a list.
        self.history_changed: Callable[[], None] = lambda: None
        self._history = 0
        #: Whether the whole cache belongs to the current history.
        self._history_complete = True
        #: Listed resources that were not cached yet, and when to list them again.
        self._awaited: set[Key] = set()
        self._list_again = 0.0
        #: The resourceVersion of the last list.
        self._listed = ""
        #: Differences from the last list: keys, with uid and version of the cached state (None: not cached).
        self._suspects: dict[Key, tuple[str, str] | None] = {}
        metrics.waiting.set_function(lambda: float(self._queue.waiting()))

    # ------------------------------------------------------------------------------------------ events that enqueue

    @property
    def history(self) -> int:
        """Return the number of the API server's current history, as far as known."""
        return self._history

    def observe(self, resource: Resource) -> bool:
        """Cache a state from the watch or a list and enqueue affected resources.

        Return whether any was enqueued.
        """
        before = self._resource_cache.get(resource.key)
        if not self._resource_cache.put(resource):
            return False
        if before is not None and (before.uid, before.history) != (resource.uid, resource.history):
            self._reconciler.forget(before)
        if before is not None and not _needs_reconcile(before, resource):
            return False
        self._queue.enqueue(resource.key)
        self._enqueue_referrers(resource, also_if=before is None or before.spec != resource.spec)
        return True

    def remove(self, resource: Resource) -> bool:
        """Remove a deleted resource and enqueue resources that refer to it or conflict with it.

        Return whether it was cached.
        """
        if self._resource_cache.drop(resource.key, resource.uid, resource.history) is None:
            return False
        self._reconciler.forget(resource)
        self._queue.forget(resource.key)
        self._enqueue_referrers(resource, also_if=True)
        for conflict in self._resource_cache.all(
            resource.kind
        ):  # a resource in conflict may own the object now
            condition = next(
                (
                    each
                    for each in conflict.status.get("conditions") or ()
                    if each.get("status") == "False"
                ),
                None,
            )
            if condition is not None:
                self._queue.enqueue(conflict.key, self._random.random())
        if resource.kind == "RedisConfig":
            self._loop.call_later(REMEMBERED, self._forget_connection, resource.key)
        return True

    def readiness_changed(self, resource: Resource) -> None:
        """Enqueue the resources that refer to a RedisConfig whose readiness changed."""
        self._enqueue_referrers(resource, also_if=True)

    def served_changed(self) -> None:
        """Enqueue everything after the set of served namespaces changed."""
        for key in self._resource_cache.keys():  # noqa: SIM118 - not a mapping
            self._queue.enqueue(key, self._random.random())

    def connection_changed(self, key: Key) -> None:
        """Enqueue a RedisConfig and its referrers after a change of credentials or health.

        Thread-safe.
        """
        self._loop.call_soon_threadsafe(self._enqueue_with_referrers, key)

    def _enqueue_with_referrers(self, key: Key) -> None:
        if self._resource_cache.get(key) is not None:
            self._queue.enqueue(key, self._random.random())
        for referrer in self._resource_cache.referring_to(key[1], key[2]):
            self._queue.enqueue(referrer, self._random.random())

    def _enqueue_referrers(self, resource: Resource, *, also_if: bool) -> None:
        if resource.kind != "RedisConfig" or not also_if:
            return
        for key in self._resource_cache.referring_to(resource.namespace, resource.name):
            self._queue.enqueue(key, self._random.random())

    def _forget_connection(self, key: Key) -> None:
        if self._resource_cache.get(key) is None:
            self._connections.forget(key)

    # --------------------------------------------------------------------------------------------------- workers

    def start(self) -> list["asyncio.Task[None]"]:
        """Start the workers and the comparison."""
        tasks = [
            asyncio.create_task(self._work(number), name=f"worker {number}")
            for number in range(self._workers)
        ]
        return [*tasks, asyncio.create_task(self._run_comparison(), name="comparison")]

    def begin(self) -> None:
        """Let the workers start: the cache is complete.

        Earlier, conflicts could not be detected reliably.
        """
        self._started.set()

    async def is_synced(self) -> bool:
        """Return whether the cache contains all resources of a list of the API server.

        Resources created after that list are not awaited. While resources are missing, the list is repeated only to
        exclude deleted ones.
        """
        if not self._awaited or self._loop.time() >= self._list_again:
            try:
                listed = await self._list_keys()
            except ClusterError:
                return False
            self._awaited = self._awaited & listed if self._awaited else listed
            self._list_again = self._loop.time() + LIST_AGAIN
        self._awaited = {key for key in self._awaited if self._resource_cache.get(key) is None}
        return not self._awaited

    async def _list_keys(self) -> set[Key]:
        return {
            (kind.name, metadata["namespace"], metadata["name"])
            for kind in self._kinds.values()
            for namespace in self._namespaces
            for metadata in await self._cluster.list_metadata(kind, namespace)
        }

    def stop(self) -> None:
        """Start no further reconciliations; running ones finish."""
        self._stopping.set()
        self._started.set()
        self._queue.close()

    async def _work(self, number: int) -> None:
        await self._started.wait()
        name = f"worker-{number}"
        beat = self._heartbeats.expect(name, RECONCILE_STUCK)
        while not self._stopping.is_set():
            beat()
            key = await self._queue.next(HEARTBEAT_INTERVAL)
            if key is None:
                continue
            beat()
            resource = self._resource_cache.get(key)
            if resource is None:
                self._queue.done(key, None)
                continue
            try:
                run = await self._reconciler.reconcile(resource)
            except Exception:  # noqa: BLE001 - an unexpected error must not end the worker; it is logged with its traceback
                get_log().exception("turn.failed", kind=key[0], namespace=key[1], name=key[2])
                run = ReconcileRun("failed", succeeded=False, failures=5)
            if run.outcome == GONE:
                self.remove(resource)  # the watch will also deliver the deletion
            self._queue.done(key, None if run.outcome == GONE else self._pause(run))
        self._heartbeats.forget(name)

    def _pause(self, run: ReconcileRun) -> float:
        pause = next_pause(run.failures, self._random.random())
        return pause if run.requeue_after is None else min(pause, run.requeue_after)

    # ------------------------------------------------------------------------------------------------ comparison

    async def _run_comparison(self) -> None:
        beat = self._heartbeats.expect("comparison", COMPARE_STUCK)
        watch_works = self._heartbeats.expect("watch", WATCH_MISSING)
        due, answers = self._next_comparison(), True
        while True:
            beat()
            try:
                await self.check_history()
                if self._loop.time() >= due:
                    if not await self._compare_twice():
                        watch_works()
                    due = self._next_comparison()
                answers = True
            except ClusterError as error:
                if answers:
                    get_log().warning("comparison.failed", status=error.status)
                watch_works()  # an unavailable API server is not a failure of the watch
                due, answers = self._loop.time(), False
            await asyncio.sleep(HISTORY_INTERVAL if answers else UNAVAILABLE_INTERVAL)

    def _next_comparison(self) -> float:
        return self._loop.time() + COMPARE_INTERVAL * (0.8 + 0.4 * self._random.random())

    async def _compare_twice(self) -> int:
        """Compare, and compare again if anything differs.

        Return the number of changes that the watch missed.
        """
        missed = await self.compare()
        if not self._suspects:
            return missed
        await asyncio.sleep(HISTORY_INTERVAL)
        await self.check_history()
        return missed + await self.compare()

    async def check_history(self) -> None:
        """Begin a new history if the resourceVersion of a new list is lower than the last one."""
        kind = next(
            iter(self._kinds.values())
        )  # all custom resources share one resourceVersion counter
        version = await self._cluster.list_version(kind, self._namespaces[0])
        if not self._history_complete or is_lower(version, self._listed):
            await self._begin_history()
        self._listed = version

    async def compare(self) -> int:
        """Compare the cache with all resources' metadata; apply differences seen twice in a row.

        A single difference may only mean that the watch lags. Return the number of missed changes that enqueued a
        resource.
        """
        suspects: dict[Key, tuple[str, str] | None] = {}
        there: dict[Key, dict[str, Any]] = {}
        for kind in self._kinds.values():
            for namespace in self._namespaces:
                for metadata in await self._cluster.list_metadata(kind, namespace):
                    there[kind.name, metadata["namespace"], metadata["name"]] = metadata
            known = {resource.key: resource for resource in self._resource_cache.all(kind.name)}
            for key in [
                *known,
                *(key for key in there if key[0] == kind.name and key not in known),
            ]:
                if differs(known.get(key), there.get(key)):
                    suspects[key] = _state(known.get(key))
        missed = 0
        for key in [
            key
            for key, state in suspects.items()
            if key in self._suspects and self._suspects[key] == state
        ]:
            if await self._apply_state(key, listed=key in there):
                missed += 1
                self._metrics.stale.labels(key[0]).inc()
                get_log().warning("watch.missed", kind=key[0], namespace=key[1], name=key[2])
        self._suspects = suspects
        return missed

    async def _apply_state(self, key: Key, *, listed: bool) -> bool:
        """Apply the API server's state of a resource. Return whether any resource was enqueued."""
        known = self._resource_cache.get(key)
        if not listed:
            return known is not None and self.remove(known)
        try:
            body = await self._cluster.read_object(self._kinds[key[0]], key[1], key[2])
        except ClusterError as error:
            if not error.not_found:
                raise
            return known is not None and self.remove(known)
        found = read_resource(key[0], body, self._history)
        if (
            known is not None
            and known is self._resource_cache.get(key)
            and known.is_newer_than(found)
        ):
            # This state was read after the cached one, so it cannot be an older state of the same history. The watch
            # missed nothing.
            await self._begin_history()
            return False
        return self.observe(found)

    async def _begin_history(self) -> None:
        """Replace the cache by the API server's lists, regardless of versions; restart the watch.

        Raises ClusterError; the next check continues.
        """
        self._history += 1
        self._history_complete = False
        get_log().warning(
            "history.changed",
            detail="the API server's data is older than before: all resources are read again",
        )
        for kind in self._kinds.values():
            for namespace in self._namespaces:
                for body in await self._cluster.list_objects(kind, namespace):
                    self.observe(read_resource(kind.name, body, self._history))
            for known in self._resource_cache.all(kind.name):
                if known.history < self._history:
                    self.remove(known)
        self._history_complete = True
        self.history_changed()


def _state(resource: Resource | None) -> tuple[str, str] | None:
    return None if resource is None else (resource.uid, resource.version)


def _needs_reconcile(before: Resource, after: Resource) -> bool:
    """Return whether a change requires reconciliation: any change except of the status.

    The spec is compared in addition to the generation: in another history the same generation can have another spec.
    """
    return (before.uid, before.history, before.generation, before.annotations, before.deleting, before.finalizers, before.spec) != (
        after.uid, after.history, after.generation, after.annotations, after.deleting, after.finalizers, after.spec
    )  # fmt: skip
