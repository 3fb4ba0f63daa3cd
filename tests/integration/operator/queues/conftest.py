"""An environment with one RedisConfig on the session's server."""

from collections.abc import Iterator

import pytest
from tests.conftest import Server
from tests.integration.operator.contexts import Environment


@pytest.fixture
def environment(valkey: Server, redis_url: str) -> Iterator[Environment]:
    """Resources on an empty server."""
    assert redis_url == valkey.url
    made = Environment(valkey.port)
    made.redis()
    yield made
    made.connections.close()
