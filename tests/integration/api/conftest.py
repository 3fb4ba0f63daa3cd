"""The API on the session's server, with a key namespace per test."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Server
from tests.integration.api.serving import Serving, document, write_keys


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    write_keys(path)
    return path


@pytest.fixture
def api(valkey: Server, keys_file: Path) -> Iterator[Serving]:
    """A ready API without instruments."""
    serving = Serving(valkey.url, f"api-{secrets.token_hex(4)}", keys_file)
    try:
        yield serving.until_ready()
    finally:
        serving.stop()


@pytest.fixture
def mood(api: Serving) -> Serving:
    """An API with the indexed instrument `a-mood`."""
    api.publish(document())
    return api


@pytest.fixture(scope="module")
def shared(valkey: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """An API with `a-mood`, shared by a module whose tests change nothing."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(path)
    serving = Serving(valkey.url, f"api-{secrets.token_hex(4)}", path)
    try:
        serving.until_ready().publish(document())
        yield serving
    finally:
        serving.stop()
