"""What the integration tests share: a store on the session's server."""

from collections.abc import Iterator

import pytest
from tests.integration.stores import Store, make_store


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    """The store of an empty namespace."""
    made = make_store(redis_url)
    yield made
    made.client.close()
