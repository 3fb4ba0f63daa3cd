"""Reconciliation of Queues on a real server."""

import importlib
from typing import Any

import dramatiq
import pytest
from tests.integration.operator.contexts import Environment, ready, said

from stanine.broker import QueueManaged, QueueState, StreamsBroker
from stanine.broker.connection.errors import (
    EVICTION_POLICY,
    PERMISSION_MISSING,
    WRONG_TYPE,
    ServerError,
)
from stanine.broker.library import call_function
from stanine.broker.settings import QueueSettings
from stanine_operator.controller.reconcile_result import ReconcileResult

NAME = "results"


def queue(environment: Environment, **spec: Any) -> Any:
    return environment.put("Queue", "results", **{"queueName": NAME, **spec})


def broker_of(environment: Environment) -> StreamsBroker:
    config = environment.resource_cache.redis_config("ns", "default")
    assert config is not None
    return environment.connections.open(config).broker


def send(
    environment: Environment, *numbers: int, delay: int | None = None, queue_name: str = NAME
) -> None:
    broker_of(environment).enqueue_many(
        (dramatiq.Message(queue_name, "note", (each,), {}, {}) for each in numbers), delay=delay
    )


def bury(environment: Environment, reason: str = "ValueError", actor: str = "note") -> None:
    broker = broker_of(environment)
    fields: Any = {
        "h": b"head",
        "reason": reason,
        "actor": actor,
        "queue": NAME,
        "deliveries": 1,
        "created": 1,
        "died": 1,
    }
    broker.client.xadd(broker._queue(NAME).keys.dead, fields)


def reported(outcome: ReconcileResult, field: str = "purge") -> Any:
    return outcome.fields.get(field)


def test_every_setting_of_a_queue_is_declared_or_default(environment: Environment) -> None:
    resource = queue(
        environment, maxRetries=7, minBackoffMilliseconds=11, maxBackoffMilliseconds=22,
        leaseSeconds=3, maxDeliveries=4, desiredState="Paused",
        batch={"maxMessages": 9}, deadLetter={"maxLength": 5, "ttlSeconds": 6},
        rateLimit={"messages": 8, "periodMilliseconds": 500, "burst": 2},
    )  # fmt: skip
    outcome = environment.reconcile(resource)
    assert (ready(outcome), said(outcome, "Bootstrapped")[0], said(outcome, "Paused")[:2]) == (
        (True, "Paused"),
        True,
        (True, "Paused"),
    )
    broker = broker_of(environment)
    assert broker.settings(NAME) == QueueSettings(
        lease_ms=3000, max_deliveries=4, max_retries=7, backoff_min_ms=11, backoff_max_ms=22, batch_max_messages=9, rate_messages=8,
        rate_period_ms=500, rate_burst=2, dead_max_length=5, dead_max_age_ms=6000,
    )  # fmt: skip
    assert broker.state(NAME) is QueueState.PAUSED
    resource = queue(environment)
    outcome = environment.reconcile(resource)
    assert (broker.settings(NAME), broker.state(NAME)) == (QueueSettings(), QueueState.RUNNING)
    assert (ready(outcome), said(outcome, "Paused")[:2]) == ((True, "Running"), (False, "Running"))


def test_changes_by_others_are_corrected(environment: Environment) -> None:
    resource = queue(environment, maxDeliveries=4, desiredState="Draining")
    environment.reconcile(resource)
    broker = broker_of(environment)
    broker.client.hset(
        broker._queue(NAME).keys.settings,
        mapping={"max_deliveries": 99, "state": "Running", "rate_messages": 1},
    )
    broker.client.xgroup_destroy(broker._queue(NAME).keys.ready, "workers")
    assert ready(environment.reconcile(resource)) == (True, "Drained")
    assert (broker.settings(NAME), broker.state(NAME)) == (
        QueueSettings(max_deliveries=4),
        QueueState.DRAINING,
    )
    assert len(broker.client.xinfo_groups(broker._queue(NAME).keys.ready)) == 1
    with pytest.raises(QueueManaged, match="Queue ns/results"):
        broker.resume(NAME)


def test_the_status_has_rounded_figures_and_the_gauges_exact_ones(
    environment: Environment,
) -> None:
    resource = queue(environment, desiredState="Draining")
    environment.reconcile(queue(environment))
    send(environment, *range(1234))
    send(environment, *range(3), delay=60_000)
    bury(environment)
    outcome = environment.reconcile(queue(environment, desiredState="Draining"))
    assert ready(outcome) == (True, "Draining")
    figures = {
        name: outcome.fields[name]
        for name in ("ready", "delayed", "inFlight", "dead", "consumers", "state")
    }
    assert figures == {
        "ready": 1200,
        "delayed": 3,
        "inFlight": 0,
        "dead": 1,
        "consumers": 0,
        "state": "Draining",
    }
    assert outcome.gauges["ready"] == 1234
    assert set(outcome.gauges) == {
        "ready",
        "delayed",
        "inFlight",
        "dead",
        "oldestSeconds",
        "consumers",
    }
    before = broker_of(environment).client.dump(broker_of(environment)._queue(NAME).keys.ready)
    environment.reconcile(resource)
    assert (
        broker_of(environment).client.dump(broker_of(environment)._queue(NAME).keys.ready) == before
    ), "looking has no side effects"


def test_each_problem_is_reported_with_its_own_reason(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = queue(environment)
    broker = broker_of(environment)
    broker.client.set(broker._queue(NAME).keys.settings, "somebody else's")
    outcome = environment.reconcile(resource)
    assert said(outcome, "Bootstrapped")[:2] == (False, WRONG_TYPE.reason)
    assert ready(outcome) == (False, WRONG_TYPE.reason)
    broker.client.delete(broker._queue(NAME).keys.settings)
    assert ready(environment.reconcile(resource)) == (True, "Running")
    broker.client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        outcome = environment.reconcile(resource)
    finally:
        broker.client.config_set("maxmemory-policy", "noeviction")
    assert said(outcome, "Bootstrapped") == (False, EVICTION_POLICY.reason, EVICTION_POLICY.remedy)
    assert outcome.fields["state"] == "Running", "what is known stays"

    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise ServerError(PERMISSION_MISSING)

    module = importlib.import_module("stanine_operator.queues.reconcile")  # not the function
    monkeypatch.setattr(module, "bootstrap", refuse)
    assert ready(environment.reconcile(resource)) == (False, "PermissionMissing")


# ------------------------------------------------------------------------------------------------------------------ one-shot requests


def test_a_token_that_comes_with_the_resource_is_never_executed(environment: Environment) -> None:
    send(environment, 1, 2)
    bury(environment)
    resource = queue(
        environment,
        purge={"part": "Ready", "token": "t1"},
        requeueDead={"token": "r1"},
        desiredState="Paused",
    )
    for _ in range(3):
        outcome = environment.reconcile(resource)
        assert reported(outcome) == {"token": "t1", "outcome": "NotExecuted"}
        assert reported(outcome, "requeueDead") == {"token": "r1", "outcome": "NotExecuted"}
    assert (outcome.fields["ready"], outcome.fields["dead"]) == (2, 1)


def test_a_new_token_is_executed_once_and_reported(environment: Environment) -> None:
    environment.reconcile(queue(environment))
    send(environment, 1, 2, 3)
    resource = queue(environment, purge={"part": "Ready", "token": "t1"})
    outcome = environment.reconcile(resource)
    assert reported(outcome) == {"token": "t1", "outcome": "Executed", "count": 3}
    assert [event.reason for event in outcome.events] == ["Purged"]
    send(environment, 4)
    again = environment.reconcile(resource)
    assert (reported(again), again.events, again.fields["ready"]) == (reported(outcome), (), 1)
    resource = queue(environment)
    assert reported(environment.reconcile(resource)) is None
    resource = queue(environment, purge={"part": "Ready", "token": "t1"})
    assert reported(environment.reconcile(resource)) == {
        "token": "t1",
        "outcome": "Executed",
        "count": 3,
    }
    assert broker_of(environment).stats(NAME).ready == 1


@pytest.mark.parametrize(
    ("part", "left"), [("Ready", (0, 1, 2)), ("Delayed", (1, 0, 2)), ("Dead", (1, 1, 0))]
)
def test_each_part_is_purged_by_its_name(
    environment: Environment, part: str, left: tuple[int, int, int]
) -> None:
    environment.reconcile(queue(environment))
    send(environment, 1)
    send(environment, 2, delay=60_000)
    bury(environment)
    bury(environment)
    fields = environment.reconcile(queue(environment, purge={"part": part, "token": "t"})).fields
    assert (fields["ready"], fields["delayed"], fields["dead"]) == left


def test_dead_letters_are_selected_by_reason_and_actor(environment: Environment) -> None:
    environment.reconcile(queue(environment))
    for reason, actor in (("A", "x"), ("A", "y"), ("B", "x")):
        bury(environment, reason, actor)
    outcome = environment.reconcile(
        queue(environment, purge={"part": "Dead", "token": "p", "reason": "A", "actor": "x"})
    )
    assert (reported(outcome), outcome.fields["dead"]) == (
        {"token": "p", "outcome": "Executed", "count": 1},
        2,
    )
    outcome = environment.reconcile(queue(environment, requeueDead={"token": "r", "reason": "B"}))
    assert reported(outcome, "requeueDead") == {"token": "r", "outcome": "Executed", "count": 1}
    assert (outcome.fields["dead"], outcome.fields["ready"]) == (1, 1)


def test_a_token_of_another_request_is_reported_and_not_executed(environment: Environment) -> None:
    environment.reconcile(queue(environment))
    broker_of(environment).purge(NAME, "dead", token="t")
    send(environment, 1)
    resource = queue(environment, purge={"part": "Ready", "token": "t"})
    for _ in range(2):
        assert reported(environment.reconcile(resource)) == {
            "token": "t",
            "outcome": "TokenConflict",
        }
    assert broker_of(environment).stats(NAME).ready == 1


@pytest.mark.parametrize("dies", ["before", "within", "after"])
def test_a_purge_survives_an_operator_that_dies_around_it_and_acts_once(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    environment.reconcile(queue(environment))
    send(environment, *range(2500))
    resource = queue(environment, purge={"part": "Ready", "token": "t"})
    broker = broker_of(environment)
    name = {"before": "carry_out", "within": "carry_out", "after": "note_handled"}[dies]
    real = getattr(type(broker), name)

    def die(self: Any, *given: Any, **options: Any) -> Any:
        if dies == "within":
            queue = self._queue(NAME)
            call_function(
                self.client,
                "purge",
                [queue.keys.ready, queue.keys.delayed, queue.keys.dead],
                ("t", "purge ready", "workers", 1000, "", ""),
            )
        raise SystemExit

    monkeypatch.setattr(type(broker), name, die)
    with pytest.raises(SystemExit):
        environment.reconcile(resource)
    monkeypatch.setattr(type(broker), name, real)
    send(
        environment, 1
    )  # messages that arrive after the request are kept; earlier ones are included
    count = {"before": 2501, "within": 2500, "after": 2500}[dies]
    assert reported(environment.reconcile(resource)) == {
        "token": "t",
        "outcome": "Executed",
        "count": count,
    }
    assert broker.stats(NAME).ready == 2501 - count


def test_a_lost_status_is_rebuilt_without_executing_requests(environment: Environment) -> None:
    environment.reconcile(queue(environment))
    send(environment, 1)
    resource = queue(environment, purge={"part": "Ready", "token": "t"})
    environment.reconcile(resource)
    send(environment, 2)
    environment.lose_status(resource)
    assert reported(environment.reconcile(resource)) == {
        "token": "t",
        "outcome": "Executed",
        "count": 1,
    }
    assert broker_of(environment).stats(NAME).ready == 1


@pytest.mark.parametrize("status_lost", [False, True])
def test_a_server_that_lost_its_data_purges_nothing_again(
    environment: Environment, *, status_lost: bool
) -> None:
    environment.reconcile(queue(environment))
    resource = queue(environment, purge={"part": "Ready", "token": "t"})
    environment.reconcile(resource)
    broker_of(environment).client.flushall()
    send(environment, 1)
    if status_lost:
        environment.lose_status(resource)
    assert environment.reconcile(resource).fields["ready"] == 1


def test_a_server_restored_to_before_a_purge_purges_nothing_again(environment: Environment) -> None:
    environment.reconcile(queue(environment))
    broker = broker_of(environment)
    keys = broker._queue(NAME).keys
    saved: Any = broker.client.hgetall(keys.settings)
    resource = queue(environment, purge={"part": "Ready", "token": "t"})
    environment.reconcile(resource)
    broker.client.delete(keys.settings, keys.settings.replace("settings", "requests"))
    broker.client.hset(keys.settings, mapping=saved)
    send(environment, 1)
    assert environment.reconcile(resource).fields["ready"] == 1


def test_a_recreated_resource_purges_nothing_again(environment: Environment) -> None:
    environment.reconcile(queue(environment))
    resource = queue(environment, purge={"part": "Ready", "token": "t"})
    environment.reconcile(resource)
    environment.drop(resource)
    send(environment, 1)
    again = queue(environment, purge={"part": "Ready", "token": "t"})
    assert again.uid != resource.uid
    outcome = environment.reconcile(again)
    assert (ready(outcome), outcome.fields["ready"]) == ((True, "Running"), 1)
    assert (
        environment.reconcile(queue(environment, purge={"part": "Ready", "token": "t2"})).fields[
            "ready"
        ]
        == 0
    )


# --------------------------------------------------------------------------------------------------------- conflicts


@pytest.mark.parametrize("first", ["older", "younger"])
def test_of_two_resources_for_one_queue_the_older_owns_it_also_across_namespaces(
    environment: Environment, first: str
) -> None:
    environment.put(
        "RedisConfig",
        "default",
        namespace="other",
        connection={"host": "127.0.0.1", "port": environment.port},
    )
    older = queue(environment, maxDeliveries=2)
    younger = environment.put(
        "Queue",
        "mine",
        namespace="other",
        created="2026-11-02T00:00:00Z",
        queueName=NAME,
        maxDeliveries=9,
    )
    reconciler = [older, younger] if first == "older" else [younger, older]
    outcomes = {each.name: environment.reconcile(each) for each in [*reconciler, *reconciler]}
    assert ready(outcomes["results"]) == (True, "Running")
    assert ready(outcomes["mine"]) == (False, "ResourceConflict")
    assert "Queue ns/results" in said(outcomes["mine"], "Ready")[2]
    assert (outcomes["mine"].fields, outcomes["mine"].gauges) == ({}, {})
    assert broker_of(environment).settings(NAME).max_deliveries == 2
    environment.drop(older)
    assert ready(environment.reconcile(younger)) == (True, "Running"), (
        "at once: the holder is known to be gone"
    )
    assert broker_of(environment).settings(NAME).max_deliveries == 9


def test_queues_in_other_key_namespaces_or_databases_do_not_conflict(
    environment: Environment,
) -> None:
    connection = {"host": "127.0.0.1", "port": environment.port}
    environment.put("RedisConfig", "keys", connection=connection, keyNamespace="other")
    environment.put("RedisConfig", "base", connection={**connection, "db": 1})
    here = queue(environment)
    there = [
        environment.put("Queue", name, queueName=NAME, redisConfigRef={"name": name})
        for name in ("keys", "base")
    ]
    assert {ready(environment.reconcile(each)) for each in (here, *there)} == {(True, "Running")}


def test_conflicts_with_unknown_resources_are_resolved_in_redis(environment: Environment) -> None:
    elsewhere = Environment(environment.port, operator_id="another cluster")
    elsewhere.redis(connection={"host": "localhost", "port": environment.port})
    mine = queue(environment, maxDeliveries=2)
    theirs = elsewhere.put(
        "Queue",
        "theirs",
        namespace="far",
        created="2026-10-01T00:00:00Z",
        queueName=NAME,
        maxDeliveries=9,
    )
    elsewhere.put(
        "RedisConfig",
        "default",
        namespace="far",
        connection={"host": "localhost", "port": environment.port},
    )
    assert ready(environment.reconcile(mine)) == (True, "Running")
    assert ready(elsewhere.reconcile(theirs)) == (True, "Running")
    outcome = environment.reconcile(mine)
    assert ready(outcome) == (False, "ResourceConflict")
    assert "Queue far/theirs" in said(outcome, "Ready")[2]
    released = environment.delete(mine)
    assert [(event.warning, event.reason) for event in released.events] == [
        (True, "ResourceConflict")
    ]
    assert broker_of(environment).settings(NAME).max_deliveries == 9
    elsewhere.connections.close()


# ------------------------------------------------------------------------------------------------------ finalization


def test_an_empty_queue_is_deleted_completely_with_its_resource(environment: Environment) -> None:
    resource = queue(environment, maxDeliveries=3, purge={"part": "Dead", "token": "t"})
    environment.reconcile(resource)
    assert broker_of(environment).client.keys("stanine:{p0}:q:results:*")
    released = environment.delete(resource)
    assert (released.done, [event.reason for event in released.events]) == (
        True,
        ["QueueDeleted"],
    )
    assert not broker_of(environment).client.keys("stanine:{p0}:q:results:*")


def test_a_non_empty_queue_is_kept_with_a_warning_and_without_owner(
    environment: Environment,
) -> None:
    resource = queue(environment, maxDeliveries=3)
    environment.reconcile(resource)
    bury(environment)
    released = environment.delete(resource)
    assert released.done
    assert [(event.warning, event.reason) for event in released.events] == [(True, "QueueNotEmpty")]
    assert "1 dead" in released.events[0].message
    broker = broker_of(environment)
    assert (broker.settings(NAME).max_deliveries, broker.stats(NAME).dead) == (3, 1)
    broker.pause(NAME)
    assert broker.state(NAME) is QueueState.PAUSED
