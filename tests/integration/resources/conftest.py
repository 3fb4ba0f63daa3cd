"""An API server with the three kinds, once per session."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.kube_api import ApiServer, start_api_server

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The API server; resources are in its namespace `default`."""
    server = start_api_server(tmp_path_factory.mktemp("kubernetes"))
    try:
        server.kubectl("apply", "--server-side", "-f", str(ROOT / "charts/stanine/crds"))
        server.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        deadline = time.monotonic() + 30
        while (
            "FIELDS" not in server.kubectl("explain", "instruments.spec", check=False).stdout
        ):  # the OpenAPI documents are published slightly later
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield server
    finally:
        server.end()
