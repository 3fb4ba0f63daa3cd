"""Settings, layouts and pins through whole reconciliations on a real server."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Server
from tests.integration.operator.redis_configs.stage import Stage

from stanine.broker.connection.ownership import OwnershipConflictError
from stanine.store.keys import Keys
from stanine.store.settings import load_library
from stanine.store.settings.changes import Configuration
from stanine.store.settings.model import Settings, SettingsRead
from stanine.store.settings.reader import load_settings
from stanine_operator.controller.resource_cache import ResourceCache

HASH, STRING = "stanine:{p0}:config", "stanine:config"


def configuration(stage: Stage, namespace: str = "stanine") -> Configuration:
    return Configuration(stage.client_of_bytes, load_library(), Keys(namespace))


def followed(stage: Stage) -> Settings:
    """Return the settings that a service uses."""
    return load_settings(stage.client_of_bytes, Keys("stanine"), SettingsRead()).settings


def test_settings_become_a_revision_once_and_services_follow(stage: Stage) -> None:
    config = stage.config(settings={"sweepSeconds": 7, "durability": "Fsync"})
    config.reconcile()
    assert (followed(stage).sweep_seconds, followed(stage).durability) == (7, "Fsync")
    assert (config.resource.status["revision"], config.resource.status["layout"]) == (1, "Hash")
    assert config.condition("SettingsApplied") == ("True", "AsDeclared")
    for _ in range(3):
        config.reconcile()
    assert config.resource.status["revision"] == 1
    config.apply(settings={"durability": "Fsync"}).reconcile()
    assert followed(stage).sweep_seconds == Settings().sweep_seconds
    assert config.resource.status["revision"] == 2


def test_a_manual_change_is_kept_in_the_history_and_reverted(stage: Stage) -> None:
    config = stage.config(settings={"sweepSeconds": 7})
    config.reconcile()
    stage.client.hset(HASH, "sweepSeconds", "99")
    config.reconcile()
    assert followed(stage).sweep_seconds == 7
    assert [each.values["sweepSeconds"] for each in configuration(stage).history()] == [
        "7",
        "99",
        "7",
    ]


def test_declared_settings_cannot_be_changed_by_others(
    stage: Stage,
) -> None:
    config = stage.config(settings={"sweepSeconds": 7})
    config.reconcile()
    with pytest.raises(OwnershipConflictError, match=f"RedisConfig ns/{config.resource.name}"):
        configuration(stage).apply({"sweepSeconds": 8})
    config.apply(settings=None).reconcile()
    assert followed(stage).sweep_seconds == 7
    configuration(stage).apply({"sweepSeconds": 8})
    config.reconcile()
    assert followed(stage).sweep_seconds == 8
    assert config.condition("Ready")[0] == "True"


def test_a_pin_holds_one_revision_and_its_removal_applies_the_settings_again(stage: Stage) -> None:
    config = stage.config(settings={"sweepSeconds": 1})
    config.reconcile()
    config.apply(settings={"sweepSeconds": 2}).reconcile()
    config.apply(rollbackTo=1).reconcile()
    assert followed(stage).sweep_seconds == 1
    assert config.condition("SettingsApplied") == ("False", "RolledBack")
    assert config.condition("Ready") == ("True", "RolledBack")
    assert (config.resource.status["revision"], config.resource.status["lastHandledPin"]) == (3, 1)
    config.apply(settings={"sweepSeconds": 5})
    for _ in range(3):
        config.reconcile()
    assert (followed(stage).sweep_seconds, config.resource.status["revision"]) == (1, 3)
    config.apply(rollbackTo=None).reconcile()
    assert (followed(stage).sweep_seconds, config.resource.status["revision"]) == (5, 4)
    assert config.condition("SettingsApplied")[0] == "True"
    assert "lastHandledPin" not in config.resource.status


def test_a_pin_of_an_unknown_revision_changes_nothing(stage: Stage) -> None:
    config = stage.config(settings={"sweepSeconds": 1})
    config.reconcile()
    config.apply(rollbackTo=12, settings={"sweepSeconds": 2}).reconcile()
    assert config.condition("SettingsApplied") == ("False", "RevisionUnknown")
    assert "12" in config.message("SettingsApplied")
    assert (followed(stage).sweep_seconds, config.resource.status["revision"]) == (1, 1)
    config.apply(rollbackTo=1).reconcile()
    assert config.condition("SettingsApplied") == ("False", "RolledBack")


def test_a_pin_remains_in_effect_after_its_revision_left_the_history(stage: Stage) -> None:
    config = stage.config(settings={"sweepSeconds": 1, "historyRevisions": 2})
    config.reconcile()
    config.apply(settings={"sweepSeconds": 2, "historyRevisions": 2}).reconcile()
    config.apply(rollbackTo=1).reconcile()
    assert 1 not in [each.number for each in configuration(stage).history()]
    stage.client.hdel(
        "stanine:{p0}:config:meta", "managedBy", "managedUntil"
    )  # as if it had expired
    config.reconcile()
    with pytest.raises(OwnershipConflictError):
        configuration(stage).apply({"sweepSeconds": 8})
    assert config.condition("SettingsApplied") == ("False", "RolledBack")
    assert followed(stage).sweep_seconds == 1


def older_text(count: int) -> bytes:
    """Return settings as written by a Node service: unknown fields, another order and spacing."""
    settings: dict[str, Any] = {
        f"feature.{n}": ["on", n, True, None, f"wört-{n}", {"deep": [n]}][n % 6]
        for n in range(count - 2)
    }
    return json.dumps(
        {"sweepSeconds": 9, **settings, "durability": "Everysec"}, indent=1, ensure_ascii=False
    ).encode()


def test_a_thousand_settings_migrate_between_layouts_without_losing_a_byte(
    stage: Stage,
) -> None:
    text = older_text(1000)
    stage.client_of_bytes.set(STRING, text)
    config = stage.config()
    config.reconcile()
    assert config.condition("Migrated") == ("True", "InLayout")
    assert stage.client.hlen(HASH) == 1000
    assert stage.client.exists(STRING) == 0
    assert followed(stage).sweep_seconds == 9
    assert stage.client_of_bytes.get("stanine:{p0}:config:backup:string") == text
    memory = config.resource.status["memory"]
    assert memory["hashLayoutBytes"] > 10_000
    assert memory["stringLayoutBytes"] > 10_000
    config.apply(layout="String").reconcile()
    assert stage.client_of_bytes.get(STRING) == text
    assert stage.client.exists(HASH) == 0
    assert config.resource.status["layout"] == "String"
    assert followed(stage).sweep_seconds == 9


def test_a_service_of_the_older_layout_keeps_working_during_dual_write(stage: Stage) -> None:
    stage.client.set(STRING, json.dumps({"sweepSeconds": 9, "theirs": 1}))
    config = stage.config(compatibility="DualWrite", settings={"sweepSeconds": 5})
    config.reconcile()
    assert json.loads(str(stage.client.get(STRING))) == {"sweepSeconds": 5, "theirs": 1}
    assert stage.client.hgetall(HASH) == {"sweepSeconds": "5", "theirs": "1"}
    config.apply(settings={"sweepSeconds": 6}).reconcile()
    assert json.loads(str(stage.client.get(STRING)))["sweepSeconds"] == 6
    stage.client.set(
        STRING, json.dumps({"sweepSeconds": 6, "theirs": 2, "more": "x"})
    )  # the older service writes
    config.reconcile()
    assert stage.client.hgetall(HASH) == {"sweepSeconds": "6", "theirs": "2", "more": "x"}
    assert config.condition("Ready")[0] == "True"
    config.apply(compatibility=None).reconcile()
    assert stage.client.exists(STRING) == 0
    stage.client.set(STRING, "{}")
    config.reconcile()
    assert config.condition("Migrated") == ("True", "OlderStringPresent")


def test_an_unreadable_legacy_string_is_kept_and_reported(stage: Stage) -> None:
    stage.client.set(STRING, '{"sweepSeconds": 9')
    config = stage.config(settings={"sweepSeconds": 5})
    config.reconcile()
    assert config.condition("Migrated") == ("False", "MigrationFailed")
    assert config.condition("SettingsApplied") == ("False", "StringUnreadable")
    assert stage.client.get(STRING) == '{"sweepSeconds": 9'
    stage.client.set(STRING, '{"sweepSeconds": 9}')
    config.reconcile()
    assert config.condition("Ready")[0] == "True"
    assert followed(stage).sweep_seconds == 5


def test_of_two_resources_for_one_namespace_the_younger_takes_over_at_once(
    stage: Stage,
) -> None:
    younger = stage.config(namespace="b", created=2, settings={"sweepSeconds": 2}, layout="String")
    elder = stage.config(namespace="a", created=1, settings={"sweepSeconds": 1})
    for config in (younger, elder, younger):
        config.reconcile()
    assert followed(stage).sweep_seconds == 1
    assert younger.condition("SettingsApplied") == ("False", "ResourceConflict")
    assert younger.condition("Migrated") == ("False", "ResourceConflict")
    assert f"a/{elder.resource.name}" in younger.message("SettingsApplied")
    elder.delete()
    younger.reconcile()
    assert followed(stage).sweep_seconds == 2
    assert younger.condition("Ready")[0] == "True"


def test_across_operators_the_older_resource_owns_the_settings(
    stage: Stage, stages: Callable[[Server], Stage]
) -> None:
    elsewhere = Stage(stage.port, operator="another")
    younger = stage.config(created=2, settings={"sweepSeconds": 2})
    younger.reconcile()
    elder = elsewhere.config(namespace="far", created=1, settings={"sweepSeconds": 1})
    elder.reconcile()
    younger.reconcile()
    assert followed(stage).sweep_seconds == 1
    assert younger.condition("SettingsApplied") == ("False", "ResourceConflict")
    assert f"far/{elder.resource.name}" in younger.message("SettingsApplied")
    elsewhere.close()


def test_other_namespaces_and_databases_do_not_conflict(stage: Stage) -> None:
    first = stage.config(created=1, settings={"sweepSeconds": 1})
    second = stage.config(created=2, settings={"sweepSeconds": 2}, keyNamespace="other")
    third = stage.config(
        created=3,
        settings={"sweepSeconds": 3},
        connection={"host": "127.0.0.1", "port": stage.port, "db": 1},
    )
    for config in (first, second, third):
        config.reconcile()
        assert config.condition("Ready")[0] == "True"
    assert stage.client.hget("other:{p0}:config", "sweepSeconds") == "2"
    assert followed(stage).sweep_seconds == 1


@pytest.mark.parametrize("before", ["noeviction", "allkeys-lru"])
def test_one_reconciliation_prepares_the_server_for_services_without_function_permissions(
    stage: Stage, before: str
) -> None:
    stage.client.config_set("maxmemory-policy", before)
    stage.config(server=[{"name": "maxmemory-policy", "value": "noeviction"}]).reconcile()
    names = {
        name.rsplit("_", 1)[0]
        for name in map(str, (library[1] for library in stage.client.function_list()))
    }
    assert {"stanine_store", "stanine_config"} <= names


def test_missing_permission_to_load_functions_is_reported_while_parameters_are_set(
    stage: Stage,
) -> None:
    stage.allow("-function|load", "-fcall")
    config = stage.config(
        server=[{"name": "timeout", "value": "600"}], settings={"sweepSeconds": 1}
    )
    config.reconcile()
    assert stage.parameter("timeout") == "600"
    assert config.condition("ServerConfigured")[0] == "True"
    assert config.condition("SettingsApplied")[0] == "False"
    assert config.condition("Ready")[0] == "False"
    stage.allow("+@all")
    config.reconcile()
    assert config.condition("Ready")[0] == "True"


def test_a_key_of_the_wrong_type_is_reported(stage: Stage) -> None:
    stage.client.set(HASH, "not a hash")
    config = stage.config(settings={"sweepSeconds": 1})
    config.reconcile()
    assert config.condition("SettingsApplied") == ("False", "WrongType")
    assert stage.client.get(HASH) == "not a hash"


def test_a_full_server_can_still_be_configured(stage: Stage) -> None:
    config = stage.config(settings={"sweepSeconds": 1})
    config.reconcile()
    stage.client.config_set("maxmemory", "1mb")
    config.apply(settings={"sweepSeconds": 2}).reconcile()
    assert followed(stage).sweep_seconds == 2
    assert config.condition("MemoryHigh")[0] == "True"


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    layout, compatibility = draw(
        st.sampled_from([("Hash", "None"), ("Hash", "DualWrite"), ("String", "None")])
    )
    values = st.dictionaries(st.sampled_from(["sweepSeconds", "maxRequeues"]), st.integers(1, 9))
    return {
        "settings": draw(st.none() | values), "layout": layout, "compatibility": compatibility,
        "rollbackTo": draw(st.none() | st.integers(1, 6)),
    }  # fmt: skip


@pytest.fixture(scope="module")
def one_stage(valkey: Server) -> Any:
    made = Stage(valkey.port)
    yield made
    made.close()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(specs(), min_size=1, max_size=6))
def test_one_reconciliation_reaches_the_desired_state_from_any_state(
    one_stage: Stage, wishes: list[dict[str, Any]]
) -> None:
    one_stage.client.flushall()
    one_stage.resource_cache = ResourceCache()
    config = one_stage.config(keyNamespace="model")
    revisions: dict[int, dict[str, str]] = {}
    for wish in wishes:
        config.apply(**wish).reconcile()
        stored = configuration(one_stage, "model").read()
        assert config.resource.status["revision"] == stored.revision
        assert stored.revision >= max(revisions, default=0)
        assert config.condition("Migrated")[0] == "True"
        assert (stored.layout, stored.meta.dual) == (
            wish["layout"],
            wish["compatibility"] == "DualWrite",
        )
        if wish["rollbackTo"] in revisions:
            assert stored.values == revisions[wish["rollbackTo"]]
        elif wish["rollbackTo"] is None and wish["settings"] is not None:
            assert stored.values == {name: str(value) for name, value in wish["settings"].items()}
            assert config.condition("Ready")[0] == "True"
        before = config.resource.status
        config.reconcile()
        assert config.resource.status["revision"] == before["revision"]
        revisions |= {
            each.number: each.values for each in configuration(one_stage, "model").history()
        }
