"""An operator killed before or after any command of a reconciliation: the next one completes it."""

from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
import redis
from tests.conftest import Server
from tests.integration.api.serving import document
from tests.integration.operator.contexts import Environment, ready

from stanine.broker.settings import QueueSettings
from stanine_operator.controller.resource import Resource

NAME = "results"
Prepared = tuple[Environment, Resource]
Prepare = Callable[[], Prepared]


class Killed(BaseException):
    """The process was killed: nothing after this line runs."""


@pytest.fixture
def environments(valkey: Server, redis_url: str) -> Iterator[Callable[[], Environment]]:
    """Create environments, each on an emptied server."""
    assert redis_url == valkey.url
    made: list[Environment] = []

    def make() -> Environment:
        client = redis.Redis(port=valkey.port)
        client.flushall()
        client.close()
        environment = Environment(valkey.port)
        environment.redis()
        made.append(environment)
        return environment

    yield make
    for environment in made:
        environment.connections.close()


def at_each_step(
    monkeypatch: pytest.MonkeyPatch,
    prepare: Prepare,
    reconcile: Callable[[Prepared], Any],
    check: Callable[[Prepared], None],
) -> int:
    """Kill `reconcile` before and after each of its commands, and check; return their number."""
    real: Any = redis.Redis.execute_command
    step = 0
    while True:
        step += 1
        for after in (False, True):
            at_hand, calls = prepare(), 0

            def execute(self: Any, *words: Any, **options: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls == step and not after:
                    raise Killed
                answer = real(self, *words, **options)
                if calls == step:
                    raise Killed
                return answer

            monkeypatch.setattr(redis.Redis, "execute_command", execute)
            killed = False
            try:
                reconcile(at_hand)
            except Killed:
                killed = True
            monkeypatch.setattr(redis.Redis, "execute_command", real)
            if not killed:
                return step - 1
            check(at_hand)


def test_a_queue_is_created_and_purged_once_wherever_reconciliation_is_interrupted(
    environments: Callable[[], Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec: dict[str, Any] = {
        "queueName": NAME,
        "maxDeliveries": 3,
        "purge": {"part": "Ready", "token": "t"},
        "requeueDead": {"token": "r"},
    }

    def prepare() -> Prepared:
        environment = environments()
        resource = environment.put("Queue", NAME, queueName=NAME)
        environment.reconcile(resource)
        broker = environment.server_of(resource).broker
        broker.enqueue_many(
            dramatiq.Message(NAME, "note", (number,), {}, {}) for number in range(1500)
        )
        fields: Any = {"h": b"x", "reason": "E", "actor": "a"}
        broker.client.xadd(broker._queue(NAME).keys.dead, fields)
        return environment, environment.put("Queue", NAME, **spec)

    def check(at_hand: Prepared) -> None:
        environment, resource = at_hand
        broker = environment.server_of(resource).broker
        outcome = environment.reconcile(resource)
        assert ready(outcome) == (True, "Running")
        assert outcome.fields["purge"] == {"token": "t", "outcome": "Executed", "count": 1500}
        assert outcome.fields["requeueDead"] == {"token": "r", "outcome": "Executed", "count": 1}
        assert broker.settings(NAME) == QueueSettings(max_deliveries=3)
        assert (outcome.fields["ready"], outcome.fields["dead"]) == (1, 0), (
            "what was put back comes after the purge"
        )
        assert environment.reconcile(resource).fields["ready"] == 1

    assert (
        at_each_step(monkeypatch, prepare, lambda at_hand: at_hand[0].reconcile(at_hand[1]), check)
        >= 12
    )


def test_an_instrument_is_published_once_wherever_reconciliation_is_interrupted(
    environments: Callable[[], Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare() -> Prepared:
        environment = environments()
        return environment, environment.put("Instrument", "a-mood", **document()["spec"])

    def check(at_hand: Prepared) -> None:
        environment, resource = at_hand
        server = environment.server_of(resource)
        assert environment.reconcile(resource).fields["revision"] == 1
        assert server.client.xlen(server.broker.ready_key("index")) == 1
        assert server.client.hlen(server.keys.numbers) == 1

    assert (
        at_each_step(monkeypatch, prepare, lambda at_hand: at_hand[0].reconcile(at_hand[1]), check)
        >= 3
    )


@pytest.mark.parametrize("kind", ["Queue", "Instrument"])
def test_finalization_completes_wherever_it_was_interrupted(
    environments: Callable[[], Environment], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def prepare() -> Prepared:
        environment = environments()
        spec = {"queueName": NAME} if kind == "Queue" else document()["spec"]
        resource = environment.put(kind, "a-mood", deletionPolicy="Delete", **spec)
        environment.reconcile(resource)
        return environment, resource

    def check(at_hand: Prepared) -> None:
        environment, resource = at_hand
        server = environment.server_of(resource)
        assert environment.delete(resource).done
        if kind == "Queue":
            assert not server.client.keys("*:q:results:*")
        else:
            assert server.client.hgetall(server.keys.instrument("a-mood")) == {b"revision": b"1"}
            assert server.client.hgetall(server.keys.numbers) == {b"1": b""}

    assert (
        at_each_step(monkeypatch, prepare, lambda at_hand: at_hand[0].delete(at_hand[1]), check)
        >= 1
    )
