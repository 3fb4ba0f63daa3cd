"""The operator's own loop: a schedule, workers that take turns, and a second look at the API server. Started by main.py.

kopf's watch only wakes; what is true is looked up. Whatever the watch missed (a lost update, a dead stream, a deletion during a gap) is
found by comparing all metadata with what is known, every few minutes.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

from stanine.telemetry.heartbeats import Heartbeats
from stanine.telemetry.logs import get_log
from stanine_operator.cluster import Cluster, ClusterError
from stanine_operator.connections import Connections
from stanine_operator.kinds import Kind
from stanine_operator.metrics import OperatorMetrics
from stanine_operator.neighbours import REMEMBERED, Neighbours
from stanine_operator.resource import Key, Resource, read_resource
from stanine_operator.schedule import Schedule, next_pause
from stanine_operator.turns import GONE, Turned, Turns

#: Seconds between two comparisons with the API server.
COMPARE_EVERY = 180.0
#: Seconds that one worker's turn may take before the loop counts as stuck: well above every timeout of Redis and the API server.
TURN_STUCK = 180.0
#: Seconds without a comparison after which that loop counts as stuck.
COMPARE_STUCK = 3 * COMPARE_EVERY
#: Seconds of comparisons that all found something missing, after which the watch counts as dead and the process is started anew.
WATCH_MISSING = 4 * COMPARE_EVERY
#: Seconds between beats of a loop that waits for something to do.
BEAT_EVERY = 5.0


class Loop:
    """Hands due resources to workers. All methods but `connection_changed` belong to the event loop's thread."""

    def __init__(
        self, kinds: Mapping[str, Kind], neighbours: Neighbours, turns: Turns, connections: Connections, cluster: Cluster,
        metrics: OperatorMetrics, heartbeats: Heartbeats, *, workers: int, namespaces: Sequence[str | None],
    ) -> None:  # fmt: skip
        """`namespaces`: those that are served; one None means all."""
        self._kinds, self._neighbours, self._turns, self._connections = kinds, neighbours, turns, connections
        self._cluster, self._metrics, self._heartbeats = cluster, metrics, heartbeats
        self._workers, self._namespaces = workers, namespaces
        self._loop = asyncio.get_running_loop()
        self._schedule: Schedule[Key] = Schedule(self._loop.time)
        self._random = random.Random()  # noqa: S311 - it spreads turns
        self._begun = asyncio.Event()
        self._stopping = asyncio.Event()
        self._suspects: set[tuple[Key, str]] = set()
        metrics.waiting.set_function(lambda: float(self._schedule.waiting()))

    # ------------------------------------------------------------------------------------------------------------- what wakes whom

    def seen(self, resource: Resource) -> None:
        """Take in a state that the watch or a list has shown; wake whom it concerns."""
        before = self._neighbours.get(resource.key)
        if not self._neighbours.put(resource):
            return
        if before is not None and before.uid != resource.uid:
            self._turns.forget(before)
        if before is None or _wakes(before, resource):
            self._schedule.wake(resource.key)
            self._wake_referrers(resource, also_if=before is None or before.spec != resource.spec)

    def gone(self, resource: Resource) -> None:
        """Take in that a resource is gone; wake who stood on it, or behind it."""
        if self._neighbours.drop(resource.key, resource.uid) is None:
            return
        self._turns.forget(resource)
        self._schedule.forget(resource.key)
        self._wake_referrers(resource, also_if=True)
        for rival in self._neighbours.all(resource.kind):  # whoever was second to it may be first now
            condition = next((each for each in rival.status.get("conditions") or () if each.get("status") == "False"), None)
            if condition is not None:
                self._schedule.wake(rival.key, self._random.random())
        if resource.kind == "RedisConfig":
            self._loop.call_later(REMEMBERED, self._forget_connection, resource.key)

    def changed(self, resource: Resource) -> None:
        """Take in that a resource's readiness changed."""
        self._wake_referrers(resource, also_if=True)

    def connection_changed(self, key: Key) -> None:
        """Take in, from any thread, that a RedisConfig's credentials or the health of its connection changed."""
        self._loop.call_soon_threadsafe(self._wake_with_referrers, key)

    def _wake_with_referrers(self, key: Key) -> None:
        if self._neighbours.get(key) is not None:
            self._schedule.wake(key, self._random.random())
        for referrer in self._neighbours.referring_to(key[1], key[2]):
            self._schedule.wake(referrer, self._random.random())

    def _wake_referrers(self, resource: Resource, *, also_if: bool) -> None:
        if resource.kind != "RedisConfig" or not also_if:
            return
        for key in self._neighbours.referring_to(resource.namespace, resource.name):
            self._schedule.wake(key, self._random.random())

    def _forget_connection(self, key: Key) -> None:
        if self._neighbours.get(key) is None:
            self._connections.forget(key)

    # ---------------------------------------------------------------------------------------------------------------------- at work

    def start(self) -> list["asyncio.Task[None]"]:
        """Start the workers and the comparison."""
        tasks = [asyncio.create_task(self._work(number), name=f"worker {number}") for number in range(self._workers)]
        return [*tasks, asyncio.create_task(self._compare_for_ever(), name="comparison")]

    def begin(self) -> None:
        """Let the workers take turns: everything is known. Until then they would decide about rivals without seeing them all."""
        self._begun.set()

    async def knows_all(self) -> bool:
        """Tell whether all that the API server lists is known here; if nothing is there, that is all."""
        try:
            for kind in self._kinds.values():
                for namespace in self._namespaces:
                    for metadata in await self._cluster.list_metadata(kind, namespace):
                        if self._neighbours.get((kind.name, metadata["namespace"], metadata["name"])) is None:
                            return False
        except ClusterError:
            return False
        return True

    def stop(self) -> None:
        """Take no further turns; those that have begun end."""
        self._stopping.set()
        self._begun.set()
        self._schedule.close()

    async def _work(self, number: int) -> None:
        await self._begun.wait()
        name = f"worker-{number}"
        beat = self._heartbeats.expect(name, TURN_STUCK)
        while not self._stopping.is_set():
            beat()
            key = await self._schedule.next(BEAT_EVERY)
            if key is None:
                continue
            beat()
            resource = self._neighbours.get(key)
            if resource is None:
                self._schedule.done(key, None)
                continue
            try:
                turned = await self._turns.turn(resource)
            except Exception:  # noqa: BLE001 - a defect in one turn must not end the worker; it is logged whole
                get_log().exception("turn.failed", kind=key[0], namespace=key[1], name=key[2])
                turned = Turned("failed", well=False, failures=5)
            if turned.outcome == GONE:
                self.gone(resource)  # the watch will say so, too
            self._schedule.done(key, None if turned.outcome == GONE else self._pause(turned))
        self._heartbeats.forget(name)

    def _pause(self, turned: Turned) -> float:
        pause = next_pause(turned.failures, self._random.random())
        return pause if turned.pause is None else min(pause, turned.pause)

    # ------------------------------------------------------------------------------------------------------------------- second look

    async def _compare_for_ever(self) -> None:
        beat = self._heartbeats.expect("comparison", COMPARE_STUCK)
        watch_works = self._heartbeats.expect("watch", WATCH_MISSING)
        while True:
            beat()
            await asyncio.sleep(COMPARE_EVERY * (0.8 + 0.4 * self._random.random()))
            try:
                missed = await self.compare()
            except ClusterError as error:
                get_log().warning("comparison.failed", status=error.status)
                missed = 0  # an API server that is away is no fault of the watch's
            if not missed:
                watch_works()

    async def compare(self) -> int:
        """Compare what is known with all metadata; take in what differs twice in a row (the watch is a moment behind). Return how many."""
        suspects: set[tuple[Key, str]] = set()
        missed = 0
        for kind in self._kinds.values():
            there: dict[Key, dict[str, Any]] = {}
            for namespace in self._namespaces:
                for metadata in await self._cluster.list_metadata(kind, namespace):
                    there[kind.name, metadata["namespace"], metadata["name"]] = metadata
            for key, metadata in there.items():
                if _is_behind(self._neighbours.get(key), metadata):
                    suspects.add((key, str(metadata["resourceVersion"])))
            for resource in self._neighbours.all(kind.name):
                if resource.key not in there:
                    suspects.add((resource.key, "gone"))
        for key, version in suspects & self._suspects:
            missed += 1
            self._metrics.stale.labels(key[0]).inc()
            get_log().warning("watch.missed", kind=key[0], namespace=key[1], name=key[2])
            await self._look_up(key, version)
        self._suspects = suspects
        return missed

    async def _look_up(self, key: Key, version: str) -> None:
        known = self._neighbours.get(key)
        if version == "gone":
            if known is not None:
                self.gone(known)
            return
        try:
            body = await self._cluster.read_object(self._kinds[key[0]], key[1], key[2])
        except ClusterError as error:
            if not error.gone:
                raise
            if known is not None:
                self.gone(known)
        else:
            self.seen(read_resource(key[0], body))


def _wakes(before: Resource, after: Resource) -> bool:
    """Tell whether something changed that a turn would look at: anything but the status, which only we write."""
    return (before.uid, before.generation, before.annotations, before.deleting, before.finalizers) != (
        after.uid, after.generation, after.annotations, after.deleting, after.finalizers
    )  # fmt: skip


def _is_behind(known: Resource | None, metadata: Mapping[str, Any]) -> bool:
    if known is None:
        return True
    return (known.uid, known.generation, known.deleting) != (
        metadata["uid"], metadata.get("generation", 1), bool(metadata.get("deletionTimestamp"))
    )  # fmt: skip
