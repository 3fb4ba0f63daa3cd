"""The uninstall hook with a real API server: which resources it frees."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.operator.harness import Api, Object, queue

from stanine_operator.controller.kinds import FINALIZER
from stanine_operator.kubernetes import uninstall

NAMESPACES = ("home", "bare", "its-own", "lost")


@pytest.fixture
def api(own_api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """An API server with a queue in each namespace that waits for an operator."""
    own_api.install_definitions()
    monkeypatch.setenv("KUBECONFIG", str(own_api.kubeconfig))
    for namespace in NAMESPACES:
        own_api.make_namespace(namespace)
        own_api.apply(queue(namespace, "jobs", deletionPolicy="Delete"))
        own_api.patch(
            "Queue",
            namespace,
            "jobs",
            {"metadata": {"finalizers": [FINALIZER, "example.com/other"]}},
        )
    return own_api


def lease(namespace: str, name: str, renewed: datetime) -> Object:
    at = renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {
        "holderIdentity": f"{namespace}/release 1234",
        "leaseDurationSeconds": 40,
        "renewTime": at,
    }
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def freed(api: Api) -> set[str]:
    found = {
        namespace: api.get("Queue", namespace, "jobs")["metadata"]["finalizers"]
        for namespace in NAMESPACES
    }
    assert all("example.com/other" in finalizers for finalizers in found.values()), (
        "somebody else's stay"
    )
    return {namespace for namespace, finalizers in found.items() if FINALIZER not in finalizers}


@pytest.mark.parametrize(
    ("reach", "name", "expected"),
    [
        ((), "stanine-operator", {"home"}),
        (("--all-namespaces",), "stanine-operator-cluster", {"home", "bare", "lost"}),
    ],
)
def test_the_hook_frees_resources_without_another_operator_and_deletes_its_lease(
    api: Api, reach: tuple[str, ...], name: str, expected: set[str]
) -> None:
    now = datetime.now(UTC)
    api.create(lease("home", name, now))
    api.create(lease("its-own", "stanine-operator", now))
    api.create(lease("lost", "stanine-operator", now - timedelta(hours=1)))
    arguments = (
        "--release",
        "stanine",
        "--namespace",
        "home",
        "--deployment",
        "none",
        "--selector",
        "none=none",
    )
    assert uninstall.main((*arguments, *reach)) == 0
    assert freed(api) == expected
    assert api.find("Lease", "home", name) is None
    assert api.find("Lease", "its-own", "stanine-operator") is not None
