"""Server parameters on real servers: drift, rejections, restarts, conflicts."""

import shutil
import signal
import time
from collections.abc import Callable

import pytest
from tests.conftest import Server, need, stop_server, valkey_binary
from tests.integration.operator.redis_configs.stage import Stage, server

from stanine_operator.controller.problems import OperatorProblem

Start = Callable[..., Server]
Stages = Callable[[Server], Stage]


def redis_7() -> str | None:
    return shutil.which("redis-server")


@pytest.fixture(params=["valkey", "redis-7.0"])
def any_stage(request: pytest.FixtureRequest, own_server: Start, stages: Stages) -> Stage:
    """A stage on each supported kind of server."""
    if request.param == "valkey":
        return stages(own_server())
    need("redis-server", found=redis_7() is not None)
    return stages(own_server(binary=redis_7()))


def test_declared_parameters_are_set_once(
    any_stage: Stage,
) -> None:
    wanted = {
        "maxmemory": "100mb", "maxmemory-policy": "noeviction", "appendfsync": "always", "timeout": "600", "tcp-keepalive": "60",
        "hash-max-listpack-entries": "256", "hash-max-listpack-value": "2048", "slowlog-log-slower-than": "5000",
        "client-output-buffer-limit": "pubsub 64mb 16mb 90", "save": "3600 1", "notify-keyspace-events": "KEA",
    }  # fmt: skip
    config = any_stage.config(server=server(**wanted))
    config.reconcile()
    assert config.condition("ServerConfigured") == ("True", "AsDeclared")
    assert any_stage.parameter("maxmemory") == str(100 << 20)
    assert any_stage.parameter("hash-max-listpack-value") == "2048"
    assert any_stage.parameter("client-output-buffer-limit").endswith("pubsub 67108864 16777216 90")
    calls = any_stage.client.info("commandstats")["cmdstat_config|set"]["calls"]
    config.reconcile()
    assert any_stage.client.info("commandstats")["cmdstat_config|set"]["calls"] == calls
    assert config.resource.status["drift"] == []


def test_a_rejected_value_changes_no_other_parameter(any_stage: Stage) -> None:
    config = any_stage.config(server=server(maxmemory="100mb", maxclients="1000000", timeout="77"))
    config.reconcile()
    assert config.condition("ServerConfigured") == ("False", "InvalidParameter")
    assert "maxclients" in config.message("ServerConfigured")
    assert config.condition("Ready") == ("False", "InvalidParameter")
    assert (any_stage.parameter("maxmemory"), any_stage.parameter("timeout")) == ("0", "0")
    config.apply(server=server(maxmemory="100mb", timeout="77"))
    config.reconcile()
    assert (any_stage.parameter("maxmemory"), any_stage.parameter("timeout")) == (
        str(100 << 20),
        "77",
    )


def test_manual_drift_is_corrected_and_reported(stage: Stage) -> None:
    config = stage.config(server=server(timeout="600", hz="20"))
    config.reconcile()
    assert config.events == []
    stage.client.config_set("timeout", "5")
    config.reconcile()
    assert stage.parameter("timeout") == "600"
    assert [event.reason for event in config.events] == ["DriftCorrected"]
    assert "timeout" in config.events[0].message


def test_report_keeps_and_lists_manual_drift(stage: Stage) -> None:
    config = stage.config(server=server(timeout="600", hz="20"), driftPolicy="Report")
    config.reconcile()
    assert stage.parameter("timeout") == "600"
    stage.client.config_set("timeout", "5")
    config.reconcile()
    assert config.condition("ServerConfigured") == ("False", "DriftDetected")
    assert config.resource.status["drift"] == [{"name": "timeout", "wanted": "600", "found": "5"}]
    config.apply(memoryWarningPercent=70).reconcile()
    assert stage.parameter("timeout") == "5"
    config.apply(server=server(timeout="600", hz="40")).reconcile()
    assert (stage.parameter("timeout"), stage.parameter("hz")) == ("5", "40")
    assert config.condition("ServerConfigured") == ("False", "DriftDetected")
    stage.client.config_set("timeout", "600")
    config.reconcile()
    assert config.condition("Ready")[0] == "True"


@pytest.mark.parametrize("policy", ["Correct", "Report"])
def test_parameters_are_set_again_after_the_server_restarts(
    own_server: Start, stages: Stages, policy: str
) -> None:
    first = own_server()
    stage = stages(first)
    config = stage.config(server=server(timeout="600"), driftPolicy=policy)
    config.reconcile()
    before = config.resource.status["runId"]
    stop_server(first, signal.SIGKILL)
    with pytest.raises(OperatorProblem) as refused:
        config.reconcile()
    assert refused.value.reason in {"ConnectionRefused", "ConnectionLost"}
    own_server(directory=first.directory, port=first.port)
    stage.connections.forget(config.resource.key)
    config.reconcile()
    assert stage.parameter("timeout") == "600"
    assert config.resource.status["runId"] != before
    assert config.events == []  # not a drift


def test_observe_sets_nothing_and_does_not_fail_ready(stage: Stage) -> None:
    config = stage.config(server=server(timeout="600"), managementPolicy="Observe")
    config.reconcile()
    assert stage.parameter("timeout") == "0"
    assert config.condition("ServerConfigured") == ("False", "DriftDetected")
    assert config.resource.status["drift"] == [{"name": "timeout", "wanted": "600", "found": "0"}]
    assert config.condition("Ready")[0] == "True"


@pytest.mark.parametrize(("policy", "ready"), [("Apply", "False"), ("Observe", "True")])
@pytest.mark.parametrize("how", ["acl", "renamed"])
def test_a_server_without_config_is_unsupported(
    own_server: Start, stages: Stages, policy: str, ready: str, how: str
) -> None:
    renamed = how == "renamed"
    need("redis-server", found=not renamed or redis_7() is not None)  # Valkey 9 renames no commands
    stage = stages(
        own_server(
            *(["--rename-command", "CONFIG", ""] if renamed else []),
            binary=redis_7() if renamed else valkey_binary(),
        )
    )
    if not renamed:
        stage.allow("-config")
    config = stage.config(server=server(timeout="600"), managementPolicy=policy)
    config.reconcile()
    assert config.condition("ServerConfigured") == (
        "False" if policy == "Apply" else "Unknown",
        "UnsupportedByServer",
    )
    assert config.condition("Ready")[0] == ready
    if not renamed:
        stage.allow("+config")
        config.reconcile()
        assert config.condition("ServerConfigured")[0] == ("True" if policy == "Apply" else "False")


def test_missing_permission_for_config_set_is_reported(stage: Stage) -> None:
    stage.allow("-config|set")
    config = stage.config(server=server(timeout="600"))
    config.reconcile()
    assert config.condition("ServerConfigured") == ("False", "UnsupportedByServer")
    assert "config|set" in config.message("ServerConfigured")
    assert config.resource.status["drift"] == [{"name": "timeout", "wanted": "600", "found": "0"}]


def test_a_replica_is_reported_and_not_changed(own_server: Start, stages: Stages) -> None:
    primary = own_server()
    stage = stages(own_server("--replicaof", f"127.0.0.1 {primary.port}"))
    config = stage.config(server=server(timeout="600"))
    config.reconcile()
    assert config.resource.status["role"] == "replica"
    assert config.condition("ServerConfigured") == ("False", "ReadOnly")
    assert config.condition("Ready") == ("False", "ReadOnly")
    assert stage.parameter("timeout") == "0"


def test_of_two_resources_for_one_server_the_older_owns_it_and_the_younger_takes_over(
    stage: Stage,
) -> None:
    younger = stage.config(namespace="b", created=2, keyNamespace="y", server=server(timeout="2"))
    elder = stage.config(namespace="a", created=1, keyNamespace="x", server=server(timeout="1"))
    for config in (younger, elder, younger):
        config.reconcile()
    assert stage.parameter("timeout") == "1"
    assert younger.condition("ServerConfigured") == ("False", "ResourceConflict")
    assert f"a/{elder.resource.name}" in younger.message("ServerConfigured")
    assert elder.condition("ServerConfigured")[0] == "True"
    elder.delete()
    younger.reconcile()
    assert stage.parameter("timeout") == "2"
    assert younger.condition("ServerConfigured")[0] == "True"


def test_two_names_of_one_server_are_one_server(stage: Stage) -> None:
    elder = stage.config(created=1, keyNamespace="x", server=server(timeout="1"))
    elder.reconcile()
    younger = stage.config(
        created=2,
        keyNamespace="y",
        server=server(timeout="2"),
        connection={"host": "localhost", "port": stage.port},
    )
    younger.reconcile()
    assert younger.condition("ServerConfigured") == ("False", "ResourceConflict")
    assert stage.parameter("timeout") == "1"


def test_memory_above_the_threshold_warns_without_failing_ready(stage: Stage) -> None:
    stage.client.set("filler", b"x" * (60 << 20))
    limit = int(stage.client.info("memory")["used_memory"] / 0.9)
    config = stage.config(server=server(maxmemory=str(limit)))
    config.reconcile()
    assert config.condition("MemoryHigh") == ("True", "PastThreshold")
    assert config.condition("Ready")[0] == "True"
    assert config.resource.status["memory"]["maxBytes"] == limit
    config.apply(
        memoryWarningPercent=94
    ).reconcile()  # within the hysteresis, but the warning has not started under this threshold
    assert config.condition("MemoryHigh")[0] == "False"
    config.apply(
        server=server(maxmemory="100mb", **{"maxmemory-policy": "allkeys-lru"})
    ).reconcile()
    assert config.condition("MemoryHigh") == ("True", "EvictionPolicy")
    assert config.condition("SettingsApplied")[0] == "True"


def test_latency_is_a_gauge_and_not_in_the_status(stage: Stage) -> None:
    config = stage.config()
    gauges = config.reconcile().gauges
    assert 0 < gauges["latency_seconds"] < 5
    assert gauges["memory_used_bytes"] > 500_000
    assert "latency" not in str(config.resource.status)


def test_an_idle_server_changes_no_field_of_the_status(stage: Stage) -> None:
    config = stage.config(
        server=server(timeout="600"), settings={"sweepSeconds": 5}, compatibility="DualWrite"
    )
    config.reconcile()
    time.sleep(0.3)  # a server that has just started samples its resident memory every 0.1 s
    config.reconcile()
    before = config.resource.status
    for _ in range(20):
        config.reconcile()
    assert config.resource.status == before
