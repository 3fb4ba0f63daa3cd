"""Servers that restart during a reconciliation, fail over, and change their password."""

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis.client
from tests.conftest import Server, stop_server
from tests.integration.broker_failures.fault_proxy import FaultProxy
from tests.integration.broker_failures.test_failover import Pair
from tests.integration.failpoints import Doom
from tests.integration.operator.redis_configs.stage import Config, Stage, server
from tests.integration.operator.redis_configs.test_kills import Scene, step_of

from stanine_operator.controller.problems import OperatorProblem

Start = Callable[..., Server]


def reconcile_with_outage(config: Config, at: int, outage: Callable[[], None]) -> str:
    """Reconcile with an outage before the nth change in Redis; return the reason or ""."""
    client: Any = redis.client.Redis
    untouched, counting = client.execute_command, Doom(None)

    def struck(self: Any, *words: Any, **options: Any) -> Any:
        name = step_of(self, *words)
        if name is not None:
            with counting.passing(name):
                if counting.calls.total() == at:
                    outage()
        return untouched(self, *words, **options)

    client.execute_command = struck
    try:
        config.reconcile()
    except OperatorProblem as problem:
        return problem.reason
    finally:
        client.execute_command = untouched
    return ""


@pytest.mark.parametrize("change", ["from an older string", "back to a revision"])
def test_a_server_crash_during_reconciliation_is_repaired_by_the_next(
    change: str, own_server: Start, stages: Callable[[Server], Stage]
) -> None:
    running = own_server()
    scene = Scene(stages(running), change)
    scene.prepare().delete()
    reference = scene.prepare()
    reference.reconcile()
    reference.delete()
    wanted = scene.state()
    for at in range(1, 20):
        config = scene.prepare()
        current = running

        def die(server: Server = current) -> None:
            stop_server(server, signal.SIGKILL)

        reason = reconcile_with_outage(config, at, die)
        if not reason:
            break
        assert reason in {"ConnectionRefused", "ConnectionLost"}
        running = own_server(directory=running.directory, port=running.port)
        scene.stage.connections.forget(config.resource.key)
        config.reconcile()
        assert scene.state() == wanted, at
        assert config.condition("Ready")[0] == "True"
        config.delete()
    assert at > 4


def test_a_rotated_password_takes_effect_without_restart(stage: Stage) -> None:
    stage.secrets["ns", "redis"] = {"password": b"first-canary"}
    stage.client.config_set("requirepass", "first-canary")
    reference = {"name": "redis", "key": "password"}
    config = stage.config(
        connection={"host": "127.0.0.1", "port": stage.port, "passwordSecretRef": reference},
        settings={"sweepSeconds": 1},
    )
    config.reconcile()
    stage.client.auth("first-canary")
    stage.client.config_set("requirepass", "second-canary")
    stage.client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(OperatorProblem) as refused:
        config.reconcile()
    assert refused.value.reason == "AuthFailed"
    stage.secrets["ns", "redis"] = {"password": b"second-canary"}
    deadline = time.monotonic() + 20
    while True:
        try:
            config.apply(settings={"sweepSeconds": 2}).reconcile()
            break
        except OperatorProblem:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert config.condition("Ready")[0] == "True"
    assert "canary" not in str(config.resource)


def test_after_a_failover_the_new_primary_has_the_parameters_too(
    pair: Pair, sentinel: str, stages: Callable[[Server], Stage]
) -> None:
    node = {"host": "127.0.0.1", "port": int(sentinel.rpartition(":")[2].partition("/")[0])}
    stage = stages(pair.servers[0])
    config = stage.config(
        connection={"sentinel": {"masterName": "main", "nodes": [node]}}, driftPolicy="Report",
        server=server(timeout="600"), settings={"sweepSeconds": 3},
    )  # fmt: skip
    config.reconcile()
    first, second = pair.clients
    assert (first.config_get("timeout")["timeout"], second.config_get("timeout")["timeout"]) == (
        "600",
        "0",
    )
    before = config.resource.status["runId"]
    assert first.wait(1, 5000) == 1
    stop_server(pair.servers[0], signal.SIGKILL)
    deadline = time.monotonic() + 60
    while config.resource.status["runId"] == before:
        assert time.monotonic() < deadline
        try:
            config.reconcile()
        except OperatorProblem:
            time.sleep(0.2)
    assert second.config_get("timeout")["timeout"] == "600"
    assert config.resource.status["role"] == "primary"
    assert config.condition("Ready")[0] == "True"
    assert config.events == []


def test_a_failover_behind_a_stable_address_is_followed(
    pair: Pair, stages: Callable[[Server], Stage]
) -> None:
    stage = stages(pair.servers[0])
    with FaultProxy(pair.servers[0].port) as address:
        config = stage.config(
            connection={"host": "127.0.0.1", "port": address.port}, settings={"sweepSeconds": 3}
        )
        config.reconcile()
        pair.hand_over()
        address.target_port = pair.servers[1].port
        config.apply(settings={"sweepSeconds": 4}).reconcile()
        assert config.resource.status["role"] == "primary"
        assert config.condition("Ready")[0] == "True"
        assert pair.clients[1].hget("stanine:{p0}:config", "sweepSeconds") == b"4"
        stage.connections.close()
