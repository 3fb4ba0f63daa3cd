"""Rendered objects are valid for Kubernetes, for each values file and each Helm."""

from pathlib import Path

import jsonschema
import pytest
from tests.chart.judging import judge
from tests.chart.rendering import CI_FILES, NAMESPACE, render

#: Cluster-scoped kinds.
CLUSTER_KINDS = {"ClusterRole", "ClusterRoleBinding"}


@pytest.mark.parametrize("file", CI_FILES, ids=lambda file: file.name.removesuffix("-values.yaml"))
def test_every_object_is_valid_by_its_schema(helm: str, file: Path) -> None:
    objects = render(file, helm=helm)
    assert len(objects) > 15
    for each in objects:
        judge(each)


def test_ci_files_cover_every_kind_of_object() -> None:
    kinds = {each["kind"] for file in CI_FILES for each in render(file)}
    assert kinds >= {
        "Deployment", "StatefulSet", "Service", "Secret", "ConfigMap", "ServiceAccount",
        "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
        "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "Ingress", "HTTPRoute", "ScaledObject", "TriggerAuthentication",
        "ServiceMonitor", "PodMonitor", "Job", "Pod", "RedisConfig", "Queue",
    }  # fmt: skip


def test_a_misspelt_field_of_any_kind_is_detected() -> None:
    objects = [each for file in CI_FILES for each in render(file)]
    for kind in ("Deployment", "RedisConfig", "Queue", "HTTPRoute", "ScaledObject", "PodMonitor"):
        each = next(one for one in objects if one["kind"] == kind)
        with pytest.raises((jsonschema.ValidationError, ValueError, Exception), match="misspelt"):
            judge(each | {"spec": each["spec"] | {"misspelt": 1}})


@pytest.mark.parametrize("file", CI_FILES, ids=lambda file: file.name.removesuffix("-values.yaml"))
def test_every_object_has_namespace_and_release_labels(file: Path) -> None:
    for each in render(file):
        if each["kind"] == "ConfigMap" and each["metadata"]["name"].endswith(("-more", "-most")):
            continue  # extraObjects belong to the user
        metadata = each["metadata"]
        assert metadata.get("namespace") == (
            None if each["kind"] in CLUSTER_KINDS else NAMESPACE
        ), metadata["name"]
        assert metadata["labels"]["app.kubernetes.io/instance"] == "trial", metadata["name"]
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def names(objects: list[dict[str, object]]) -> set[tuple[object, object]]:
    return {(each["kind"], each["metadata"]["name"]) for each in objects}  # type: ignore[index]


def test_two_releases_in_one_namespace_share_no_object() -> None:
    # a namespace has one Queue of a name and one RedisConfig; a second release uses its own names
    for file in CI_FILES:
        if "gateway" in file.name:
            continue  # fullnameOverride is used unchanged
        first, second = names(render(file)), names(render(file, release="other"))
        assert {kind for kind, _ in first & second} <= {"RedisConfig", "Queue"}


def test_releases_of_one_name_in_two_namespaces_share_no_cluster_object() -> None:
    for file in CI_FILES:
        first, second = render(file), render(file, namespace="elsewhere")
        both = names([each for each in first if each["kind"] in CLUSTER_KINDS]) & names(
            [each for each in second if each["kind"] in CLUSTER_KINDS]
        )
        assert not both
