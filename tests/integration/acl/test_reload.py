"""The operator makes the server reload its aclfile if the file has changed, and only then."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.conftest import Server, need
from tests.integration.acl.rules import USERS, acl_file

from stanine.broker.connection.clients import connect
from stanine_operator.redis_servers.acl_file import MAX_TRIES, AclFile

PASSWORDS = {user: f"{user}-password" for user in USERS}


@pytest.fixture(params=["valkey", "redis 7.0"])
def start(
    request: pytest.FixtureRequest, own_server: Callable[..., Server], tmp_path: Path
) -> Callable[[], tuple[Any, Path, str]]:
    """Start a server with an aclfile; return the operator's client, the file, and its text."""
    binary = None
    if request.param == "redis 7.0":
        binary = shutil.which("redis-server")
        need("redis-server", found=binary is not None)

    def begin() -> tuple[Any, Path, str]:
        path = tmp_path / "users.acl"
        text = acl_file("stanine", PASSWORDS, with_operator=True, old_server=binary is not None)
        path.write_text(text)
        server = own_server("--aclfile", str(path), binary=binary)
        return (
            connect(f"redis://operator:operator-password@127.0.0.1:{server.port}/0", retries=1),
            path,
            text,
        )

    return begin


def test_an_equivalent_file_is_not_reloaded(
    own_server: Callable[..., Server], tmp_path: Path
) -> None:
    path = tmp_path / "users.acl"
    path.write_text(
        "user default on nopass allkeys allchannels allcommands\n\nuser me on >mine ~* &* +@all\nuser you on %RW~a:* resetchannels +get\n"
        "user they on ~a:* +get ( %RW~b:1 -@all +get +set ) (~c +get)\n"
    )
    client = connect(own_server("--aclfile", str(path)).url)
    assert AclFile(path.read_text()).reload_if_changed(client) == ()
    assert client.info("commandstats").get("cmdstat_acl|load") is None
    client.close()


def loads(client: Any) -> int:
    found = connect_as(client, "operator").info("commandstats").get("cmdstat_acl|load")
    return found["calls"] if found else 0


def connect_as(client: Any, user: str) -> Any:
    port = client.connection_pool.connection_kwargs["port"]
    return connect(f"redis://{user}:{PASSWORDS[user]}@127.0.0.1:{port}/0", retries=0)


def test_a_server_with_current_users_is_not_reloaded(
    start: Callable[[], tuple[Any, Path, str]],
) -> None:
    client, _, text = start()
    assert AclFile(text).reload_if_changed(client) == ()
    assert loads(client) == 0


def test_new_and_old_passwords_are_accepted_while_both_are_in_the_file(
    start: Callable[[], tuple[Any, Path, str]],
) -> None:
    client, path, text = start()
    other = acl_file(
        "stanine", PASSWORDS | {"api": "new"}, with_operator=True, old_server="waitaof" not in text
    ).splitlines()
    (new_hash,) = [
        word
        for line in other
        if line.startswith("user api")
        for word in line.split()
        if word.startswith("#")
    ]
    changed = text.replace("user api on ", f"user api on {new_hash} ")
    path.write_text(changed)
    (event,) = AclFile(changed).reload_if_changed(client)
    assert (event.warning, event.reason, event.message.rpartition(": ")[2]) == (
        False,
        "UsersLoaded",
        "api",
    )
    port = client.connection_pool.connection_kwargs["port"]
    for password in ("new", PASSWORDS["api"]):
        assert connect(f"redis://api:{password}@127.0.0.1:{port}/0", retries=0).ping()


def test_a_changed_selector_is_reloaded(start: Callable[[], tuple[Any, Path, str]]) -> None:
    client, path, text = start()
    changed = text.replace("+fcall +incrby)", "+fcall +incrby +set)")
    assert changed != text
    path.write_text(changed)
    (event,) = AclFile(changed).reload_if_changed(client)
    assert (event.reason, event.message.rpartition(": ")[2]) == ("UsersLoaded", "api")
    assert AclFile(changed).reload_if_changed(client) == ()


def test_waiting_for_a_missing_file_times_out(
    start: Callable[[], tuple[Any, Path, str]],
) -> None:
    client, _, text = start()
    users = AclFile(text.replace("user api on ", "user api on #" + "ab" * 32 + " "))
    events = [users.reload_if_changed(client) for _ in range(MAX_TRIES + 3)]
    (event,) = [event for each in events for event in each]
    assert (event.warning, event.reason) == (True, "UsersNotLoaded")
    assert "ab" * 32 not in event.message
    assert loads(client) == MAX_TRIES


def test_servers_without_a_file_or_permission_are_not_reloaded(redis_url: str) -> None:
    admin = redis.Redis.from_url(redis_url)
    admin.acl_setuser("modest", enabled=True, nopass=True, commands=["+ping"])
    port = admin.connection_pool.connection_kwargs["port"]
    try:
        modest: Any = redis.Redis(port=port, username="modest", password="x")
        assert AclFile("user api on").reload_if_changed(modest) == ()
        modest.close()
        (event,) = AclFile("user api on").reload_if_changed(admin)
        assert event.reason == "UsersNotLoaded"
    finally:
        admin.acl_deluser("modest")
        admin.close()
