"""Several operators, of a namespace or of the cluster: each resource has exactly one."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.conftest import Server
from tests.integration.operator.harness import (
    Api,
    OperatorProcess,
    chart_rules,
    kubeconfig_in,
    limited_kubeconfig,
    queue,
    redis_config,
)

#: Seconds for a handover between operators, and for a takeover from a lost one.
PASSES, LOST = 60, 120
Start = Callable[..., OperatorProcess]


@pytest.fixture
def start(own_api: Api, tmp_path: Path) -> Iterator[Start]:
    """Start operators by NAMESPACE/RELEASE: cluster-wide if RELEASE begins with `wide`."""
    started: list[OperatorProcess] = []

    def start(name: str) -> OperatorProcess:
        namespace, _, release = name.rpartition("/")
        reach = ("--all-namespaces",) if release.startswith("wide") else ("--namespace", namespace)
        arguments = (*reach, "--operator-id", name)
        if own_api.find("Namespace", "", namespace) is None:
            own_api.make_namespace(namespace)
        process = OperatorProcess(
            kubeconfig_in(own_api, namespace, tmp_path),
            tmp_path / f"operator-{len(started)}.log",
            arguments,
        )
        started.append(process)
        return process.start()

    yield start
    for process in started:
        if process.process is not None:
            process.stop()


@pytest.fixture
def api(own_api: Api) -> Api:
    own_api.install_definitions()
    for name in ("exams", "people"):
        own_api.make_namespace(name)
    return own_api


def operator_of(api: Api, namespace: str) -> str | None:
    """Return the operator in the statuses of a namespace's resources; None while they differ."""
    kinds = (("RedisConfig", "default"), ("Queue", "jobs"))
    found = {
        (api.get(kind, namespace, name).get("status") or {}).get("operator") for kind, name in kinds
    }
    return found.pop() if len(found) == 1 else None


def until_served(api: Api, wanted: Mapping[str, str], within: float) -> None:
    deadline = time.monotonic() + within
    while (found := {namespace: operator_of(api, namespace) for namespace in wanted}) != wanted:
        assert time.monotonic() < deadline, f"{found}, not {wanted}"
        time.sleep(0.2)
    for namespace in wanted:
        api.wait("Queue", namespace, "jobs")


def changes(api: Api) -> list[str]:
    found = [
        each
        for kind in ("RedisConfig", "Queue")
        for namespace in ("exams", "people")
        for each in api.list_all(kind, namespace)
    ]
    return [each["metadata"]["resourceVersion"] for each in found]


def apply(api: Api, ports: Mapping[str, int]) -> None:
    for namespace, port in ports.items():
        api.apply(redis_config(namespace, port), queue(namespace, "jobs", deletionPolicy="Delete"))


def test_a_cluster_operator_skips_a_namespace_with_its_own_operator(
    api: Api, start: Start, own_server: Callable[..., Server]
) -> None:
    ports = {name: own_server().port for name in ("exams", "people")}
    wide, own = start("home/wide"), start("exams/own")
    apply(api, ports)
    until_served(api, {"exams": "exams/own", "people": "home/wide"}, PASSES)
    before = changes(api)
    time.sleep(10)
    assert changes(api) == before, "they do not overwrite each other"
    for generation in (1, 2):
        for namespace in ports:
            api.apply(queue(namespace, "jobs", deletionPolicy="Delete", maxRetries=generation))
    until_served(api, {"exams": "exams/own", "people": "home/wide"}, PASSES)
    for namespace in ports:
        api.delete("Queue", namespace, "jobs")
        api.wait_gone("Queue", namespace, "jobs", within=20)
    assert wide.metric("stanine_operator_reconciles_total", outcome="released") == 1
    assert own.metric("stanine_operator_reconciles_total", outcome="released") == 1


def test_a_namespace_is_handed_over_to_its_own_operator_and_back(
    api: Api, start: Start, port: int
) -> None:
    start("home/wide")
    apply(api, {"exams": port})
    until_served(api, {"exams": "home/wide"}, PASSES)
    own = start("exams/own")
    until_served(api, {"exams": "exams/own"}, PASSES)
    assert own.stop() == 0
    api.delete("Lease", "exams", "stanine-operator")  # as the uninstall hook does
    until_served(api, {"exams": "home/wide"}, PASSES)


@pytest.mark.slow
@pytest.mark.parametrize("names", [("home/wide-a", "there/wide-b"), ("exams/own-a", "exams/own-b")])
def test_of_two_equal_operators_the_second_takes_over_when_the_first_is_lost(
    api: Api, start: Start, port: int, names: tuple[str, str]
) -> None:
    first = start(names[0])
    second = start(names[1])
    assert second.probe("/readyz")[0] == 200, "it is ready to take over"
    apply(api, {"exams": port})
    until_served(api, {"exams": names[0]}, PASSES)
    deadline = time.monotonic() + PASSES
    while not second.metric("stanine_operator_reconciles_total", outcome="yielded"):
        assert time.monotonic() < deadline, "it leaves the resources to the first"
        time.sleep(0.2)
    before = changes(api)
    time.sleep(8)
    assert changes(api) == before
    assert second.metric("stanine_operator_status_writes_total") == 0
    first.kill()
    until_served(api, {"exams": names[1]}, LOST)
    first.start()
    time.sleep(8)
    if names[0].startswith("exams"):
        assert operator_of(api, "exams") == names[1], "whoever has it keeps it"
    api.delete("Queue", "exams", "jobs")
    api.wait_gone("Queue", "exams", "jobs", within=60)


def test_an_operator_without_lease_permissions_reports_it_and_does_nothing(
    api: Api, tmp_path: Path, port: int
) -> None:
    """The permissions are those of an older chart."""
    rules = [rule for rule in chart_rules() if rule["apiGroups"] != ["coordination.k8s.io"]]
    process = OperatorProcess(
        limited_kubeconfig(api, "exams", rules, tmp_path),
        tmp_path / "operator.log",
        ("--namespace", "exams"),
    )
    apply(api, {"exams": port})
    process.launch()
    try:
        deadline = time.monotonic() + PASSES
        while "leases" not in process.probe("/readyz")[1]:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert "status" not in api.get("Queue", "exams", "jobs")
    finally:
        assert process.stop() == 0
