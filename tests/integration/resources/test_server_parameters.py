"""Every permitted server parameter on a real server: accepted, and equal in normal form."""

import shutil
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from tests.conftest import need, start_server, stop_server

from stanine.crds.server_parameters import PARAMETERS, ParameterType, find_fault, is_same, normalise

#: A value in an unusual format for each type.
VALUES = {
    ParameterType.BYTES: ["64mb", "67108865", "100M", "1g"],
    ParameterType.BYTES_OR_PERCENT: ["5%", "64MB", "0"],
    ParameterType.SAVE_POINTS: ["3600 1 0300 0100", ""],
    ParameterType.BUFFER_LIMITS: ["pubsub 32mb 8mb 60", "replica 256mb 64mb 60 normal 0 0 0"],
    ParameterType.EVENTS: ["KEA", "xK", ""],
}
#: Integers are set to these within their range.
INTEGERS = [0, 1, 10, 64, 128]


def values_of(name: str) -> list[str]:
    parameter = PARAMETERS[name]
    if parameter.type is ParameterType.CHOICE:
        return [choice.upper() for choice in parameter.choices]
    if parameter.type is ParameterType.INTEGER:
        return [
            str(number) for number in INTEGERS if parameter.lowest <= number <= parameter.highest
        ]
    return VALUES[parameter.type]


@pytest.fixture(scope="module", params=["valkey", "redis-server"])
def server_values(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A client of a server used only by these tests."""
    binary = shutil.which("redis-server") if request.param == "redis-server" else None
    need("redis-server", found=request.param == "valkey" or binary is not None)
    server = start_server(tmp_path_factory.mktemp("parameters"), binary=binary)
    client = redis.Redis.from_url(server.url, decode_responses=True)
    yield client
    client.close()
    stop_server(server, signal.SIGKILL)


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_a_parameter_that_was_set_is_no_drift(server_values: Any, name: str) -> None:
    known = server_values.config_get(name)
    if not known:
        pytest.skip("this server does not know it")
    for value in values_of(name):
        assert find_fault(name, value) is None
        try:
            server_values.config_set(name, value)
        except redis.ResponseError as error:
            if "emalloc" in str(error):
                pytest.skip("this server was built without active defragmentation")
            raise
        found = server_values.config_get(name)[name]
        assert is_same(name, value, found), (value, found)
        assert normalise(name, normalise(name, found)) == normalise(name, found)


@pytest.mark.parametrize(
    ("name", "value"),
    [("maxmemory", "12 mb"), ("hz", "fast"), ("save", "3600  1"), ("client-output-buffer-limit", "pubsub 1  2 3"),
     ("appendfsync", "never"), ("client-output-buffer-limit", "pubsub 1 2"), ("maxmemory-samples", "0"),
     ("save", "10"), ("notify-keyspace-events", "KQ"), ("maxmemory-clients", "101%"), ("tcp-keepalive", "-1")],
)  # fmt: skip
def test_invalid_values_are_rejected_by_the_server_too(
    server_values: Any, name: str, value: str
) -> None:
    assert find_fault(name, value) is not None
    with pytest.raises(redis.ResponseError):
        server_values.config_set(name, value)
