"""Programs can read what the chart renders.

Keys, addresses, queues, resources, server configuration.
"""

import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from tests.chart.rendering import (
    CI_FILES,
    NAMESPACE,
    environment,
    of_kind,
    pod_specs,
    render,
    secret_texts,
)
from tests.conftest import free_port, valkey_binary

from stanine.api.web.auth import Scope, read_entries
from stanine.broker.connection.clients import connect
from stanine.broker.connection.environment import read_environment
from stanine.broker.keys import queue_keys
from stanine.crds.reading import read_queue, read_redis_config
from stanine.messages import BUILD_INDEX, SCORE_ATTEMPTS
from stanine.store.keys import Keys


def ci(name: str) -> Path:
    return next(file for file in CI_FILES if file.name == f"{name}-values.yaml")


def test_the_api_reads_the_keys_file_and_knows_the_admin_key() -> None:
    secrets = secret_texts(render(ci("everything")))
    entries = {
        entry.name: entry
        for entry in read_entries(secrets["trial-stanine-keys"]["keys.yaml"].encode(), "keys.yaml")
    }
    assert set(entries) == {"admin", "reader"}
    assert (
        entries["admin"].sha256
        == hashlib.sha256(secrets["trial-stanine-admin-key"]["key"].encode()).hexdigest()
    )
    assert set(entries["admin"].scopes) == set(Scope) - {
        Scope.OPERATE_READ
    }  # `operate` includes `operate:read`


def test_entries_of_the_values_may_have_every_scope() -> None:
    entry = {"name": "all", "sha256": "0" * 64, "scopes": list(Scope), "instruments": ["*"]}
    secrets = secret_texts(render({"api": {"keys": {"entries": [entry]}}}))
    entries = read_entries(secrets["trial-stanine-keys"]["keys.yaml"].encode(), "keys.yaml")
    assert set(entries[-1].scopes) == set(Scope)


def test_keda_reads_the_streams_of_the_queues() -> None:
    values = {name: {"keda": {"enabled": True}} for name in ("indexWatcher", "resultWatcher")}
    scaled = of_kind(render(values | {"keyNamespace": "other"}), "ScaledObject")
    for name, route in (("index-watcher", BUILD_INDEX), ("result-watcher", SCORE_ATTEMPTS)):
        (trigger,) = scaled[f"trial-stanine-{name}"]["spec"]["triggers"]
        assert (
            trigger["metadata"]["stream"] == queue_keys(Keys("other").partition, route.queue).ready
        )
        assert scaled[f"trial-stanine-{name}"]["spec"]["minReplicaCount"] >= 1


@pytest.mark.parametrize("file", CI_FILES, ids=lambda file: file.name.removesuffix("-values.yaml"))
def test_replicas_are_omitted_if_an_autoscaler_is_enabled(file: Path) -> None:
    objects = render(file)
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]
        for each in objects
        if each["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")
    }
    for name, each in of_kind(objects, "Deployment").items():
        assert ("replicas" in each["spec"]) is (name not in scaled)


def variables(pod: dict[str, Any]) -> dict[str, str]:
    """Return a pod's variables; a reference to a Secret is replaced by the name of its key."""
    return {
        name: value if isinstance(value, str) else f"{value['secretKeyRef']['key']}"
        for name, value in environment(pod).items()
        if "fieldRef" not in value
    }


def files_of(pod: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the files that a pod mounts from Secrets: path -> (Secret, key).

    Mounts by subPath are omitted, because they do not follow their Secret.
    """
    volumes: dict[str, list[dict[str, Any]]] = {}
    for each in pod["volumes"]:
        projected = [source["secret"] for source in each.get("projected", {}).get("sources", ())]
        volumes[each["name"]] = [each["secret"]] if "secret" in each else projected
    return {
        f"{mount['mountPath']}/{item['path']}": (
            secret.get("name") or secret["secretName"],
            item["key"],
        )
        for mount in pod["containers"][0]["volumeMounts"]
        if "subPath" not in mount
        for secret in volumes[mount["name"]]
        for item in secret.get("items", ())
    }


def test_services_receive_the_address_of_redis() -> None:
    def options(file: str) -> tuple[dict[str, Any], dict[str, tuple[str, str]]]:
        pod = pod_specs(render(ci(file)))["Deployment/trial-stanine-api"]
        pool: Any = connect(read_environment(variables(pod)).redis_url).connection_pool
        sentinels = getattr(pool, "sentinel_manager", None)
        return {
            "class": pool.connection_class.__name__,
            "sentinels": sentinels,
            **pool.connection_kwargs,
        }, files_of(pod)

    own, files = options("default")
    assert (own["host"], own["port"]) == ("trial-stanine-valkey", 6379)
    login = own["credential_provider"]
    assert files[login.username_file] == ("trial-stanine-redis", "api-username")
    assert files[login.password_file] == ("trial-stanine-redis", "api-password")

    there, files = options("external-redis")
    assert (there["host"], there["port"], there["db"], there["class"]) == (
        "redis.example",
        6380,
        3,
        "SSLConnection",
    )
    for option, key in (
        ("ssl_ca_certs", "ca.crt"),
        ("ssl_certfile", "tls.crt"),
        ("ssl_keyfile", "tls.key"),
    ):
        assert files[there[option]] == ("redis-tls", key)
    assert files[there["credential_provider"].password_file] == ("redis-users", "api-password")

    watched, files = options("sentinel")
    nodes = [each.connection_pool.connection_kwargs for each in watched["sentinels"].sentinels]
    assert [(each["host"], each["port"]) for each in nodes] == [
        ("sentinel-0.example", 26379),
        ("sentinel-1.example", 26379),
        ("sentinel-2.example", 26380),
    ]
    assert {files[each["credential_provider"].password_file] for each in nodes} == {
        ("redis", "sentinel-password")
    }
    login = watched["credential_provider"]
    assert (files[login.username_file], files[login.password_file]) == (
        ("redis", "user"),
        ("redis", "pass"),
    )


@pytest.mark.parametrize(
    "file", [file for file in CI_FILES if "gateway" not in file.name], ids=lambda file: file.name
)
def test_default_resources_point_the_operator_to_the_services_server(
    file: Path,
) -> None:
    objects = render(file)
    (config,) = of_kind(objects, "RedisConfig").values()
    spec = read_redis_config(config["spec"])
    address = variables(pod_specs(objects)["Deployment/trial-stanine-api"])["STANINE_REDIS_URL"]
    if spec.connection.sentinel:
        assert f"/{spec.connection.sentinel.master_name}/" in address
    else:
        host = (spec.connection.host or "").removesuffix(
            f".{NAMESPACE}.svc"
        )  # the operator may be in another namespace than the services
        assert f"{host}:{spec.connection.port}/{spec.connection.db}" in address
    assert bool(spec.connection.tls) is address.startswith("rediss")
    assert {read_queue(each["spec"]).queue_name for each in of_kind(objects, "Queue").values()} == {
        BUILD_INDEX.queue,
        SCORE_ATTEMPTS.queue,
    }


def test_a_null_queue_is_omitted() -> None:
    assert set(of_kind(render({"queues": {"index": None}}), "Queue")) == {"results"}


def test_a_real_server_accepts_the_configuration_and_the_users(tmp_path: Path) -> None:
    objects = render(ci("everything"))
    secret = secret_texts(objects)["trial-stanine-redis"]
    (tmp_path / "users.acl").write_text(secret["users.acl"])
    text = of_kind(objects, "ConfigMap")["trial-stanine-valkey"]["data"]["valkey.conf"]
    assert "\nmaxmemory 2gb\n" in text
    assert "\nmaxclients 5000\n" in text
    port = free_port()
    # port and directory of the test's server; otherwise the rendered file
    for name, value in {
        "bind": "127.0.0.1",
        "port": port,
        "dir": tmp_path,
        "aclfile": tmp_path / "users.acl",
    }.items():
        text, count = re.subn(rf"^{name} .*$", f"{name} {value}", text, flags=re.MULTILINE)
        assert count == 1
    (tmp_path / "valkey.conf").write_text(text)
    with subprocess.Popen(
        [valkey_binary(), str(tmp_path / "valkey.conf")], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            for user in ("api", "index-watcher", "result-watcher", "operator", "cli"):
                client = connect(
                    f"redis://{user}:{secret[f'{user}-password']}@127.0.0.1:{port}", retries=8
                )
                assert client.ping() is True
                with pytest.raises(redis.ResponseError, match="no permissions"):
                    client.flushall()
                client.close()
            stranger = connect(f"redis://127.0.0.1:{port}", retries=0)
            with pytest.raises(redis.AuthenticationError):
                stranger.get("x")
            stranger.close()
        finally:
            server.terminate()


def test_no_image_uses_the_tag_latest() -> None:
    for file in CI_FILES:
        for pod in pod_specs(render(file)).values():
            assert all(
                re.search(r"(:[^:/]+|@sha256:[0-9a-f]{64})$", container["image"])
                for container in pod["containers"]
            )
            assert not any(
                container["image"].endswith(":latest") for container in pod["containers"]
            )


def test_chart_and_program_have_the_same_version() -> None:
    root = Path(__file__).parents[2]
    chart = yaml.safe_load((root / "charts/stanine/Chart.yaml").read_text())
    (version,) = re.findall(
        r'^version = "(.+)"$', (root / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert (chart["version"], chart["appVersion"]) == (version, version)
