"""A process whose file still has a removed password answers 503, and continues when the file has the new one.

The chart's README gives the order in which no request fails; tests/cluster/test_external_redis.py follows it.
"""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.conftest import Server
from tests.integration.api.serving import Serving, document

from stanine.broker.connection.environment import read_environment

USER = "rotated"


@pytest.fixture
def owner(valkey: Server) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(valkey.url) as client:
        client.acl_setuser(
            USER, enabled=True, passwords=["+old"], commands=["+@all"], keys=["*"], channels=["*"]
        )
        yield client
        client.acl_deluser(USER)


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("old")
    return path


@pytest.fixture
def api(
    valkey: Server, owner: "redis.Redis", password: Path, tmp_path: Path, keys_file: Path
) -> Iterator[Serving]:
    name = tmp_path / "username"
    name.write_text(USER)
    files = {
        "STANINE_REDIS_URL": valkey.url,
        "STANINE_REDIS_USERNAME_FILE": str(name),
        "STANINE_REDIS_PASSWORD_FILE": str(password),
    }
    url = read_environment(files).redis_url
    serving = Serving(url, f"api-{secrets.token_hex(4)}", keys_file)
    try:
        serving.until_ready().publish(document())
        yield serving
    finally:
        serving.stop()


def submit(api: Serving) -> int:
    address = "/v1/instruments/a-mood/attempts"
    return api.http().post(address, json={"answers": {"i1": 1}}).status_code


def test_requests_are_refused_until_the_file_has_the_new_password(
    api: Serving, owner: "redis.Redis", password: Path
) -> None:
    assert submit(api) == 202
    owner.acl_setuser(USER, enabled=True, passwords=["+new", "-old"])
    owner.client_kill_filter(user=USER)
    assert submit(api) == 503
    password.write_text("new")
    deadline = time.monotonic() + 60
    while (status := submit(api)) != 202:
        assert status == 503
        assert time.monotonic() < deadline
        time.sleep(0.1)
