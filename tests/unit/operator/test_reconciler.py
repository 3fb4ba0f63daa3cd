"""State between reconciliations belongs to the observed resource, also after etcd was restored."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opentelemetry.trace import NoOpTracer
from prometheus_client import CollectorRegistry

from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.kinds import KindHandler
from stanine_operator.controller.reconcile_result import ReconcileResult, ResourceCondition
from stanine_operator.controller.reconciler import Reconciler
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.resource_cache import ResourceCache
from stanine_operator.kubernetes.client import ClusterError
from stanine_operator.metrics import OperatorMetrics


class FakeCluster:
    """An API server with one object, of which only the version matters."""

    def __init__(self) -> None:
        self.version = "1"
        self.patches: list[dict[str, Any]] = []

    async def patch_status(
        self, _kind: KindHandler, resource: Resource, patch: dict[str, Any]
    ) -> dict[str, Any]:
        if resource.version != self.version:
            raise ClusterError(409, "PATCH")
        self.patches.append(patch)
        self.version = str(int(self.version) + 1)
        return {"resourceVersion": self.version, "generation": resource.generation}


class FakeRecorder:
    """A recorder that discards events."""

    def post(self, *_: object) -> None:
        """Discard the event."""


class Scene:
    """A reconciler of a kind that records the spec of each reconciliation."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self.worked: list[Any] = []
        self.read: list[Any] = []
        self.cluster, self.resource_cache = FakeCluster(), ResourceCache()
        kind = KindHandler("Queue", "queues", ("Ready",), self._read, self._reconcile, None)
        metrics = OperatorMetrics(CollectorRegistry(), self.resource_cache, [kind.name])
        parts: Any = (None, self.cluster, FakeRecorder())
        connections, cluster, recorder = parts
        self.reconciler = Reconciler(
            {kind.name: kind},
            ReconcileContext(connections, self.resource_cache, "test"),
            cluster,
            recorder,
            metrics,
            NoOpTracer(),
            executor,
        )

    def _read(self, resource: Resource) -> Any:
        self.read.append(resource.spec)
        return dict(resource.spec)

    def _reconcile(self, _resource: Resource, record: Any, _world: object) -> ReconcileResult:
        self.worked.append(record)
        return ReconcileResult((ResourceCondition("Ready", True, "AsDeclared"),))


def play(scenario: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        with ThreadPoolExecutor(1) as executor:
            await scenario(Scene(executor))

    asyncio.run(run())


def queue(version: int, generation: int, retries: int) -> Resource:
    spec = {"maxRetries": retries}
    return Resource(
        kind="Queue",
        namespace="n",
        name="q",
        uid="u",
        version=str(version),
        generation=generation,
        spec=spec,
    )


def test_a_reused_generation_is_reconciled_with_its_new_spec() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.reconciler.reconcile(queue(1, 2, retries=5))
        await scene.reconciler.reconcile(queue(2, 2, retries=7))
        assert scene.worked == [{"maxRetries": 5}, {"maxRetries": 7}]

    play(scenario)


def test_an_unchanged_spec_is_not_read_again() -> None:
    async def scenario(scene: Scene) -> None:
        for version in (1, 2, 3):
            await scene.reconciler.reconcile(queue(version, 2, retries=5))
        assert len(scene.worked) == 3
        assert len(scene.read) == 1

    play(scenario)


def test_a_status_is_written_only_to_the_observed_state() -> None:
    async def scenario(scene: Scene) -> None:
        lost = queue(100, 5, retries=5)
        scene.resource_cache.put(lost)
        run = await scene.reconciler.reconcile(lost)
        assert (run.outcome, run.succeeded, scene.cluster.patches) == ("conflict", False, [])
        assert scene.resource_cache.get(lost.key) == lost
        await scene.reconciler.reconcile(queue(1, 2, retries=2))
        assert [patch["observedGeneration"] for patch in scene.cluster.patches] == [2]

    play(scenario)
