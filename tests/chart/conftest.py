"""The installed versions of Helm."""

import pytest
from tests.chart.rendering import helm_found
from tests.conftest import need


@pytest.fixture(scope="session", autouse=True)
def _helm() -> None:
    need("helm", found=helm_found())


@pytest.fixture(params=["helm", "helm3"])
def helm(request: pytest.FixtureRequest) -> str:
    need(request.param, found=helm_found(request.param))
    return str(request.param)
