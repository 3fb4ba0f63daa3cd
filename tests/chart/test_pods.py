"""Every pod satisfies the pod security standard `restricted` and has only the secrets it needs."""

from pathlib import Path
from typing import Any

import pytest
from tests.chart.rendering import CI_FILES, environment, of_kind, pod_specs, render, secret_texts

EVERYTHING = next(file for file in CI_FILES if file.name.startswith("everything"))


@pytest.mark.parametrize("file", CI_FILES, ids=lambda file: file.name.removesuffix("-values.yaml"))
def test_every_pod_is_restricted(file: Path) -> None:
    pods = pod_specs(render(file))
    assert len(pods) >= 4
    for name, pod in pods.items():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")), name
        assert all(
            set(volume) & {"emptyDir", "secret", "configMap", "projected", "persistentVolumeClaim"}
            for volume in pod.get("volumes", [])
        ), name
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            context = container["securityContext"]
            assert context == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert {"cpu", "memory", "ephemeral-storage"} <= set(
                container["resources"]["requests"]
            ), name
            assert container["resources"]["limits"]["memory"], name
            assert all("hostPort" not in port for port in container.get("ports", [])), name


def test_only_operator_and_hook_have_kubernetes_credentials() -> None:
    tokens = {
        name for name, pod in pod_specs(render()).items() if pod["automountServiceAccountToken"]
    }
    assert tokens == {"Deployment/trial-stanine-operator", "Job/trial-stanine-uninstall"}


def test_every_process_has_its_own_redis_user_and_password() -> None:
    for name, pod in pod_specs(render()).items():
        component = name.removeprefix("Deployment/trial-stanine-")
        mounted = [volume["secret"] for volume in pod.get("volumes", []) if "secret" in volume]
        projected = [
            source["secret"]
            for volume in pod.get("volumes", [])
            for source in volume.get("projected", {}).get("sources", [])
        ]
        if name == "StatefulSet/trial-stanine-valkey":
            # the aclfile has only hashes; the passwords are not mounted
            assert mounted == [
                {
                    "secretName": "trial-stanine-redis",
                    "items": [{"key": "users.acl", "path": "users.acl"}],
                }
            ]
        else:
            assert mounted == ([{"secretName": "trial-stanine-keys"}] if component == "api" else [])
        # the operator reads its password through the references of the RedisConfig
        if component in ("api", "index-watcher", "result-watcher"):
            items = [
                {"key": f"{component}-{part}", "path": part} for part in ("username", "password")
            ]
            assert projected == [{"name": "trial-stanine-redis", "items": items}]
        else:
            assert projected == []


def test_passwords_and_keys_appear_only_in_secrets() -> None:
    objects = render()
    secrets = secret_texts(objects)
    words = [
        text for key, text in secrets["trial-stanine-redis"].items() if key.endswith("-password")
    ]
    words.append(secrets["trial-stanine-admin-key"]["key"])
    assert len(set(words)) == 8
    assert all(len(word) >= 32 for word in words)
    elsewhere = [each for each in objects if each["kind"] != "Secret"] + [
        secrets["trial-stanine-keys"],
        secrets["trial-stanine-redis"]["users.acl"],
    ]
    assert not any(word in str(elsewhere) for word in words)


def test_extra_variables_take_precedence_without_duplicates() -> None:
    pods = pod_specs(render(EVERYTHING))
    for name, pod in pods.items():
        for container in pod["containers"]:
            given = [each["name"] for each in container.get("env", [])]
            assert len(given) == len(set(given)), name
    api, watcher = (
        environment(pods["Deployment/trial-stanine-api"]),
        environment(pods["Deployment/trial-stanine-result-watcher"]),
    )
    assert "STANINE_LOG_LEVEL" not in api | watcher  # removed by pods.extraEnv
    assert (api.get("HTTP_PROXY"), watcher["HTTP_PROXY"]) == (
        None,
        "http://proxy.example:3128",
    )  # removed by api.extraEnv
    assert api["UVICORN_LOG"] == "5"
    assert watcher["POD_IP"] == {"fieldRef": {"fieldPath": "status.podIP"}}


def test_a_variable_comes_after_those_that_it_refers_to() -> None:
    for name, pod in pod_specs(render(EVERYTHING)).items():
        seen: set[str] = set()
        for each in pod["containers"][0].get("env", []):
            for reference in [
                part.split(")")[0] for part in str(each.get("value", "")).split("$(")[1:]
            ]:
                assert reference in seen, (
                    f"{name}: {each['name']} refers to {reference}, which comes later"
                )
            seen.add(each["name"])


def test_options_of_all_pods_and_of_a_component_are_merged() -> None:
    pods = pod_specs(render(EVERYTHING))
    api, valkey = pods["Deployment/trial-stanine-api"], pods["StatefulSet/trial-stanine-valkey"]
    assert [each["key"] for each in api["tolerations"]] == ["dedicated", "api"]
    assert [each["key"] for each in valkey["tolerations"]] == ["dedicated"]
    for name, pod in pods.items():
        assert pod["imagePullSecrets"] == [{"name": "pull"}], name
        assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}, name
        assert pod["priorityClassName"] == "important", name
    digest = "registry.example/stanine@sha256:0123456789012345678901234567890123456789012345678901234567890123"
    assert {
        container["image"]
        for name, pod in pods.items()
        if "valkey" not in name
        for container in pod["containers"]
        if container["name"] != "server"  # the throw-away server of backups
    } == {digest}


def grace(pod: dict[str, Any]) -> int:
    return int(pod["terminationGracePeriodSeconds"])


def test_pods_have_the_grace_period_of_their_processes() -> None:
    pods = pod_specs(render({"api": {"drainSeconds": 7, "graceSeconds": 20}}))
    api = pods["Deployment/trial-stanine-api"]
    assert {"--drain-seconds=7", "--grace-seconds=20"} <= set(api["containers"][0]["args"])
    assert grace(api) > 7 + 20
    assert all(
        grace(pods[f"Deployment/trial-stanine-{name}"]) > 25
        for name in ("index-watcher", "result-watcher", "operator")
    )


def test_a_rolling_update_keeps_all_pods_until_replacements_are_ready() -> None:
    for name, each in of_kind(render(), "Deployment").items():
        strategy = each["spec"]["strategy"]
        if name.endswith("-operator"):
            assert (strategy["type"], each["spec"]["replicas"]) == ("Recreate", 1)
        else:
            assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_hook_and_test_pods_have_the_common_options_and_limits() -> None:
    # for example a mesh label, without which they would not end; a limit, which a quota may require
    more = {"pods": {"podLabels": {"mesh": "no"}, "podAnnotations": {"mesh": "no"}}}
    limits = {"resources": {"limits": {"cpu": "1"}}}
    objects = render(more | {"smokeTest": limits, "operator": {"uninstallHook": limits}})
    (job,), (pod,) = of_kind(objects, "Job").values(), of_kind(objects, "Pod").values()
    for each in (job["spec"]["template"], pod):
        assert each["metadata"]["labels"]["mesh"] == each["metadata"]["annotations"]["mesh"] == "no"
        assert each["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "1"
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"


@pytest.mark.parametrize("given", [{}, {"nodeAffinity": {"a": "b"}}])
def test_the_hook_prefers_the_node_of_the_operator(given: dict[str, Any]) -> None:
    objects = render({"operator": {"affinity": given}})
    (job,) = of_kind(objects, "Job").values()
    affinity = job["spec"]["template"]["spec"]["affinity"]
    (near,) = affinity["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    operator = of_kind(objects, "Deployment")["trial-stanine-operator"]["spec"]
    assert (
        near["podAffinityTerm"]["labelSelector"]["matchLabels"]
        == operator["selector"]["matchLabels"]
    )
    assert affinity.items() >= given.items()
    assert operator["template"]["spec"].get("affinity", {}) == given


def test_a_rollback_replaces_a_server_that_never_became_ready() -> None:
    # with OrderedReady Kubernetes would not replace a broken pod, even for a new template
    (server,) = of_kind(render(), "StatefulSet").values()
    assert server["spec"]["podManagementPolicy"] == "Parallel"
