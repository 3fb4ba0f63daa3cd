"""A land with one RedisConfig on the session's server."""

from collections.abc import Iterator

import pytest
from tests.conftest import Server
from tests.integration.operator.contexts import Land


@pytest.fixture
def land(valkey: Server, redis_url: str) -> Iterator[Land]:
    """Resources on an empty server."""
    assert redis_url == valkey.url
    made = Land(valkey.port)
    made.redis()
    yield made
    made.connections.close()
