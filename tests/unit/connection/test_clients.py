"""How clients are made: limits, addresses, twins. No connection is opened."""

from typing import Any

import pytest

from stanine.broker.connection.clients import (
    blocking_twin,
    connect,
    connect_async,
    connect_blocking,
    pool_use,
)


def options_of(client: Any) -> dict[str, Any]:
    return dict(client.connection_pool.connection_kwargs)


def test_a_client_has_timeouts_and_bounded_retries() -> None:
    options = options_of(connect("redis://h:1/3"))
    assert (options["host"], options["port"], options["db"]) == ("h", 1, 3)
    assert 0 < options["socket_timeout"] <= 5
    assert options["retry"].get_retries() == 4
    assert options["socket_keepalive"] is True
    assert options_of(connect_async("redis://h:1/3"))["socket_timeout"] == options["socket_timeout"]


def test_a_blocking_client_has_neither_socket_timeout_nor_retries() -> None:
    for client in (connect_blocking("redis://h:1/0"), blocking_twin(connect("redis://h:1/0"))):
        options = options_of(client)
        assert options["socket_timeout"] is None
        assert options["retry"].get_retries() == 0


def test_a_twin_goes_to_the_same_place_as_the_same_user() -> None:
    twin = options_of(blocking_twin(connect("rediss://u:p@h:1/2?ssl_ca_certs=/ca")))
    assert [
        twin[name] for name in ("username", "password", "host", "port", "db", "ssl_ca_certs")
    ] == ["u", "p", "h", 1, 2, "/ca"]


@pytest.mark.parametrize("make", [connect, connect_blocking, connect_async])
def test_sentinels_credentials_and_sockets_are_understood(make: Any) -> None:
    client = make("redis+sentinel://user:pass@a:1,b/main/2")
    pool = client.connection_pool
    assert pool.service_name == "main"
    assert [
        sentinel.connection_pool.connection_kwargs["port"]
        for sentinel in pool.sentinel_manager.sentinels
    ] == [1, 26379]
    assert (
        options_of(client)["username"],
        options_of(client)["password"],
        options_of(client)["db"],
    ) == ("user", "pass", 2)
    assert options_of(make("unix:///run/redis.sock"))["path"] == "/run/redis.sock"


@pytest.mark.parametrize("make", [connect, connect_blocking, connect_async])
def test_tls_options_mean_the_same_behind_sentinels(make: Any) -> None:
    for address in ("rediss://h:1/0", "rediss+sentinel://h:1/main"):
        options = options_of(make(f"{address}?ssl_check_hostname=false&ssl_ca_certs=/ca"))
        assert (options["ssl_check_hostname"], options["ssl_ca_certs"]) == (False, "/ca"), address


def test_pool_use_counts_connections_in_use() -> None:
    assert pool_use(connect("redis://h:1/0", pool_size=5))() == (0, 5)
