from pathlib import Path

import pytest

from stanine.api.settings import ApiSettings, read_settings
from stanine.broker.connection.environment import InvalidEnvironmentError

GOOD = {"STANINE_REDIS_URL": "redis://h", "STANINE_KEYS_FILE": "/k"}


def test_settings_come_from_the_environment() -> None:
    assert read_settings(GOOD) == ApiSettings("redis://h", Path("/k"), "stanine", "")
    assert read_settings(GOOD | {"STANINE_NAMESPACE": "other"}).namespace == "other"


@pytest.mark.parametrize("missing", list(GOOD))
def test_a_missing_variable_is_reported_with_an_example(missing: str) -> None:
    with pytest.raises(InvalidEnvironmentError, match=f"{missing} is not set"):
        read_settings({name: value for name, value in GOOD.items() if name != missing})


def test_the_address_of_the_pages_is_optional_and_complete() -> None:
    assert read_settings(GOOD | {"STANINE_PUBLIC_URL": "http://h:1"}).public_url == "http://h:1"
    with pytest.raises(InvalidEnvironmentError, match="STANINE_PUBLIC_URL must begin with"):
        read_settings(GOOD | {"STANINE_PUBLIC_URL": "h:1"})


def test_trusted_proxies_are_networks_separated_by_commas() -> None:
    found = read_settings(GOOD | {"STANINE_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.7"})
    assert [str(each) for each in found.trusted_proxies] == ["10.0.0.0/8", "192.0.2.7/32"]
    with pytest.raises(InvalidEnvironmentError, match=r"STANINE_TRUSTED_PROXIES: 'proxy'"):
        read_settings(GOOD | {"STANINE_TRUSTED_PROXIES": "proxy"})


@pytest.mark.parametrize("address", ["localhost:6379", "http://h", "redis:/h"])
def test_an_invalid_redis_address_is_rejected(address: str) -> None:
    with pytest.raises(InvalidEnvironmentError, match="STANINE_REDIS_URL is not a Redis URL"):
        read_settings(GOOD | {"STANINE_REDIS_URL": address})


def test_a_namespace_with_a_hash_tag_is_rejected() -> None:
    with pytest.raises(InvalidEnvironmentError, match="STANINE_NAMESPACE"):
        read_settings(GOOD | {"STANINE_NAMESPACE": "a{b}"})
