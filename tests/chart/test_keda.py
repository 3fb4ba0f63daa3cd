"""KEDA objects of the chart match what KEDA 2.21 reads and sends.

Source: pkg/scalers/redis_streams_scaler.go and redis_scaler.go.
"""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from tests.chart.rendering import CHART, CI_FILES, Object, of_kind, render, secret_texts
from tests.conftest import free_port, valkey_binary

from stanine.broker.connection.clients import connect

BOTH = {name: {"keda": {"enabled": True}} for name in ("indexWatcher", "resultWatcher")}
#: Required and optional metadata per trigger type. With a consumerGroup KEDA would not use the length.
METADATA = {
    "redis-streams": ({"address", "stream", "streamLength"}, {"databaseIndex", "enableTLS"}),
    "redis-sentinel-streams": (
        {"addresses", "sentinelMaster", "stream", "streamLength"},
        {"databaseIndex", "enableTLS"},
    ),
}
#: Parameters that KEDA reads from a TriggerAuthentication; others are ignored.
PARAMETERS = {"username", "password", "sentinelUsername", "sentinelPassword", "ca", "cert", "key"}


def scaled(objects: list[Object]) -> list[dict[str, Any]]:
    return [each["spec"] for each in of_kind(objects, "ScaledObject").values()]


@pytest.mark.parametrize("file", CI_FILES, ids=lambda file: file.name.removesuffix("-values.yaml"))
def test_keda_triggers_have_exactly_known_and_required_fields(file: Path) -> None:
    objects = render(file)
    given = of_kind(objects, "TriggerAuthentication")
    for spec in scaled(objects):
        (trigger,) = spec["triggers"]
        needed, read = METADATA[trigger["type"]]
        assert needed <= set(trigger["metadata"]) <= needed | read
        assert all(isinstance(value, str) for value in trigger["metadata"].values())
        targets = given[trigger["authenticationRef"]["name"]]["spec"]["secretTargetRef"]
        assert {"password"} < {each["parameter"] for each in targets} <= PARAMETERS


def test_ci_files_use_keda_with_an_address_and_with_sentinels() -> None:
    assert {
        spec["triggers"][0]["type"] for file in CI_FILES for spec in scaled(render(file))
    } == set(METADATA)


def test_watchers_keep_one_replica_and_scale_down_by_the_behavior() -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 30}}
    specs = scaled(
        render(BOTH | {"resultWatcher": {"keda": {"enabled": True, "behavior": behavior}}})
    )
    assert len(specs) == 2
    for spec in specs:
        assert spec["minReplicaCount"] >= 1
        # With these KEDA would change the replicas if Redis is silent or the queue is empty.
        assert not {"idleReplicaCount", "fallback"} & set(spec)
    assert [each["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] for each in specs] == [
        {"scaleDown": {"stabilizationWindowSeconds": 120}},
        behavior,
    ]


def test_kedas_user_has_exactly_the_commands_that_keda_sends(
    tmp_path: Path,
) -> None:
    objects = render(BOTH)
    texts = secret_texts(objects)
    (authentication,) = of_kind(objects, "TriggerAuthentication").values()
    login = {
        each["parameter"]: texts[each["name"]][each["key"]]
        for each in authentication["spec"]["secretTargetRef"]
    }
    aclfile = tmp_path / "users.acl"
    aclfile.write_text(
        texts["trial-stanine-redis"]["users.acl"] + "user admin on >admin ~* &* +@all\n"
    )
    port = free_port()
    command = [
        valkey_binary(),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(tmp_path),
        "--aclfile",
        str(aclfile),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            admin: Any = connect(f"redis://admin:admin@127.0.0.1:{port}", retries=8)
            # as go-redis connects: HELLO with user, client info, the database; then KEDA's PING and the length
            keda: Any = redis.Redis(
                port=port,
                protocol=3,
                username=login["username"],
                password=login["password"],
                single_connection_client=True,
            )
            keda.execute_command("SELECT", 0)
            assert keda.ping()
            for spec in scaled(objects):
                stream = spec["triggers"][0]["metadata"]["stream"]
                admin.xadd(stream, {"h": b"x"})
                assert keda.xlen(stream) == 1
            assert admin.execute_command("ACL", "LOG") == []
            assert set(admin.acl_getuser(login["username"])["commands"]) - {"-@all"} == {
                "+ping",
                "+select",
                "+client|setinfo",
                "+xlen",
            }
            keda.close()
            admin.close()
        finally:
            server.terminate()


def test_kedas_pods_reach_valkey_with_the_value_in_the_readme() -> None:
    (line,) = re.findall(
        r"^    (networkPolicy: .+)$", (CHART / "README.md").read_text(), re.MULTILINE
    )
    policy = of_kind(render(BOTH | yaml.safe_load(line)), "NetworkPolicy")["trial-stanine-valkey"]
    (rule,) = policy["spec"]["ingress"]
    assert rule["ports"] == [{"port": 6379, "protocol": "TCP"}]
    # the operator queries Redis; the metrics server queries the operator
    assert {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}},
        "podSelector": {"matchLabels": {"app": "keda-operator"}},
    } in rule["from"]
