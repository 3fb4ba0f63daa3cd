"""Servers with unusual behaviour: partly applied changes, other values, disabled CONFIG SET."""

from typing import Any

import pytest
import redis

from stanine_operator.redis_configs.parameters import Rules, change_condition
from stanine_operator.redis_configs.records import Parameter
from stanine_operator.redis_configs.server import read_parameters, set_parameters

WANTED = (Parameter("timeout", "9"), Parameter("hz", "50"))
CORRECT = Rules(observe=False, report=False)
REFUSED = "CONFIG SET failed (possibly related to argument 'hz') - no"


class OddServer:
    """A server with two parameters that applies at most `most` changes and keeps at most `cap`."""

    def __init__(
        self,
        *,
        most: int = 99,
        cap: int = 1000,
        refusal: str = "CONFIG SET failed (possibly related to argument 'hz') - no",
    ) -> None:
        self.values = {"timeout": "0", "hz": "10"}
        self._most, self._cap, self._refusal = most, cap, refusal

    def config_get(self, *names: str) -> dict[str, str]:
        return {name: self.values[name] for name in names}

    def execute_command(self, command: str, *words: str) -> str:
        assert command == "CONFIG SET"
        for nth, (name, value) in enumerate(zip(words[::2], words[1::2], strict=True)):
            if nth >= self._most:
                raise redis.ResponseError(self._refusal)
            self.values[name] = str(min(int(value), self._cap))
        return "OK"


def change(server: OddServer) -> tuple[str, str]:
    """Set the wanted values; return the condition's reason and message."""
    client: Any = server
    before = read_parameters(client, ["timeout", "hz"])
    condition = change_condition(WANTED, set_parameters(client, WANTED, before), CORRECT)
    assert condition.status is False
    return condition.reason, condition.message


def test_a_partly_applied_rejected_change_is_rolled_back() -> None:
    server = OddServer(most=1)
    reason, message = change(server)
    assert server.values == {"timeout": "0", "hz": "10"}
    assert reason == "InvalidParameter"
    assert "hz: the server says" in message


def test_a_change_is_rolled_back_if_the_server_keeps_another_value() -> None:
    server = OddServer(cap=20)
    reason, message = change(server)
    assert server.values == {"timeout": "0", "hz": "10"}
    assert reason == "InvalidParameter"
    assert "'20' after it was set to '50'" in message


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        ("unknown command 'CONFIG', with args beginning with: 'SET'", "UnsupportedByServer"),
        ("unknown subcommand 'SET'. Try CONFIG HELP.", "UnsupportedByServer"),
        (
            "CONFIG SET failed (possibly related to argument 'hz') - Timeout is out of range",
            "InvalidParameter",
        ),
        ("Unknown option or number of arguments for CONFIG SET - 'hz'", "InvalidParameter"),
    ],
)
def test_a_disabled_command_is_distinguished_from_a_rejected_value(
    refusal: str, reason: str
) -> None:
    assert change(OddServer(most=0, refusal=refusal))[0] == reason
