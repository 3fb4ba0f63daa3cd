"""The API on the session's server, and both clients of it."""

from collections.abc import Iterator

import pytest
from tests.integration.api.conftest import api, keys_file, mood
from tests.integration.api.serving import ADMIN, Serving

from stanine.client import Stanine

__all__ = ["api", "keys_file", "mood"]


@pytest.fixture
def client(mood: Serving) -> Iterator[Stanine]:
    """A client of an API with the instrument `a-mood`."""
    with Stanine(mood.url, ADMIN) as client:
        yield client
