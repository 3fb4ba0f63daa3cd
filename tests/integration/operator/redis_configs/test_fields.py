"""Each field of a RedisConfig, set through the API server and observed in Redis or the status."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.conftest import Server, free_port, need, start_server, stop_server
from tests.integration.broker_failures.test_failover import Pair
from tests.integration.broker_failures.test_networks import wait_until
from tests.integration.operator.harness import (
    Api,
    Object,
    OperatorProcess,
    Refused,
    redis_config,
    running,
    secret,
)

from stanine.store.keys import Keys
from stanine.store.settings.model import NAMES, SettingsRead
from stanine.store.settings.reader import load_settings

#: A value for every setting, none of them the default.
EVERY_SETTING: dict[str, Any] = {
    "durability": "Fsync", "admissionPercent": 70, "sweepSeconds": 6, "maxRequeues": 7, "batchMaxAttempts": 99, "bulkGroupLines": 77,
    "bulkGroupBytes": 100_000, "maxAttemptBytes": 5_000, "maxDocumentBytes": 50_000, "historyRevisions": 9, "logLevel": "Debug",
    "sessionDays": 3, "sessionGraceSeconds": 11, "tombstoneDays": 4, "publicUrl": "https://people.example",
    "returnUrls": "https://a.example https://b.example",
}  # fmt: skip


@dataclass
class Place:
    """A namespace that an operator serves, and an empty server."""

    api: Api
    namespace: str
    port: int

    @property
    def client(self) -> Any:
        return redis.Redis(port=self.port, decode_responses=True)

    def apply(self, name: str = "default", port: int | None = None, **spec: Any) -> None:
        """Apply a RedisConfig with a separate key namespace, so that tests are independent."""
        prefix = {} if "keyNamespace" in spec else {"keyNamespace": name}
        self.api.apply(redis_config(self.namespace, port or self.port, name, **prefix, **spec))

    def wait(
        self, name: str, condition: str = "Ready", status: str = "True", reason: str | None = None
    ) -> Object:
        found: Object = self.api.wait(
            "RedisConfig", self.namespace, name, condition, status, reason
        )["status"]
        return found

    def settings(self, name: str) -> SettingsRead:
        """Return the settings that a service of this key namespace uses."""
        with redis.Redis(port=self.port) as client:
            return load_settings(client, Keys(name), SettingsRead())


@pytest.fixture(scope="module")
def place(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    server = start_server(tmp_path_factory.mktemp("valkey"))
    namespace = f"fields-{uuid.uuid4().hex[:10]}"
    api.make_namespace(namespace)
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with running(OperatorProcess(api.kubeconfig, log, ("--namespace", namespace))):
        yield Place(api, namespace, server.port)
    stop_server(server)
    api.request("DELETE", f"/api/v1/namespaces/{namespace}")


def test_key_namespace_is_the_prefix_of_every_key_and_cannot_be_changed(place: Place) -> None:
    place.apply("prefix", keyNamespace="clinic-a", settings={"sweepSeconds": 2})
    place.wait("prefix")
    assert place.client.hget("clinic-a:{p0}:config", "sweepSeconds") == "2"
    with pytest.raises(Refused, match="cannot be changed"):
        place.apply("prefix", keyNamespace="clinic-b")


def test_without_a_key_namespace_it_is_stanine(place: Place) -> None:
    place.api.apply(
        redis_config(place.namespace, place.port, "nameless", settings={"sweepSeconds": 3})
    )
    place.wait("nameless")
    assert place.client.hget("stanine:{p0}:config", "sweepSeconds") == "3"


def test_host_and_port_lead_to_the_server_that_the_status_describes(
    place: Place, own_server: Callable[..., Server]
) -> None:
    other = own_server()
    place.apply("address", port=other.port, connection={"host": "localhost"})
    status = place.wait("address")
    with redis.Redis(port=other.port, decode_responses=True) as client:
        info: Any = client.info("server")
    assert status["runId"] == info["run_id"]
    assert (status["serverVersion"], status["role"]) == (
        f"Valkey {info['valkey_version']}",
        "primary",
    )
    assert status["memory"]["usedBytes"] > 500_000


def test_the_database_is_the_one_that_is_named(place: Place) -> None:
    place.apply("database", connection={"db": 5}, settings={"sweepSeconds": 4})
    place.wait("database")
    with redis.Redis(port=place.port, db=5) as client:
        assert client.hget("database:{p0}:config", "sweepSeconds") == b"4"


def test_user_and_password_come_from_secrets(place: Place) -> None:
    place.client.acl_setuser(
        "keeper",
        enabled=True,
        passwords=["+let-me-in"],
        commands=["+@all"],
        keys=["*"],
        channels=["*"],
    )
    place.api.apply(secret(place.namespace, "keeper", user="keeper", word="let-me-in"))
    place.client.acl_log_reset()
    references = {
        "usernameSecretRef": {"name": "keeper", "key": "user"},
        "passwordSecretRef": {"name": "keeper", "key": "word"},
    }
    place.apply("user", connection=references)
    place.wait("user")
    assert any(each["user"] == "keeper" for each in place.client.client_list())
    place.api.apply(secret(place.namespace, "stranger", user="keeper", word="let-me-out"))
    place.apply("stranger", connection={"passwordSecretRef": {"name": "stranger", "key": "word"}})
    place.apply("stranger", connection={"usernameSecretRef": {"name": "stranger", "key": "user"},
                                        "passwordSecretRef": {"name": "stranger", "key": "word"}})  # fmt: skip
    assert (
        place.wait("stranger", status="False", reason="AuthFailed")["conditions"][1]["status"]
        == "False"
    )


def test_a_sentinel_leads_to_the_primary(place: Place, pair: Pair, sentinel: str) -> None:
    node = {"host": "127.0.0.1", "port": int(sentinel.rpartition(":")[2].partition("/")[0])}
    body = redis_config(place.namespace, 0, "watched", settings={"sweepSeconds": 5})
    body["spec"]["connection"] = {"sentinel": {"masterName": "main", "nodes": [node]}}
    place.api.apply(body)
    place.wait("watched")
    assert pair.clients[0].hget("stanine:{p0}:config", "sweepSeconds") == b"5"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority, and certificates of `redis.test` and of a client."""
    need("openssl", found=shutil.which("openssl") is not None)
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=authority",
            "-keyout", "ca.key", "-out", "ca.crt", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    for name in ("server", "client"):
        (folder / f"{name}.ext").write_text(
            "subjectAltName=DNS:redis.test\nkeyUsage=critical,digitalSignature\n"
        )
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", f"{name}.ext", "-out", f"{name}.crt")  # fmt: skip
    return folder


def test_tls_takes_authority_certificate_key_and_name(
    place: Place, own_server: Callable[..., Server], certificates: Path
) -> None:
    binary = shutil.which("redis-server")
    need("redis-server", found=binary is not None)  # Debian's has TLS, the one from pip has not
    tls_port = free_port()
    own_server(
        "--tls-port", str(tls_port), "--tls-ca-cert-file", str(certificates / "ca.crt"),
        "--tls-cert-file", str(certificates / "server.crt"), "--tls-key-file", str(certificates / "server.key"),
        "--tls-auth-clients", "yes", binary=binary,
    )  # fmt: skip
    files = {
        name.replace(".", "-"): (certificates / name).read_text()
        for name in ("ca.crt", "client.crt", "client.key")
    }
    place.api.apply(secret(place.namespace, "tls", **files))
    tls = {
        "caSecretRef": {"name": "tls", "key": "ca-crt"}, "certificateSecretRef": {"name": "tls", "key": "client-crt"},
        "privateKeySecretRef": {"name": "tls", "key": "client-key"}, "serverName": "redis.test",
    }  # fmt: skip
    place.apply("tls", port=tls_port, connection={"tls": tls})
    place.wait("tls")
    place.apply("tls", port=tls_port, connection={"tls": tls | {"serverName": "else.test"}})
    place.wait("tls", status="False", reason="TLSHandshakeFailed")
    anonymous = {
        name: reference for name, reference in tls.items() if name in {"caSecretRef", "serverName"}
    }
    place.apply("tls", port=tls_port, connection={"tls": anonymous})
    place.wait("tls", status="False")


@pytest.fixture
def crowded_port() -> Iterator[int]:
    """A port that neither accepts nor rejects connections: its backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_the_connect_timeout_is_applied(place: Place, crowded_port: int) -> None:
    began = time.monotonic()
    place.apply("far", port=crowded_port, connection={"connectTimeoutMilliseconds": 100})
    place.wait("far", "Reachable", status="False", reason="Timeout")
    assert time.monotonic() - began < 4  # twice the default, because of one retry


def test_the_command_timeout_is_applied(place: Place, own_server: Callable[..., Server]) -> None:
    slow = own_server()
    place.apply("slow", port=slow.port, connection={"commandTimeoutMilliseconds": 100})
    place.wait("slow")
    with redis.Redis(port=slow.port) as client:
        client.client_pause(3_000)
        place.apply(
            "slow",
            port=slow.port,
            connection={"commandTimeoutMilliseconds": 100},
            memoryWarningPercent=77,
        )
        place.wait("slow", status="False", reason="Timeout")


def test_management_policy_observe_reports_and_sets_nothing(
    place: Place, own_server: Callable[..., Server]
) -> None:
    other = own_server()
    parameters = [{"name": "timeout", "value": "33"}]
    place.apply("observed", port=other.port, managementPolicy="Observe", server=parameters)
    status = place.wait("observed")
    assert status["drift"] == [{"name": "timeout", "wanted": "33", "found": "0"}]
    place.wait("observed", "ServerConfigured", status="False", reason="DriftDetected")
    place.apply("observed", port=other.port, managementPolicy="Apply", server=parameters)
    assert (
        "drift" not in place.wait("observed", "ServerConfigured")
        or place.wait("observed")["drift"] == []
    )
    with redis.Redis(port=other.port) as client:
        assert client.config_get("timeout") == {"timeout": "33"}


def test_drift_policy_decides_about_manual_drift(
    place: Place, own_server: Callable[..., Server]
) -> None:
    other = own_server()
    parameters = [{"name": "timeout", "value": "33"}]
    place.apply("drifting", port=other.port, driftPolicy="Report", server=parameters)
    place.wait("drifting")
    with redis.Redis(port=other.port, decode_responses=True) as client:
        client.config_set("timeout", "5")
        place.apply(
            "drifting",
            port=other.port,
            driftPolicy="Report",
            server=parameters,
            settings={"sweepSeconds": 9},
        )
        assert wait_until(lambda: client.hget("drifting:{p0}:config", "sweepSeconds") == "9", 30)
        place.apply("drifting", port=other.port, driftPolicy="Correct", server=parameters)
        place.wait("drifting", "ServerConfigured")
        assert wait_until(lambda: client.config_get("timeout") == {"timeout": "33"}, 30)


def test_server_parameters_are_set(place: Place, own_server: Callable[..., Server]) -> None:
    other = own_server()
    wanted = {"maxmemory": "200mb", "maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec",
              "hash-max-listpack-entries": "300", "hash-max-listpack-value": "1500", "timeout": "44", "tcp-keepalive": "55",
              "slowlog-log-slower-than": "6000", "client-output-buffer-limit": "pubsub 64mb 16mb 90"}  # fmt: skip
    place.apply(
        "parameters",
        port=other.port,
        server=[{"name": name, "value": value} for name, value in wanted.items()],
    )
    assert place.wait("parameters", "ServerConfigured")["memory"]["maxBytes"] == 200 << 20
    with redis.Redis(port=other.port, decode_responses=True) as client:
        found: Any = client.config_get("*")
    assert (found["maxmemory"], found["hash-max-listpack-value"], found["timeout"]) == (
        str(200 << 20),
        "1500",
        "44",
    )
    assert found["client-output-buffer-limit"].endswith("pubsub 67108864 16777216 90")
    with pytest.raises(Refused, match="bind"):
        place.apply("parameters", port=other.port, server=[{"name": "bind", "value": "0.0.0.0"}])


def test_every_setting_is_followed_by_services_without_a_restart(place: Place) -> None:
    assert set(EVERY_SETTING) == set(NAMES)
    place.apply("settings", settings=EVERY_SETTING)
    assert place.wait("settings", "SettingsApplied")["revision"] == 1
    read = place.settings("settings")
    assert read.stated == set(NAMES)
    assert all(str(getattr(read.settings, field)) == str(EVERY_SETTING[name]) for field, name in zip(
        read.settings.__struct_fields__, NAMES, strict=True
    ))  # fmt: skip
    place.apply("settings", settings={"sweepSeconds": 8})
    assert place.wait("settings")["revision"] == 2
    assert place.settings("settings").stated == {"sweepSeconds"}


def test_layout_moves_the_settings_from_hash_to_string_and_back(place: Place) -> None:
    place.apply("moving", settings={"sweepSeconds": 8}, layout="String")
    assert place.wait("moving", "Migrated")["layout"] == "String"
    assert json.loads(place.client.get("moving:config")) == {"sweepSeconds": 8}
    assert not place.client.exists("moving:{p0}:config")
    place.apply("moving", settings={"sweepSeconds": 8}, layout="Hash")
    status = place.wait("moving", "Migrated")
    assert status["layout"] == "Hash"
    assert not place.client.exists("moving:config")
    assert status["memory"]["hashLayoutBytes"] > 0
    assert status["memory"]["stringLayoutBytes"] > 0


def test_compatibility_dual_write_keeps_the_older_string_in_step(place: Place) -> None:
    place.apply("both", settings={"sweepSeconds": 8}, compatibility="DualWrite")
    place.wait("both", "Migrated")
    place.apply("both", settings={"sweepSeconds": 9}, compatibility="DualWrite")
    place.wait("both")
    assert json.loads(place.client.get("both:config")) == {"sweepSeconds": 9}
    assert place.client.hgetall("both:{p0}:config") == {"sweepSeconds": "9"}
    place.apply("both", settings={"sweepSeconds": 9}, compatibility="None")
    place.wait("both")
    assert not place.client.exists("both:config")


def test_rollback_to_pins_a_revision_until_it_is_removed(place: Place) -> None:
    for seconds in (1, 2):
        place.apply("pinned", settings={"sweepSeconds": seconds})
        place.wait("pinned")
    place.apply("pinned", settings={"sweepSeconds": 3}, rollbackTo=1)
    status = place.wait("pinned", "SettingsApplied", status="False", reason="RolledBack")
    assert (status["revision"], status["lastHandledPin"]) == (3, 1)
    assert place.settings("pinned").settings.sweep_seconds == 1
    place.apply("pinned", settings={"sweepSeconds": 3})
    status = place.wait("pinned", "SettingsApplied")
    assert status["revision"] == 4
    assert "lastHandledPin" not in status
    assert place.settings("pinned").settings.sweep_seconds == 3


def test_memory_warning_percent_is_the_threshold_of_memory_high(
    place: Place, own_server: Callable[..., Server]
) -> None:
    other = own_server("--maxmemory", "20mb")
    with redis.Redis(port=other.port) as client:
        client.set("filler", b"x" * (8 << 20))
    place.apply("memory", port=other.port, memoryWarningPercent=20)
    place.wait("memory", "MemoryHigh", status="True", reason="PastThreshold")
    place.apply("memory", port=other.port, memoryWarningPercent=99)
    place.wait("memory", "MemoryHigh", status="False")
    place.wait("memory")


def test_of_two_resources_for_one_key_namespace_the_younger_waits_until_the_older_is_deleted(
    place: Place,
) -> None:
    place.apply("elder", keyNamespace="contested", settings={"sweepSeconds": 1})
    place.wait("elder")
    time.sleep(1.1)  # their age has a resolution of one second
    place.apply("younger", keyNamespace="contested", settings={"sweepSeconds": 2})
    status = place.wait("younger", "SettingsApplied", status="False", reason="ResourceConflict")
    assert any(f"{place.namespace}/elder" in each["message"] for each in status["conditions"])
    assert place.settings("contested").settings.sweep_seconds == 1
    place.api.delete("RedisConfig", place.namespace, "elder")
    place.wait("younger")
    assert place.settings("contested").settings.sweep_seconds == 2
