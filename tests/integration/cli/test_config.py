"""`stanine config` with a running stack."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from stanine.broker.connection.ownership import Owner
from stanine.store.keys import Keys
from stanine.store.settings import load_library
from stanine.store.settings.changes import Configuration
from stanine.store.settings.model import NAMES

from .conftest import Run, Up

MANAGER = Owner("RedisConfig default/main", "uid-1", "2026-11-23T08:00:00Z")


@pytest.fixture
def configuration(up: Up) -> Iterator[Configuration]:
    client = redis.Redis.from_url(up.variables["STANINE_REDIS_URL"])
    made = Configuration(client, load_library(), Keys("stanine"))
    yield made
    made.release(MANAGER)
    made.apply({})
    client.close()


def shown(stanine: Run, up: Up, *words: str) -> Any:
    ran = stanine("config", *words, "-o", "json", **up.variables)
    assert ran.status == 0, ran.err
    return json.loads(ran.out)


def test_every_setting_is_shown_with_its_source(
    stanine: Run, up: Up, configuration: Configuration
) -> None:
    configuration.apply({"sweepSeconds": 5})
    for words in (["config"], ["config", "get"]):
        ran = stanine(*words, **up.variables)
        rows = [line.split() for line in ran.out.splitlines()]
        assert rows[0] == ["WHAT", "VALUE", "FROM"]
        assert ["sweepSeconds", "5", "configuration"] in rows
        assert ["durability", "Everysec", "default"] in rows
        assert {row[0] for row in rows} >= {*NAMES, "revision", "layout", "dualWrite"}
        assert ran.err == ""


def test_errors_of_the_configuration_are_reported(
    stanine: Run, up: Up, configuration: Configuration
) -> None:
    configuration.apply({"sweepSeconds": 5}, dual_write=True)
    client = redis.Redis.from_url(up.variables["STANINE_REDIS_URL"])
    client.hset(Keys("stanine").config, "maxRequeues", "many")
    client.set(Keys("stanine").config_string, "{half")
    client.close()
    said = stanine("config", **up.variables).err
    assert "maxRequeues is not applied: Expected `int`" in said
    assert "it was changed without the operator" in said
    assert "the older string is unreadable: invalid JSON at line 1" in said
    configuration.apply({}, dual_write=False)


def test_settings_are_set_and_unset(stanine: Run, up: Up, configuration: Configuration) -> None:
    revision = configuration.apply({"maxRequeues": 9}).revision
    assert shown(stanine, up, "set", "sweepSeconds=7", "durability=Fsync") == {
        "revision": revision + 1,
        "changed": True,
    }
    assert (
        shown(stanine, up, "unset", "durability", "maxRequeues", "--revision", str(revision + 1))[
            "revision"
        ]
        == revision + 2
    )
    stated = {
        each["name"]: each["value"]
        for each in shown(stanine, up, "get")["settings"]
        if each["stated"]
    }
    assert stated == {"sweepSeconds": 7}
    ran = stanine("config", "set", "sweepSeconds=8", "--revision", "1", **up.variables)
    assert (ran.status, ran.out) == (7, "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["set", "sweepSeconds"], "write NAME=VALUE"),
        (["set", "sweepSeconds="], "stanine config unset"),
        (["set", "sweepSeconds=0", "speed=9"], "speed: unknown setting"),
        (["unset", "speed"], "speed: unknown setting"),
    ],
)
def test_invalid_settings_are_rejected(stanine: Run, up: Up, words: list[str], says: str) -> None:
    ran = stanine("config", *words, **up.variables)
    assert (ran.status, ran.out) == (2, "")
    assert says in ran.err


def test_history_is_listed_and_a_revision_restored(
    stanine: Run, up: Up, configuration: Configuration
) -> None:
    first = configuration.apply({"sweepSeconds": 6}).revision
    configuration.apply({"sweepSeconds": 7, "maxRequeues": 4}, MANAGER)
    configuration.release(MANAGER)
    assert shown(stanine, up, "rollback", str(first)) == {"revision": first + 2, "changed": True}
    assert shown(stanine, up, "rollback", str(first)) == {"revision": first + 2, "changed": False}
    items = shown(stanine, up, "history")
    assert [each["revision"] for each in items[:3]] == [first + 2, first + 1, first]
    lines = stanine("config", "history", **up.variables).out.splitlines()
    assert lines[0].split() == ["REVISION", "AT", "ORIGIN", "BY", "CHANGED"]
    assert f"RolledBack of {first}" in lines[1]
    assert "RedisConfig default/main  sweepSeconds, maxRequeues" in lines[2]
    assert ["sweepSeconds", "6", "configuration"] in [
        line.split() for line in stanine("config", **up.variables).out.splitlines()
    ]


def test_a_managed_configuration_is_rejected_with_its_owner_and_status_7(
    stanine: Run, up: Up, configuration: Configuration
) -> None:
    revision = configuration.apply({"sweepSeconds": 8}, MANAGER).revision
    ran = stanine("config", "rollback", str(revision), **up.variables)
    assert (ran.status, ran.out) == (7, "")
    assert MANAGER.name in ran.err
    assert shown(stanine, up, "get")["managedBy"] == MANAGER.name


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["rollback", "99999"], 4, "not in the history"),
        (["rollback", "0"], 2, "equal to 1"),
        (["rollback", "x"], 2, "integer"),
    ],
)
def test_an_invalid_revision_has_its_exit_status_and_message(
    stanine: Run, up: Up, words: list[str], status: int, says: str
) -> None:
    ran = stanine("config", *words, **up.variables)
    assert (ran.status, ran.out) == (status, "")
    assert says in ran.err
