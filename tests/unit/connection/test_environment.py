"""Where Redis is: the address, and the credentials that come beside it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.broker.connection.clients import connect, connect_async, connect_blocking
from stanine.broker.connection.credentials import FileCredentials
from stanine.broker.connection.environment import InvalidEnvironmentError, read_environment

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)


def options_of(variables: dict[str, str]) -> dict[str, Any]:
    return dict(connect(read_environment(variables).redis_url).connection_pool.connection_kwargs)


@given(TEXT, TEXT, st.sampled_from(["redis://h:1/2", "redis+sentinel://a:1,b/main/2"]))
def test_any_text_can_be_a_user_and_a_password(user: str, password: str, url: str) -> None:
    options = options_of(
        {
            "STANINE_REDIS_URL": url,
            "STANINE_REDIS_USERNAME": user,
            "STANINE_REDIS_PASSWORD": password,
        }
    )
    assert (options["username"], options["password"], options["db"]) == (user, password, 2)


def test_a_password_alone_is_that_of_the_default_user() -> None:
    options = options_of({"STANINE_REDIS_URL": "redis://h", "STANINE_REDIS_PASSWORD": "p/@:%"})
    assert (options.get("username"), options["password"]) == (None, "p/@:%")


def test_sentinels_have_credentials_and_tls_of_their_own() -> None:
    variables = {
        "STANINE_REDIS_URL": "rediss+sentinel://a,b:2/main?ssl_ca_certs=/ca",
        "STANINE_REDIS_PASSWORD": "p",
        "STANINE_SENTINEL_PASSWORD": "s&p",
    }
    pool: Any = connect(read_environment(variables).redis_url).connection_pool
    assert pool.connection_kwargs["password"] == "p"
    for sentinel in pool.sentinel_manager.sentinels:
        options = sentinel.connection_pool.connection_kwargs
        assert (options["password"], options["ssl_ca_certs"]) == ("s&p", "/ca")


def test_credentials_in_two_places_are_refused() -> None:
    with pytest.raises(InvalidEnvironmentError, match="in one place"):
        read_environment({"STANINE_REDIS_URL": "redis://u:p@h", "STANINE_REDIS_PASSWORD": "q"})


def test_credentials_in_files_are_named_in_the_address_and_not_read(tmp_path: Path) -> None:
    url = read_environment({
        "STANINE_REDIS_URL": "rediss+sentinel://a,b:2/main?ssl_ca_certs=/ca",
        "STANINE_REDIS_USERNAME": "ü@me",
        "STANINE_REDIS_PASSWORD_FILE": str(tmp_path / "not there & yet"),
        "STANINE_SENTINEL_USERNAME_FILE": "/name",
        "STANINE_SENTINEL_PASSWORD_FILE": "/word",
    }).redis_url  # fmt: skip
    for client in (connect(url), connect_blocking(url), connect_async(url)):
        pool: Any = client.connection_pool
        assert pool.connection_kwargs["credential_provider"] == FileCredentials(
            str(tmp_path / "not there & yet"), None, "ü@me"
        )
        assert not pool.connection_kwargs.get("username")
        for sentinel in pool.sentinel_manager.sentinels:
            assert sentinel.connection_pool.connection_kwargs[
                "credential_provider"
            ] == FileCredentials("/word", "/name")


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        (
            {"STANINE_REDIS_PASSWORD": "p", "STANINE_REDIS_PASSWORD_FILE": "/p"},
            "STANINE_REDIS_PASSWORD_FILE are both set",
        ),
        (
            {"STANINE_SENTINEL_USERNAME": "p", "STANINE_SENTINEL_USERNAME_FILE": "/p"},
            "STANINE_SENTINEL_USERNAME_FILE are both set",
        ),
        (
            {"STANINE_REDIS_USERNAME_FILE": "/u"},
            "STANINE_REDIS_USERNAME_FILE needs STANINE_REDIS_PASSWORD_FILE",
        ),
        (
            {"STANINE_REDIS_URL": "redis://u:p@h", "STANINE_REDIS_PASSWORD_FILE": "/p"},
            "in one place",
        ),
        (
            {
                "STANINE_REDIS_URL": "redis://h?password_file=/q",
                "STANINE_REDIS_PASSWORD_FILE": "/p",
            },
            "in one place",
        ),
    ],
)
def test_what_is_given_twice_or_by_half_is_refused(variables: dict[str, str], fault: str) -> None:
    with pytest.raises(InvalidEnvironmentError, match=fault):
        read_environment({"STANINE_REDIS_URL": "redis://h"} | variables)
