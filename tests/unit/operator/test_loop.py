"""The loop finds what the watch missed, wakes whom a change concerns, and does not bring back what is gone."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from stanine.telemetry.heartbeats import Heartbeats
from stanine_operator.cluster import ClusterError
from stanine_operator.kinds import Kind
from stanine_operator.loop import Loop
from stanine_operator.metrics import OperatorMetrics
from stanine_operator.neighbours import Neighbours
from stanine_operator.outcome import Outcome
from stanine_operator.resource import Key, Resource
from stanine_operator.turns import GONE, Turned

KIND = Kind("Queue", "queues", ("Ready",), lambda _resource: None, lambda *_: Outcome(()), None)
CONFIG = Kind("RedisConfig", "redisconfigs", ("Ready",), lambda _resource: None, lambda *_: Outcome(()), None)


class FakeCluster:
    """What the API server has."""

    def __init__(self) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.away = False

    def put(self, resource: Resource) -> None:
        metadata = {"namespace": resource.namespace, "name": resource.name, "uid": resource.uid, "generation": resource.generation}
        self.objects[resource.key] = {"metadata": metadata | {"resourceVersion": resource.version}, "spec": resource.spec}

    async def list_metadata(self, kind: Kind, namespace: str | None) -> list[dict[str, Any]]:
        if self.away:
            raise ClusterError(0, "GET")
        return [body["metadata"] for key, body in self.objects.items() if key[0] == kind.name and namespace in (None, key[1])]

    async def read_object(self, kind: Kind, namespace: str, name: str) -> dict[str, Any]:
        return self.objects[kind.name, namespace, name]


class FakeTurns:
    """Turns that are only counted."""

    def __init__(self) -> None:
        self.taken: list[Key] = []
        self.forgotten: list[Key] = []
        self.answers: dict[Key, Turned] = {}

    async def turn(self, resource: Resource) -> Turned:
        self.taken.append(resource.key)
        await asyncio.sleep(0)
        return self.answers.get(resource.key, Turned("ready", well=True))

    def forget(self, resource: Resource) -> None:
        self.forgotten.append(resource.key)


class FakeConnections:
    """Connections that are only forgotten."""

    def forget(self, key: Key) -> None:
        """Nothing is open."""


class Scene:
    """A loop among fakes. Made in an event loop."""

    def __init__(self) -> None:
        self.cluster, self.turns, self.neighbours = FakeCluster(), FakeTurns(), Neighbours()
        kinds = {kind.name: kind for kind in (KIND, CONFIG)}
        self.metrics = OperatorMetrics(CollectorRegistry(), self.neighbours, kinds)
        connections: Any = FakeConnections()
        cluster: Any = self.cluster
        turns: Any = self.turns
        self.loop = Loop(kinds, self.neighbours, turns, connections, cluster, self.metrics, Heartbeats(), workers=2, namespaces=(None,))

    async def settle(self) -> list[Key]:
        """Let what is due have its turns; return whose they were."""
        tasks = self.loop.start()
        self.loop.begin()
        await asyncio.sleep(1.2)  # whoever is woken as one of many comes within a second
        self.loop.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        taken, self.turns.taken = self.turns.taken, []
        return taken


def play(scenario: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        await scenario(Scene())

    asyncio.run(run())


def queue(name: str = "q", version: int = 1, generation: int = 1, **more: Any) -> Resource:
    return Resource(kind="Queue", namespace="n", name=name, uid=f"uid-{name}", version=str(version), generation=generation, **more)


def config(version: int = 1, generation: int = 1, **spec: Any) -> Resource:
    return Resource(
        kind="RedisConfig", namespace="n", name="default", uid="uid-config", version=str(version), generation=generation, spec=spec
    )


def test_what_the_watch_missed_is_found_by_the_second_comparison_and_nothing_else_is() -> None:
    async def scenario(scene: Scene) -> None:
        for resource in (queue("seen"), queue("changed"), queue("deleted")):
            scene.loop.seen(resource)
            scene.cluster.put(resource)
        scene.cluster.put(queue("changed", version=5, generation=2))
        scene.cluster.put(queue("created"))
        del scene.cluster.objects[queue("deleted").key]
        assert await scene.loop.compare() == 0, "the watch may be a moment behind"
        assert await scene.loop.compare() == 3
        changed = scene.neighbours.get(queue("changed").key)
        assert changed is not None
        assert changed.generation == 2
        assert scene.neighbours.get(queue("created").key) is not None
        assert scene.neighbours.get(queue("deleted").key) is None
        assert await scene.loop.compare() == await scene.loop.compare() == 0

    play(scenario)


def test_a_status_of_our_own_is_nothing_missed_and_wakes_nobody() -> None:
    async def scenario(scene: Scene) -> None:
        scene.loop.seen(queue())
        assert await scene.settle() == [queue().key]
        scene.cluster.put(queue(version=9))
        assert await scene.loop.compare() == await scene.loop.compare() == 0

    play(scenario)


def test_it_is_ready_when_everything_that_is_listed_is_known_and_not_while_nothing_answers() -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.loop.knows_all(), "nothing is there"
        scene.cluster.put(queue())
        assert not await scene.loop.knows_all()
        scene.loop.seen(queue())
        assert await scene.loop.knows_all()
        scene.cluster.away = True
        assert not await scene.loop.knows_all()

    play(scenario)


def test_a_redis_config_that_changes_wakes_those_that_refer_to_it_and_one_whose_status_changes_does_not() -> None:
    async def changed(scene: Scene) -> None:
        scene.neighbours.put(config())
        scene.neighbours.put(queue())
        scene.neighbours.put(queue("other", spec={"redisConfigRef": {"name": "another"}}))
        scene.loop.seen(config(version=2, generation=2, connection={"host": "elsewhere"}))
        assert sorted(await scene.settle()) == [queue().key, config().key]

    async def written(scene: Scene) -> None:
        scene.neighbours.put(config())
        scene.neighbours.put(queue())
        scene.loop.seen(msgspec.structs.replace(config(version=2), status={"observedGeneration": 1}))
        assert await scene.settle() == []

    async def rotated(scene: Scene) -> None:
        scene.neighbours.put(config())
        scene.neighbours.put(queue())
        scene.loop.connection_changed(config().key)
        assert sorted(await scene.settle()) == [queue().key, config().key]

    for scenario in (changed, written, rotated):
        play(scenario)


def test_whoever_was_second_is_looked_at_when_the_first_is_gone() -> None:
    async def scenario(scene: Scene) -> None:
        conflict = [{"type": "Ready", "status": "False", "reason": "ResourceConflict"}]
        scene.neighbours.put(queue("first"))
        scene.neighbours.put(queue("second", status={"conditions": conflict}))
        scene.neighbours.put(queue("bystander", status={"conditions": [{"type": "Ready", "status": "True"}]}))
        scene.loop.gone(queue("first"))
        assert await scene.settle() == [queue("second").key]
        assert scene.turns.forgotten == [queue("first").key]

    play(scenario)


def test_a_resource_that_is_gone_has_no_further_turn_and_what_was_written_last_does_not_bring_it_back() -> None:
    async def scenario(scene: Scene) -> None:
        scene.turns.answers[queue().key] = Turned(GONE, well=True)
        scene.loop.seen(queue())
        assert await scene.settle() == [queue().key]
        assert scene.neighbours.get(queue().key) is None
        scene.neighbours.update(queue(version=9))
        assert scene.neighbours.get(queue().key) is None

    play(scenario)
