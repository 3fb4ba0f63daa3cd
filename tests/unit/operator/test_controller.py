"""The controller finds missed changes, enqueues affected resources and detects a new history."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from stanine.telemetry.heartbeats import Heartbeats
from stanine_operator.controller.controller import Controller
from stanine_operator.controller.kinds import KindHandler
from stanine_operator.controller.reconcile_result import ReconcileResult
from stanine_operator.controller.reconciler import GONE, ReconcileRun
from stanine_operator.controller.resource import Key, Resource
from stanine_operator.controller.resource_cache import ResourceCache
from stanine_operator.kubernetes.client import ClusterError
from stanine_operator.metrics import OperatorMetrics

KIND = KindHandler(
    "Queue", "queues", ("Ready",), lambda _resource: None, lambda *_: ReconcileResult(()), None
)
CONFIG = KindHandler(
    "RedisConfig",
    "redisconfigs",
    ("Ready",),
    lambda _resource: None,
    lambda *_: ReconcileResult(()),
    None,
)


class FakeCluster:
    """An API server in memory."""

    def __init__(self) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.version = 0
        self.away = False
        self.breaks_off = False

    def put(self, resource: Resource) -> None:
        metadata = {
            "namespace": resource.namespace,
            "name": resource.name,
            "uid": resource.uid,
            "generation": resource.generation,
        }
        metadata |= {"resourceVersion": resource.version, "creationTimestamp": resource.created}
        self.objects[resource.key] = {
            "metadata": metadata,
            "spec": resource.spec,
            "status": resource.status,
        }
        self.version = max(self.version, int(resource.version))

    def restore(self, version: int, *resources: Resource) -> None:
        """Restore a backup of etcd and continue counting from there."""
        self.objects.clear()
        for resource in resources:
            self.put(resource)
        self.version = version

    async def list_version(self, kind: KindHandler, namespace: str | None) -> str:
        if self.away:
            raise ClusterError(0, "GET")
        return str(self.version)

    async def list_objects(self, kind: KindHandler, namespace: str | None) -> list[dict[str, Any]]:
        if self.breaks_off and kind is CONFIG:
            raise ClusterError(503, "GET")
        return [
            body
            for key, body in self.objects.items()
            if key[0] == kind.name and namespace in (None, key[1])
        ]

    async def list_metadata(self, kind: KindHandler, namespace: str | None) -> list[dict[str, Any]]:
        if self.away:
            raise ClusterError(0, "GET")
        return [
            body["metadata"]
            for key, body in self.objects.items()
            if key[0] == kind.name and namespace in (None, key[1])
        ]

    async def read_object(self, kind: KindHandler, namespace: str, name: str) -> dict[str, Any]:
        return self.objects[kind.name, namespace, name]


class FakeReconciler:
    """A reconciler that only counts its calls."""

    def __init__(self) -> None:
        self.taken: list[Key] = []
        self.forgotten: list[Key] = []
        self.answers: dict[Key, ReconcileRun] = {}

    async def reconcile(self, resource: Resource) -> ReconcileRun:
        self.taken.append(resource.key)
        await asyncio.sleep(0)
        return self.answers.get(resource.key, ReconcileRun("ready", succeeded=True))

    def forget(self, resource: Resource) -> None:
        self.forgotten.append(resource.key)


class FakeConnections:
    """Connections without servers."""

    def forget(self, key: Key) -> None:
        """Do nothing."""


class Scene:
    """A controller with fakes. Created in an event loop."""

    def __init__(self) -> None:
        self.cluster, self.reconciler, self.resource_cache = (
            FakeCluster(),
            FakeReconciler(),
            ResourceCache(),
        )
        kinds = {kind.name: kind for kind in (KIND, CONFIG)}
        self.metrics = OperatorMetrics(CollectorRegistry(), self.resource_cache, kinds)
        connections: Any = FakeConnections()
        cluster: Any = self.cluster
        reconciler: Any = self.reconciler
        self.loop = Controller(
            kinds,
            self.resource_cache,
            reconciler,
            connections,
            cluster,
            self.metrics,
            Heartbeats(),
            workers=2,
            namespaces=(None,),
        )
        self.watches = 1
        self.loop.history_changed = self.watch_again

    def watch_again(self) -> None:
        """Count restarts of the watch."""
        self.watches += 1

    async def know(self, *resources: Resource) -> None:
        """Add resources to the API server and the cache, none of them due."""
        for resource in resources:
            self.cluster.put(resource)
            self.resource_cache.put(resource)
        await self.loop.check_history()

    def known(self, key: Key) -> Resource:
        """Return the cached state of an existing resource."""
        found = self.resource_cache.get(key)
        assert found is not None
        return found

    async def settle(self) -> list[Key]:
        """Reconcile everything that is due; return the keys."""
        tasks = self.loop.start()
        self.loop.begin()
        await asyncio.sleep(1.2)  # resources enqueued together are due within a second
        while self.loop._queue.waiting():  # noqa: ASYNC110 - the queue has no event for this
            await asyncio.sleep(0.01)
        self.loop.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        taken, self.reconciler.taken = self.reconciler.taken, []
        return taken


def play(scenario: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        await scenario(Scene())

    asyncio.run(run())


def queue(name: str = "q", version: int = 1, generation: int = 1, **more: Any) -> Resource:
    return Resource(
        kind="Queue",
        namespace="n",
        name=name,
        uid=f"uid-{name}",
        version=str(version),
        generation=generation,
        **more,
    )


def config(version: int = 1, generation: int = 1, **spec: Any) -> Resource:
    return Resource(
        kind="RedisConfig",
        namespace="n",
        name="default",
        uid="uid-config",
        version=str(version),
        generation=generation,
        spec=spec,
    )


def test_missed_changes_are_found_by_the_second_comparison() -> None:
    async def scenario(scene: Scene) -> None:
        for resource in (queue("seen"), queue("changed"), queue("deleted")):
            scene.loop.observe(resource)
            scene.cluster.put(resource)
        scene.cluster.put(queue("changed", version=5, generation=2))
        scene.cluster.put(queue("created"))
        del scene.cluster.objects[queue("deleted").key]
        assert await scene.loop.compare() == 0, "the watch may be a moment behind"
        assert await scene.loop.compare() == 3
        changed = scene.resource_cache.get(queue("changed").key)
        assert changed is not None
        assert changed.generation == 2
        assert scene.resource_cache.get(queue("created").key) is not None
        assert scene.resource_cache.get(queue("deleted").key) is None
        assert await scene.loop.compare() == await scene.loop.compare() == 0

    play(scenario)


def test_the_operators_own_status_write_enqueues_nothing() -> None:
    async def scenario(scene: Scene) -> None:
        scene.loop.observe(queue())
        assert await scene.settle() == [queue().key]
        scene.cluster.put(queue(version=9))
        assert await scene.loop.compare() == await scene.loop.compare() == 0

    play(scenario)


def test_it_is_synced_when_all_listed_resources_are_cached() -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.loop.is_synced(), "nothing is there"
        scene.cluster.put(queue())
        assert not await scene.loop.is_synced()
        scene.loop.observe(queue())
        assert await scene.loop.is_synced()
        scene.cluster.away = True
        assert not await scene.loop.is_synced()

    play(scenario)


def test_a_changed_redis_config_enqueues_its_referrers() -> None:
    async def changed(scene: Scene) -> None:
        scene.resource_cache.put(config())
        scene.resource_cache.put(queue())
        scene.resource_cache.put(queue("other", spec={"redisConfigRef": {"name": "another"}}))
        scene.loop.observe(config(version=2, generation=2, connection={"host": "elsewhere"}))
        assert sorted(await scene.settle()) == [queue().key, config().key]

    async def written(scene: Scene) -> None:
        scene.resource_cache.put(config())
        scene.resource_cache.put(queue())
        scene.loop.observe(
            msgspec.structs.replace(config(version=2), status={"observedGeneration": 1})
        )
        assert await scene.settle() == []

    async def rotated(scene: Scene) -> None:
        scene.resource_cache.put(config())
        scene.resource_cache.put(queue())
        scene.loop.connection_changed(config().key)
        assert sorted(await scene.settle()) == [queue().key, config().key]

    for scenario in (changed, written, rotated):
        play(scenario)


def test_conflicting_resources_are_enqueued_when_the_owner_is_deleted() -> None:
    async def scenario(scene: Scene) -> None:
        conflict = [{"type": "Ready", "status": "False", "reason": "ResourceConflict"}]
        scene.resource_cache.put(queue("first"))
        scene.resource_cache.put(queue("second", status={"conditions": conflict}))
        scene.resource_cache.put(
            queue("bystander", status={"conditions": [{"type": "Ready", "status": "True"}]})
        )
        scene.loop.remove(queue("first"))
        assert await scene.settle() == [queue("second").key]
        assert scene.reconciler.forgotten == [queue("first").key]

    play(scenario)


def test_a_deleted_resource_is_not_reconciled_or_restored_by_a_late_write() -> None:
    async def scenario(scene: Scene) -> None:
        scene.reconciler.answers[queue().key] = ReconcileRun(GONE, succeeded=True)
        scene.loop.observe(queue())
        assert await scene.settle() == [queue().key]
        assert scene.resource_cache.get(queue().key) is None
        scene.resource_cache.update(queue(version=9))
        assert scene.resource_cache.get(queue().key) is None

    play(scenario)


def test_a_lower_list_version_replaces_the_cache() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.know(queue(version=100, generation=5, spec={"maxRetries": 5}))
        restored = queue(version=40, generation=2, spec={"maxRetries": 2})
        scene.cluster.restore(41, restored)
        await scene.loop.check_history()
        assert (scene.known(restored.key).version, scene.known(restored.key).spec) == (
            "40",
            {"maxRetries": 2},
        )

    play(scenario)


def test_a_change_after_a_restore_is_enqueued_despite_its_lower_version() -> None:
    """Regression: such a change was ignored until the process was restarted."""

    async def scenario(scene: Scene) -> None:
        await scene.know(queue(version=100, generation=5))
        scene.cluster.restore(41, queue(version=40, generation=2))
        await scene.loop.check_history()
        scene.loop.observe(queue(version=42, generation=3, history=scene.loop.history))
        assert scene.known(queue().key).generation == 3
        assert await scene.settle() == [queue().key]

    play(scenario)


def test_everything_is_reconciled_in_a_new_history_without_old_state() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.know(queue("a", version=100), queue("b", version=30))
        scene.cluster.restore(41, queue("a", version=40), queue("b", version=30))
        await scene.loop.check_history()
        assert scene.reconciler.forgotten == [queue("a").key, queue("b").key]
        assert sorted(await scene.settle()) == [queue("a").key, queue("b").key]

    play(scenario)


def test_the_cache_equals_the_restored_backup() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.know(queue("created-since", version=100))
        scene.cluster.restore(41, queue("deleted-since", version=40))
        await scene.loop.check_history()
        assert scene.resource_cache.keys() == [queue("deleted-since").key]

    play(scenario)


def test_the_watch_restarts_once_per_history() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.know(queue(version=100))
        scene.cluster.restore(41, queue(version=40))
        for _ in range(3):
            await scene.loop.check_history()
        assert scene.watches == 2

    play(scenario)


def test_a_new_history_that_could_not_be_listed_is_completed_by_the_next_check() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.know(queue(version=100))
        scene.cluster.restore(41, queue(version=40), config(version=20))
        scene.cluster.breaks_off = True
        with pytest.raises(ClusterError):
            await scene.loop.check_history()
        assert scene.watches == 1
        scene.cluster.breaks_off, scene.cluster.version = False, 200
        await scene.loop.check_history()
        assert scene.watches == 2
        assert sorted(scene.resource_cache.keys()) == [queue().key, config().key]

    play(scenario)


def test_two_lists_with_an_older_state_begin_a_new_history() -> None:
    """etcd was restored with --bump-revision, or versions caught up before the next list."""

    async def scenario(scene: Scene) -> None:
        await scene.know(queue("older", version=100, generation=5), queue("same", version=30))
        scene.cluster.restore(
            5000, queue("older", version=40, generation=2), queue("same", version=30)
        )
        await scene.loop.check_history()
        assert (await scene.loop.compare(), scene.known(queue("older").key).generation) == (0, 5), (
            "the watch may be a moment behind"
        )
        assert await scene.loop.compare() == 0, "the watch has missed nothing"
        assert (scene.known(queue("older").key).generation, scene.watches) == (2, 2)

    play(scenario)


def test_a_restored_object_replaces_a_younger_one_of_the_same_name() -> None:
    async def scenario(scene: Scene) -> None:
        first = msgspec.structs.replace(
            queue(version=40, created="2026-11-23T09:00:00Z"), uid="first"
        )
        second = msgspec.structs.replace(
            queue(version=100, created="2026-11-23T10:00:00Z"), uid="second"
        )
        await scene.know(second)
        scene.cluster.restore(5000, first)
        assert await scene.loop.compare() == 0
        await scene.loop.compare()
        assert scene.known(first.key).uid == "first"

    play(scenario)


def test_a_restored_status_is_cached_after_two_lists() -> None:
    """Otherwise a status that is correct only in the cache would never be written again."""

    async def scenario(scene: Scene) -> None:
        await scene.know(queue(version=100, status={"depth": 9}))
        scene.cluster.restore(5000, queue(version=40, status={"depth": 1}))
        await scene.loop.compare()
        await scene.loop.compare()
        assert scene.known(queue().key).status == {"depth": 1}

    play(scenario)


def test_a_state_delivered_between_two_lists_is_not_counted_as_missed() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.know(queue(version=1))
        scene.cluster.put(queue(version=2, generation=2))
        assert await scene.loop.compare() == 0
        scene.loop.observe(queue(version=2, generation=2))
        scene.cluster.put(queue(version=3, generation=3))
        assert await scene.loop.compare() == 0, "this difference is another one"
        assert (scene.loop.history, scene.watches) == (0, 1)

    play(scenario)


def test_late_events_of_an_earlier_history_are_ignored() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.know(queue(version=100, generation=5))
        scene.cluster.restore(41, queue(version=40, generation=2))
        await scene.loop.check_history()
        scene.loop.observe(queue(version=101, generation=6))
        assert scene.known(queue().key).generation == 2
        assert not scene.loop.remove(queue(version=102))
        assert scene.known(queue().key).generation == 2

    play(scenario)


def test_the_same_generation_with_another_spec_is_enqueued() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.know(queue(version=100, generation=5, spec={"maxRetries": 5}))
        assert scene.loop.observe(queue(version=110, generation=5, spec={"maxRetries": 7}))
        assert await scene.settle() == [queue().key]

    play(scenario)
