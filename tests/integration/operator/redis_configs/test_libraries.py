"""Function libraries that contain an error."""

from collections.abc import Callable

import pytest
from tests.conftest import Server
from tests.integration.operator.redis_configs.stage import Stage

from stanine.broker.connection.functions import Library
from stanine_operator.redis_configs import settings_store


def test_a_library_error_is_reported_with_its_line(
    monkeypatch: pytest.MonkeyPatch,
    own_server: Callable[..., Server],
    stages: Callable[[Server], Stage],
) -> None:
    monkeypatch.setattr(
        settings_store,
        "_store_library",
        lambda: Library("faulty", "#!lua name=faulty_@VERSION@\nlocal x = = 3\n"),
    )
    config = stages(own_server()).config()
    config.reconcile()
    assert config.condition("SettingsApplied") == ("False", "ServerRefused")
    assert "user_function:2: unexpected symbol near '='" in config.message("SettingsApplied")
