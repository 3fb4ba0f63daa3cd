"""Outages and restarts of the operator and of the API server."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from tests.conftest import Server, free_port, need
from tests.integration.kube_api import ApiServer, find_assets
from tests.integration.operator.harness import (
    Api,
    OperatorProcess,
    Refused,
    chart_rules,
    kubeconfig_in,
    limited_kubeconfig,
    queue,
    redis_config,
    running,
    secret,
)

#: Seconds within which everything converges after a fault ended.
BOUND = 60
#: Longest retry delay in seconds.
NOT_WELL = 15
REFERENCE = {"name": "redis", "key": "password"}


def versions(api: Api, namespace: str) -> dict[str, str]:
    """Return the resourceVersion of every resource."""
    kinds = ("RedisConfig", "Queue", "Instrument")
    return {
        f"{kind}/{each['metadata']['name']}": each["metadata"]["resourceVersion"]
        for kind in kinds
        for each in api.list_all(kind, namespace)
    }


def test_a_killed_operator_continues_after_restart(
    api: Api, namespace: str, start_operator: Callable[..., OperatorProcess], port: int
) -> None:
    operator = start_operator()
    api.apply(redis_config(namespace, port))
    api.create_many([queue(namespace, f"q-{number}") for number in range(30)])
    time.sleep(0.3)
    operator.kill()
    api.apply(queue(namespace, "late", maxRetries=3))
    operator.start()
    for number in range(30):
        api.wait("Queue", namespace, f"q-{number}")
    api.wait("Queue", namespace, "late")


def test_a_restart_changes_nothing_if_all_resources_are_ready(
    api: Api, namespace: str, start_operator: Callable[..., OperatorProcess], port: int
) -> None:
    """A restart reconciles everything, without writing statuses or posting events again."""
    operator = start_operator()
    api.apply(
        redis_config(namespace, port),
        *(queue(namespace, f"q-{number}", deletionPolicy="Delete") for number in range(5)),
    )
    for number in range(5):
        api.wait("Queue", namespace, f"q-{number}")
    api.wait("RedisConfig", namespace, "default")
    time.sleep(1)
    before, posted = versions(api, namespace), len(api.list_all("Event", namespace))
    for _ in range(3):
        assert operator.stop() == 0
        operator.start()
        deadline = time.monotonic() + BOUND
        while operator.metric("stanine_operator_reconciles_total", outcome="ready") < 6:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert versions(api, namespace) == before
    assert len(api.list_all("Event", namespace)) == posted


def test_the_operator_stops_within_seconds_even_while_redis_hangs(
    api: Api, namespace: str, start_operator: Callable[..., OperatorProcess]
) -> None:
    api.apply(
        redis_config(
            namespace, 6379, connection={"host": "192.0.2.1", "connectTimeoutMilliseconds": 3000}
        )
    )
    operator = start_operator()
    time.sleep(1)
    began = time.monotonic()
    assert operator.stop() == 0
    assert time.monotonic() - began < 15
    assert operator.lines()[-1]["event"] == "operator.stopped"


def _until(check: Callable[[], object], within: float) -> None:
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


def test_the_operator_recovers_from_an_api_server_outage_and_late_crds(
    own_api_server: ApiServer, own_api: Api, tmp_path: Path, port: int
) -> None:
    api = own_api
    api.make_namespace("n")
    process = OperatorProcess(api.kubeconfig, tmp_path / "operator.log", ("--all-namespaces",))
    process.launch()
    try:
        _until(lambda: "not installed" in process.probe("/readyz")[1], 20)
        assert process.probe("/healthz")[0] == 200
        api.install_definitions()
        _until(process.is_ready, 20)
        api.apply(redis_config("n", port), queue("n", "jobs"))
        api.wait("Queue", "n", "jobs")
        own_api_server.stop("kube-apiserver", sig=signal.SIGKILL)
        time.sleep(8)  # longer than the first retry delays
        assert process.probe("/healthz")[0] == 200, (
            "an API server that is away is no reason to be started anew"
        )
        own_api_server.start()
        api.apply(queue("n", "jobs", maxRetries=4))
        api.apply(queue("n", "more"))
        api.wait("Queue", "n", "jobs", within=BOUND)
        api.wait("Queue", "n", "more", within=BOUND)
    finally:
        assert process.stop() == 0


@contextlib.contextmanager
def namespace_controller(api: Api, tmp_path: Path) -> Iterator[None]:
    """Run the controller that deletes the content of namespaces."""
    assets = find_assets()
    need(
        "kube-controller-manager",
        found=assets is not None and (assets / "kube-controller-manager").exists(),
    )
    assert assets is not None
    command = [str(assets / "kube-controller-manager"), "--kubeconfig", str(api.kubeconfig), "--controllers", "namespace-controller",
               "--leader-elect=false", "--secure-port", str(free_port()), "--cert-dir", str(tmp_path)]  # fmt: skip
    with (tmp_path / "controllers.log").open("wb") as log:
        controllers = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        controllers.kill()
        controllers.wait(20)


def _until_gone(api: Api, namespace: str) -> None:
    _until(lambda: api.find("Namespace", "", namespace) is None, BOUND)


@pytest.mark.parametrize("reach", [("--all-namespaces",), ("--namespace", "doomed,other")])
def test_a_deleted_namespace_terminates_soon(
    own_api: Api, tmp_path: Path, port: int, reach: tuple[str, ...]
) -> None:
    api = own_api
    api.install_definitions()
    for name in ("doomed", "other"):
        api.make_namespace(name)
    with (
        namespace_controller(api, tmp_path),
        running(OperatorProcess(api.kubeconfig, tmp_path / "operator.log", reach)),
    ):
        api.apply(
            redis_config("doomed", port),
            redis_config("other", port, keyNamespace="other"),
            queue("other", "jobs"),
        )
        api.apply(*(queue("doomed", f"q-{number}", deletionPolicy="Delete") for number in range(5)))
        for number in range(5):
            api.wait("Queue", "doomed", f"q-{number}")
        api.request("DELETE", "/api/v1/namespaces/doomed")
        _until_gone(api, "doomed")
        api.apply(queue("other", "jobs", maxRetries=5))
        api.wait("Queue", "other", "jobs")


@pytest.mark.parametrize("reach", ["own", "all"])
def test_no_resource_waits_for_an_operator_whose_namespace_is_deleted(
    own_api: Api, tmp_path: Path, port: int, reach: str
) -> None:
    """As in Kubernetes, the pods of a namespace terminate before anything is deleted."""
    api = own_api
    api.install_definitions()
    for name in ("doomed", "other"):
        api.make_namespace(name)
    options = ("--all-namespaces",) if reach == "all" else ()
    process = OperatorProcess(
        kubeconfig_in(api, "doomed", tmp_path), tmp_path / "operator.log", options
    ).start()
    served = ("doomed", "other") if reach == "all" else ("doomed",)
    try:
        for namespace in served:
            api.apply(
                redis_config(namespace, port, keyNamespace=namespace),
                queue(namespace, "jobs", deletionPolicy="Delete"),
            )
            assert api.wait("Queue", namespace, "jobs")["metadata"]["finalizers"]
        assert process.stop() == 0
        assert api.get("Queue", "doomed", "jobs")["metadata"]["finalizers"], (
            "an operator that is started anew goes on"
        )
        process.start()
        api.request("DELETE", "/api/v1/namespaces/doomed")
    finally:
        assert process.stop() == 0
    for namespace in served:
        assert "finalizers" not in api.get("Queue", namespace, "jobs")["metadata"]
    with namespace_controller(api, tmp_path):
        _until_gone(api, "doomed")
    assert list(redis.Redis(port=port).scan_iter("doomed:*q:jobs*")), "what it stood for is kept"


def test_the_charts_permissions_are_sufficient_and_minimal(
    api: Api, namespace: str, tmp_path: Path, own_server: Callable[..., Server]
) -> None:
    kubeconfig = limited_kubeconfig(api, namespace, chart_rules(), tmp_path)
    server = own_server("--requirepass", "first")
    with running(
        OperatorProcess(kubeconfig, tmp_path / "operator.log", ("--namespace", namespace))
    ) as operator:
        api.apply(queue(namespace, "jobs", deletionPolicy="Delete"))
        api.wait("Queue", namespace, "jobs", status="False")
        connection = {"passwordSecretRef": {"name": "redis", "key": "password"}}
        api.apply(
            secret(namespace, "redis", password="first"),
            redis_config(namespace, server.port, connection=connection),
        )
        api.wait("RedisConfig", namespace, "default")
        api.wait("Queue", namespace, "jobs")
        api.delete("Queue", namespace, "jobs")
        api.wait_gone("Queue", namespace, "jobs")
        _until(
            lambda: "QueueDeleted" in [reason for _, reason, _ in api.events(namespace, "jobs")], 10
        )
        assert operator.metric("stanine_operator_api_requests_total", status="403") == 0
        with contextlib.closing(Api(kubeconfig)) as limited, pytest.raises(Refused) as refused:
            limited.list_all("Secret", namespace)
        assert refused.value.status == 403


def test_two_operators_do_not_interfere(
    api: Api, namespace: str, start_operator: Callable[..., OperatorProcess], port: int
) -> None:
    """Two operators may run for a while during a failed rollout."""
    start_operator()
    start_operator()
    api.apply(
        redis_config(namespace, port),
        *(queue(namespace, f"q-{number}", deletionPolicy="Delete") for number in range(5)),
    )
    for generation in (1, 2):
        for number in range(5):
            api.apply(
                queue(namespace, f"q-{number}", deletionPolicy="Delete", maxRetries=generation)
            )
            api.wait("Queue", namespace, f"q-{number}")
    time.sleep(3)
    before = versions(api, namespace)
    time.sleep(5)
    assert versions(api, namespace) == before, "they do not overwrite each other for ever"
    for number in range(5):
        api.delete("Queue", namespace, f"q-{number}")
    for number in range(5):
        api.wait_gone("Queue", namespace, f"q-{number}", within=20)
