"""Fixtures of the operator's tests: API server with CRDs, a namespace per test, operator process.

With KUBECONFIG and STANINE_OPERATOR_TESTS_ON_CLUSTER=1 that cluster is used; otherwise etcd and kube-apiserver are
started (KUBEBUILDER_ASSETS).
"""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import Server
from tests.integration.kube_api import ApiServer, start_api_server
from tests.integration.operator.harness import Api, OperatorProcess
from tests.integration.operator.hurried_operator import MODULE

#: Required in addition to KUBECONFIG to test against a cluster, so that a developer's cluster is not used by
#: accident.
ON_CLUSTER = "STANINE_OPERATOR_TESTS_ON_CLUSTER"


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The session's own API server."""
    server = start_api_server(tmp_path_factory.mktemp("kubernetes"))
    yield server
    server.end()


@pytest.fixture
def own_api_server(tmp_path: Path) -> Iterator[ApiServer]:
    """An API server that may be stopped, without the CRDs."""
    server = start_api_server(tmp_path / "kubernetes")
    yield server
    server.end()


@pytest.fixture
def own_api(own_api_server: ApiServer) -> Iterator[Api]:
    """An administrator of that API server."""
    api = Api(own_api_server.kubeconfig)
    yield api
    api.close()


@pytest.fixture(scope="session")
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    """An API server with the CRDs installed."""
    if os.environ.get("KUBECONFIG") and os.environ.get(ON_CLUSTER):
        kubeconfig = Path(os.environ["KUBECONFIG"])
    else:
        kubeconfig = request.getfixturevalue("api_server").kubeconfig
    made = Api(kubeconfig)
    made.install_definitions()
    yield made
    made.close()


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A namespace of the test.

    Its resources are deleted even if no controller deletes the namespace.
    """
    name = f"test-{uuid.uuid4().hex[:10]}"
    api.make_namespace(name)
    yield name
    for kind in ("Instrument", "Queue", "RedisConfig"):
        api.delete_all(kind, name)
    api.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def port(valkey: Server, redis_url: str) -> int:
    """The port of an empty server."""
    return valkey.port


@pytest.fixture
def start_operator(
    api: Api, namespace: str, tmp_path: Path
) -> Iterator[Callable[..., OperatorProcess]]:
    """Start operators for the test's namespace or the given arguments; stop them at the end."""
    started: list[OperatorProcess] = []

    def start(
        *arguments: str,
        kubeconfig: Path | None = None,
        wait: bool = True,
        hurried: bool = False,
        **environment: str,
    ) -> OperatorProcess:
        given = arguments or ("--namespace", namespace)
        process = OperatorProcess(
            kubeconfig or api.kubeconfig,
            tmp_path / f"operator-{len(started)}.log",
            given,
            environment,
            module=MODULE if hurried else ("stanine_operator",),
        )
        started.append(process)
        if wait:
            return process.start()
        process.launch()
        return process

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def operator(start_operator: Callable[..., OperatorProcess]) -> OperatorProcess:
    """The operator, serving the test's namespace."""
    return start_operator()
