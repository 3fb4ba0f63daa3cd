"""Reconciliation of a RedisConfig with the permissions that the chart gives the operator's user."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.conftest import Server
from tests.integration.acl.rules import user_line
from tests.integration.operator.redis_configs.stage import Stage, server
from tests.integration.operator.redis_configs.test_kills import BEFORE, CHANGES, OLDER, STRING

PASSWORD = "operators-own"


@pytest.mark.parametrize("change", CHANGES)
def test_reconciliation_needs_only_the_operator_users_permissions(
    change: str, own_server: Callable[..., Server], stages: Callable[[Server], Stage]
) -> None:
    stage = stages(own_server())
    stage.client_of_bytes.set(STRING, OLDER)
    words = user_line("operator", "stanine", PASSWORD, with_operator=True).split()
    execute: Any = stage.client.execute_command
    execute("ACL SETUSER", *words[1:])
    stage.secrets["ns", "redis"] = {"user": b"operator", "password": PASSWORD.encode()}
    references = {
        "usernameSecretRef": {"name": "redis", "key": "user"},
        "passwordSecretRef": {"name": "redis", "key": "password"},
    }
    before, after = CHANGES[change]
    config = stage.config(connection={"host": "127.0.0.1", "port": stage.port, **references})
    for spec in (
        before or BEFORE,
        {"settings": {"sweepSeconds": 4}, "server": server(timeout="4")},
        after,
    ):
        config.apply(**spec).reconcile()
        assert config.condition("Ready")[0] == "True"
        assert config.condition("ServerConfigured")[0] == "True"
    assert "hashLayoutBytes" in config.resource.status["memory"]
    assert execute("ACL LOG") == []
