"""Servers for single tests, which set their parameters."""

from collections.abc import Callable, Iterator

import pytest
from tests.conftest import Server
from tests.integration.broker_failures.test_failover import (
    pair,  # noqa: F401 - a fixture
    sentinel,  # noqa: F401 - a fixture
)
from tests.integration.operator.redis_configs.stage import Stage


@pytest.fixture
def stages() -> Iterator[Callable[[Server], Stage]]:
    """Stages that are cleared away."""
    made: list[Stage] = []

    def make(server: Server) -> Stage:
        made.append(Stage(server.port))
        return made[-1]

    yield make
    for stage in made:
        stage.close()


@pytest.fixture
def stage(own_server: Callable[..., Server], stages: Callable[[Server], Stage]) -> Stage:
    """A stage with a separate server."""
    return stages(own_server())
