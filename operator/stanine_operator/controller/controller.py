"""The operator's own loop: a schedule, workers that take turns, and a second look at the API server. Started by main.py.

kopf's watch only wakes; what is true is looked up. Whatever the watch missed (a lost update, a dead stream, a deletion during a gap) is
found by comparing all metadata with what is known, every few minutes.

After etcd is restored from a backup, the watch is silent until the resourceVersions exceed those from before, and every state known from
before seems newer than what follows. So the resourceVersion of a list is compared with the last list's every few seconds. If it is lower,
or if two lists in a row show an older state than the known one, a new history begins: the lists replace all that is known, whatever the
versions are, and the watch begins again.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stanine.telemetry.heartbeats import Heartbeats
from stanine.telemetry.logs import get_log
from stanine_operator.controller.history import differs, is_lower
from stanine_operator.controller.kinds import Kind
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
#: Seconds between two looks whether the API server has another history; and from a difference to the second list.
HISTORY_INTERVAL = 10.0
#: Seconds between looks while the API server does not answer: it may come back with other data.
UNAVAILABLE_INTERVAL = 2.0
#: Seconds that one worker's turn may take before the loop counts as stuck: well above every timeout of Redis and the API server.
RECONCILE_STUCK = 180.0
#: Seconds without a comparison after which that loop counts as stuck.
COMPARE_STUCK = 3 * COMPARE_INTERVAL
#: Seconds of comparisons that all found something missing, after which the watch counts as dead and the process is started anew.
WATCH_MISSING = 4 * COMPARE_INTERVAL
#: Seconds between beats of a loop that waits for something to do.
HEARTBEAT_INTERVAL = 5.0


class Controller:
    """Hands due resources to workers. All methods but `connection_changed` belong to the event loop's thread."""

    def __init__(
        self, kinds: Mapping[str, Kind], resource_cache: ResourceCache, reconciler: Reconciler, connections: Connections, cluster: Cluster,
        metrics: OperatorMetrics, heartbeats: Heartbeats, *, workers: int, namespaces: Sequence[str | None],
    ) -> None:  # fmt: skip
        """`namespaces`: those that are served; one None means all."""
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
        self._random = random.Random()  # noqa: S311 - it spreads turns
        self._begun = asyncio.Event()
        self._stopping = asyncio.Event()
        #: Called when a new history has begun: the watch must begin again with a list.
        self.history_changed: Callable[[], None] = lambda: None
        self._history = 0
        #: Whether everything known is of this history.
        self._history_taken = True
        #: The resourceVersion of the last list.
        self._listed = ""
        #: What differed from the last list: keys, and uid and version of the known state (None: not known).
        self._suspects: dict[Key, tuple[str, str] | None] = {}
        metrics.waiting.set_function(lambda: float(self._queue.waiting()))

    # ------------------------------------------------------------------------------------------------------------- what wakes whom

    @property
    def history(self) -> int:
        """The number of the history that the API server has, as far as is known."""
        return self._history

    def observe(self, resource: Resource) -> bool:
        """Take in a state that the watch or a list has shown; wake whom it concerns, and tell whether it concerns anybody."""
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
        """Take in that a resource is gone; wake who stood on it, or behind it. Tell whether it was known."""
        if self._resource_cache.drop(resource.key, resource.uid, resource.history) is None:
            return False
        self._reconciler.forget(resource)
        self._queue.forget(resource.key)
        self._enqueue_referrers(resource, also_if=True)
        for conflict in self._resource_cache.all(
            resource.kind
        ):  # whoever was second to it may be first now
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

    def changed(self, resource: Resource) -> None:
        """Take in that a resource's readiness changed."""
        self._enqueue_referrers(resource, also_if=True)

    def served_changed(self) -> None:
        """Take in that this operator may serve other namespaces than before."""
        for key in self._resource_cache.keys():  # noqa: SIM118 - it is no mapping
            self._queue.enqueue(key, self._random.random())

    def connection_changed(self, key: Key) -> None:
        """Take in, from any thread, that a RedisConfig's credentials or the health of its connection changed."""
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

    # ---------------------------------------------------------------------------------------------------------------------- at work

    def start(self) -> list["asyncio.Task[None]"]:
        """Start the workers and the comparison."""
        tasks = [
            asyncio.create_task(self._work(number), name=f"worker {number}")
            for number in range(self._workers)
        ]
        return [*tasks, asyncio.create_task(self._compare_for_ever(), name="comparison")]

    def begin(self) -> None:
        """Let the workers take turns: everything is known. Until then they would decide about rivals without seeing them all."""
        self._begun.set()

    async def is_synced(self) -> bool:
        """Tell whether all that the API server lists is known here; if nothing is there, that is all."""
        try:
            for kind in self._kinds.values():
                for namespace in self._namespaces:
                    for metadata in await self._cluster.list_metadata(kind, namespace):
                        if (
                            self._resource_cache.get(
                                (kind.name, metadata["namespace"], metadata["name"])
                            )
                            is None
                        ):
                            return False
        except ClusterError:
            return False
        return True

    def stop(self) -> None:
        """Take no further turns; those that have begun end."""
        self._stopping.set()
        self._begun.set()
        self._queue.close()

    async def _work(self, number: int) -> None:
        await self._begun.wait()
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
            except Exception:  # noqa: BLE001 - a defect in one turn must not end the worker; it is logged whole
                get_log().exception("turn.failed", kind=key[0], namespace=key[1], name=key[2])
                run = ReconcileRun("failed", succeeded=False, failures=5)
            if run.outcome == GONE:
                self.remove(resource)  # the watch will say so, too
            self._queue.done(key, None if run.outcome == GONE else self._pause(run))
        self._heartbeats.forget(name)

    def _pause(self, run: ReconcileRun) -> float:
        pause = next_pause(run.failures, self._random.random())
        return pause if run.requeue_after is None else min(pause, run.requeue_after)

    # ------------------------------------------------------------------------------------------------------------------- second look

    async def _compare_for_ever(self) -> None:
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
                watch_works()  # an API server that is away is no fault of the watch's
                due, answers = self._loop.time(), False
            await asyncio.sleep(HISTORY_INTERVAL if answers else UNAVAILABLE_INTERVAL)

    def _next_comparison(self) -> float:
        return self._loop.time() + COMPARE_INTERVAL * (0.8 + 0.4 * self._random.random())

    async def _compare_twice(self) -> int:
        """Compare; once more, a little later, if anything differs. Return how many changes the watch had missed."""
        missed = await self.compare()
        if not self._suspects:
            return missed
        await asyncio.sleep(HISTORY_INTERVAL)
        await self.check_history()
        return missed + await self.compare()

    async def check_history(self) -> None:
        """Make a list; if its resourceVersion is lower than the last list's, begin a new history."""
        kind = next(
            iter(self._kinds.values())
        )  # the API server counts all custom resources together
        version = await self._cluster.list_version(kind, self._namespaces[0])
        if not self._history_taken or is_lower(version, self._listed):
            await self._begin_history()
        self._listed = version

    async def compare(self) -> int:
        """Compare what is known with all metadata; take in what differs twice in a row (the watch is a moment behind).

        Return how many changes were missed: those that somebody is woken for.
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
            if await self._take_in(key, listed=key in there):
                missed += 1
                self._metrics.stale.labels(key[0]).inc()
                get_log().warning("watch.missed", kind=key[0], namespace=key[1], name=key[2])
        self._suspects = suspects
        return missed

    async def _take_in(self, key: Key, *, listed: bool) -> bool:
        """Take in what the API server has of a resource; tell whether that concerns anybody."""
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
            # It was read after the known state, so it is no older state of the same history. The watch has missed nothing.
            await self._begin_history()
            return False
        return self.observe(found)

    async def _begin_history(self) -> None:
        """Replace all that is known by what the API server lists, whatever the versions are, and have the watch begin again.

        Raises ClusterError; the next look goes on.
        """
        self._history += 1
        self._history_taken = False
        get_log().warning(
            "history.changed",
            detail="the API server's data is older than before: everything is read again",
        )
        for kind in self._kinds.values():
            for namespace in self._namespaces:
                for body in await self._cluster.list_objects(kind, namespace):
                    self.observe(read_resource(kind.name, body, self._history))
            for known in self._resource_cache.all(kind.name):
                if known.history < self._history:
                    self.remove(known)
        self._history_taken = True
        self.history_changed()


def _state(resource: Resource | None) -> tuple[str, str] | None:
    return None if resource is None else (resource.uid, resource.version)


def _needs_reconcile(before: Resource, after: Resource) -> bool:
    """Tell whether something changed that a turn would look at: anything but the status, which only we write.

    The spec is compared as well as the generation: in another history the same generation can have another spec.
    """
    return (before.uid, before.history, before.generation, before.annotations, before.deleting, before.finalizers, before.spec) != (
        after.uid, after.history, after.generation, after.annotations, after.deleting, after.finalizers, after.spec
    )  # fmt: skip
