"""Credentials and certificates in files that change.

Open connections stay, new ones use the new files.
"""

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.certificates import Authority, make_authority
from tests.conftest import Server, free_port, need, valkey_binary
from tests.integration.broker_failures.test_networks import wait_until

from stanine.broker.connection.clients import (
    blocking_twin,
    connect,
    connect_async,
    connect_blocking,
)
from stanine.broker.connection.environment import read_environment
from stanine.broker.connection.errors import CREDENTIALS_UNREADABLE, classify


def two_ids(url: str, kind: str, change: Callable[[], object]) -> tuple[int, int, int]:
    """Return client ids.

    Of an open connection before and after a change, and of a new connection.
    """

    async def in_a_loop() -> tuple[int, int, int]:
        client: Any = connect_async(url)
        async with client.client() as held:
            before = await held.client_id()
            await asyncio.to_thread(change)
            found = before, await held.client_id(), await client.client_id()
        await client.aclose()
        for each in getattr(
            getattr(client.connection_pool, "sentinel_manager", None), "sentinels", ()
        ):
            await each.aclose()  # redis-py does not close these
        return found

    if kind == "asyncio":
        return asyncio.run(in_a_loop())
    client: Any = (
        connect(url)
        if kind == "commands"
        else connect_blocking(url)
        if kind == "blocking"
        else blocking_twin(connect(url))
    )
    with client.client() as held:
        before = held.client_id()
        change()
        found = before, held.client_id(), client.client_id()
    client.close()
    return found


@pytest.mark.parametrize("kind", ["commands", "blocking", "twin", "asyncio"])
def test_a_changed_password_applies_to_new_connections_only(
    redis_url: str, tmp_path: Path, kind: str
) -> None:
    admin = redis.Redis.from_url(redis_url)
    admin.acl_setuser(
        "service", enabled=True, passwords=["+old/@:%"], commands=["+@all"], reset=True
    )
    name, password = tmp_path / "username", tmp_path / "password"
    name.write_text("service")
    password.write_text("old/@:%\n")
    url = read_environment(
        {
            "STANINE_REDIS_URL": redis_url,
            "STANINE_REDIS_USERNAME_FILE": str(name),
            "STANINE_REDIS_PASSWORD_FILE": str(password),
        }
    ).redis_url

    def rotate() -> None:
        admin.acl_setuser("service", enabled=True, passwords=["+new", "-old/@:%"])
        password.write_text("new")

    try:
        before, after, other = two_ids(url, kind, rotate)
    finally:
        admin.acl_deluser("service")
        admin.close()
    assert before == after != other


def test_a_missing_credentials_file_is_named_and_retried(redis_url: str, tmp_path: Path) -> None:
    admin = redis.Redis.from_url(redis_url)
    admin.acl_setuser(
        "service", enabled=True, passwords=["+secret"], commands=["+@all"], reset=True
    )
    url = redis_url.replace("//", "//service@") + f"?password_file={tmp_path / 'password'}"
    client = connect(url, retries=0)
    try:
        with pytest.raises(redis.AuthenticationError, match="password: No such file") as caught:
            client.ping()
        assert classify(caught.value) is CREDENTIALS_UNREADABLE
        (tmp_path / "password").write_text("secret")
        assert client.ping()
    finally:
        client.close()
        admin.acl_deluser("service")
        admin.close()


@pytest.fixture
def sentinel(own_server: Callable[..., Server], tmp_path: Path) -> Iterator[tuple[Server, int]]:
    """A server with the password `old`, and the port of a sentinel with its own password `old`."""
    server = own_server("--requirepass", "old")
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nrequirepass old\nsentinel monitor main 127.0.0.1 {server.port} 1\n"
        "sentinel auth-pass main old\n"
    )
    with (tmp_path / "sentinel.log").open("ab") as log:
        process = subprocess.Popen(
            [valkey_binary(), str(config), "--sentinel"], stdout=log, stderr=subprocess.STDOUT
        )
    yield server, port
    process.terminate()
    process.wait(10)


@pytest.mark.parametrize("kind", ["commands", "asyncio"])
def test_a_changed_sentinel_password_is_used(
    sentinel: tuple[Server, int], tmp_path: Path, kind: str
) -> None:
    server, port = sentinel
    files = {name: tmp_path / name for name in ("server", "sentinel")}
    for file in files.values():
        file.write_text("old")
    url = read_environment({
        "STANINE_REDIS_URL": f"redis+sentinel://127.0.0.1:{port}/main",
        "STANINE_REDIS_PASSWORD_FILE": str(files["server"]),
        "STANINE_SENTINEL_PASSWORD_FILE": str(files["sentinel"]),
    }).redis_url  # fmt: skip
    watching: Any = redis.Redis(port=port, password="old")

    def up() -> bool:
        try:
            return b"master" in watching.execute_command("SENTINEL", "MASTERS")[0][b"flags"]
        except redis.RedisError:
            return False

    assert wait_until(up, 10)

    def rotate() -> None:
        for each in (redis.Redis(port=server.port, password="old"), watching):
            each.execute_command("ACL", "SETUSER", "default", "resetpass", ">new")
        watching.execute_command(
            "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"
        )  # so that the client authenticates at the sentinel again
        for file in files.values():
            file.write_text("new")

    before, after, other = two_ids(url, kind, rotate)
    watching.close()
    assert before == after != other


@pytest.fixture
def tls(own_server: Callable[..., Server], tmp_path: Path) -> tuple[Server, int, Authority]:
    """A server that requires client certificates, its TLS port, and the authority."""
    binary = shutil.which("redis-server")
    need(
        "redis-server", found=binary is not None
    )  # Debian's build has TLS, the one from pip does not
    need("openssl", found=shutil.which("openssl") is not None)
    authority = make_authority(tmp_path / "old")
    certificate, key = authority.issue("server", ["DNS:localhost"])
    port = free_port()
    server = own_server(
        "--tls-port", str(port), "--tls-ca-cert-file", str(authority.certificate), "--tls-cert-file", str(certificate),
        "--tls-key-file", str(key), "--tls-auth-clients", "yes", binary=binary,
    )  # fmt: skip
    return server, port, authority


@pytest.mark.parametrize("kind", ["commands", "asyncio"])
def test_renewed_certificates_apply_to_new_connections(
    tls: tuple[Server, int, Authority], tmp_path: Path, kind: str
) -> None:
    server, port, old = tls
    files = {name: tmp_path / name for name in ("ca.crt", "tls.crt", "tls.key")}

    def give(authority: Authority) -> None:
        for file, source in zip(
            files.values(), (authority.certificate, *authority.issue("client")), strict=True
        ):
            fresh = file.with_suffix(".fresh")  # replaced atomically, like a Secret's files
            fresh.write_bytes(source.read_bytes())
            fresh.rename(file)

    give(old)
    url = f"rediss://localhost:{port}/0?ssl_ca_certs={files['ca.crt']}&ssl_certfile={files['tls.crt']}&ssl_keyfile={files['tls.key']}"
    admin: Any = redis.Redis(port=server.port)
    new = make_authority(tmp_path / "new")
    certificate, key = new.issue("server", ["DNS:localhost"])

    def renew() -> None:
        admin.config_set(
            "tls-cert-file",
            str(certificate),
            "tls-key-file",
            str(key),
            "tls-ca-cert-file",
            str(new.certificate),
        )
        give(new)

    async def reconnect() -> None:
        client: Any = connect_async(url, pool_size=1)
        assert await client.ping()
        renew()
        admin.client_kill_filter(_type="normal", skipme=True)
        assert await client.ping()  # the same connection object, reopened
        await client.aclose()

    if kind == "asyncio":
        asyncio.run(reconnect())
    else:
        before, after, other = two_ids(url, kind, renew)
        assert before == after != other
    admin.close()
