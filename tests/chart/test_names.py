"""Names and labels are valid and unique for every release name and namespace."""

import re
from typing import Any

import pytest
from tests.chart.rendering import Object, RefusedError, of_kind, render

#: The longest release name that Helm accepts.
LONGEST = "a" * 26 + "-" + "b" * 26
#: One of each named kind.
ALL = {
    "api": {"autoscaling": {"enabled": True}, "ingress": {"enabled": True}},
    "pages": {
        "enabled": True,
        "autoscaling": {"enabled": True},
        "ingress": {"enabled": True},
        "organisation": {"name": "X"},
    },
    "resultWatcher": {"keda": {"enabled": True}},
    "operator": {"clusterWide": True},
    "monitoring": {"enabled": True, "rules": {"enabled": True}, "dashboard": {"enabled": True}},
}
#: Characters of a label's value and of a DNS label.
LABEL = 63
#: Suffix of a StatefulSet's name in its pods' label controller-revision-hash: a hyphen and a hash.
REVISION = 11


def pod_labels(each: Object) -> dict[str, str]:
    labels: dict[str, str] = each["spec"]["template"]["metadata"]["labels"]
    return labels


@pytest.mark.parametrize("release", [LONGEST, "stanine-" + "c" * 45])
def test_the_longest_release_name_fits_everywhere(release: str) -> None:
    objects = render(ALL, release=release)
    for each in objects:
        metadata = each["metadata"]
        assert all(len(value) <= LABEL for value in metadata["labels"].values()), metadata["name"]
        if not each["kind"].startswith("ClusterRole"):
            assert len(metadata["name"]) <= LABEL, metadata["name"]
            assert re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", metadata["name"])
    for name in of_kind(objects, "StatefulSet"):
        assert len(name) + REVISION <= LABEL


@pytest.mark.parametrize("name", ["123", "1e3", "true", "null"])
def test_names_that_yaml_parses_as_other_types_stay_text(helm: str, name: str) -> None:
    for each in render(
        ALL | {"fullnameOverride": "assessments", "commonLabels": {"cost": name}},
        helm=helm,
        release=name,
        namespace=name,
    ):
        assert all(isinstance(value, str) for value in each["metadata"]["labels"].values()), each[
            "metadata"
        ]
        assert each["metadata"].get("namespace", name) == name
        if each["kind"] == "Deployment":
            assert each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"] == name


@pytest.mark.parametrize(
    ("release", "values"), [("123", {}), ("a.b", {}), ("trial", {"fullnameOverride": "a.b"})]
)
def test_invalid_service_names_are_rejected_before_rendering(
    release: str, values: dict[str, Any]
) -> None:
    with pytest.raises(RefusedError, match="set fullnameOverride"):
        render(values, release=release)


def test_cluster_names_of_namespace_and_release_are_unambiguous() -> None:
    one = of_kind(
        render(ALL, namespace="team", release="a-stanine"), "ClusterRole", "ClusterRoleBinding"
    )
    other = of_kind(
        render(ALL, namespace="team-a", release="stanine"), "ClusterRole", "ClusterRoleBinding"
    )
    assert len(one) == len(other) == 5
    assert not set(one) & set(other)


def test_given_labels_replace_the_charts_labels_except_selectors() -> None:
    given = {
        "app.kubernetes.io/part-of": "hospital",
        "app.kubernetes.io/component": "mine",
        "team": "assessment",
    }
    objects = render(ALL | {"commonLabels": given, "pods": {"podLabels": {"team": "pods"}}})
    for name, each in of_kind(objects, "Deployment", "StatefulSet").items():
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "hospital"
        labels = pod_labels(each)
        assert labels.items() >= each["spec"]["selector"]["matchLabels"].items(), name
        assert labels["team"] == "pods"


def test_a_new_chart_version_alone_restarts_no_pod() -> None:
    # versions of chart and program appear only on the objects, not on their pods
    for name, each in of_kind(render(), "Deployment", "StatefulSet").items():
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(pod_labels(each)), name
        assert {"helm.sh/chart", "app.kubernetes.io/version"} <= set(each["metadata"]["labels"]), (
            name
        )


def test_without_a_service_account_the_namespaces_default_is_used() -> None:
    pods = of_kind(render({"api": {"serviceAccount": {"create": False}}}), "Deployment")
    assert pods["trial-stanine-api"]["spec"]["template"]["spec"]["serviceAccountName"] == "default"
    with pytest.raises(RefusedError, match=re.escape("operator.serviceAccount.name")):
        render({"operator": {"serviceAccount": {"create": False}}})
