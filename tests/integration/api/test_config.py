"""/v1/config, and changes of settings while the API runs."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.integration.api.serving import Serving, document, problem

from stanine.broker.connection.ownership import Owner
from stanine.store.settings import load_library
from stanine.store.settings.changes import Configuration
from stanine.store.settings.model import NAMES, Settings
from stanine.store.settings.snapshot import SettingsLayout

MANAGER = Owner("RedisConfig default/main", "uid-1", "2026-11-23T08:00:00Z")
#: Seconds until a changed setting takes effect: two, and two more for a busy machine.
TAKES_EFFECT = 4.0


@pytest.fixture
def configuration(mood: Serving) -> Configuration:
    return Configuration(mood.redis, load_library(), mood.keys)


@pytest.fixture
def root_level() -> Iterator[None]:
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


def soon(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + TAKES_EFFECT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def read(api: Serving, path: str = "") -> Any:
    answer = api.http().get(f"/v1/config{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_configuration_shows_the_values_in_force(
    mood: Serving, configuration: Configuration
) -> None:
    fresh = read(mood)
    assert (fresh["revision"], fresh["layout"], fresh["dualWrite"], fresh["edited"]) == (
        0,
        "Hash",
        False,
        False,
    )
    assert [each["name"] for each in fresh["settings"]] == list(NAMES)
    assert not any(each["stated"] for each in fresh["settings"])
    configuration.apply({"sweepSeconds": 5}, MANAGER, dual_write=True)
    mood.redis.hset(mood.keys.config, mapping={"maxRequeues": "x", "theirs": "a secret of theirs"})
    shown = read(mood)
    assert (shown["revision"], shown["managedBy"], shown["dualWrite"], shown["edited"]) == (
        1,
        MANAGER.name,
        True,
        True,
    )
    by_name = {each["name"]: each for each in shown["settings"]}
    assert by_name["sweepSeconds"] == {"name": "sweepSeconds", "value": 5, "stated": True}
    assert by_name["maxRequeues"]["value"] == Settings().max_requeues
    assert "fault" in by_name["maxRequeues"]
    assert shown["others"] == ["theirs"]
    assert "secret" not in json.dumps(shown)
    assert set(shown["bytes"]) == {"hash", "string", "history"}


def test_settings_are_changed_one_by_one(mood: Serving, configuration: Configuration) -> None:
    def change(**order: Any) -> Any:
        return mood.http().patch("/v1/config", json=order)

    configuration.apply({"maxRequeues": 9})
    for changed in (True, False):
        answer = change(settings={"sweepSeconds": 7, "durability": "Fsync"})
        assert (answer.status_code, answer.json()) == (200, {"revision": 2, "changed": changed})
    assert change(settings={"durability": None}, revision=2).json() == {
        "revision": 3,
        "changed": True,
    }
    stated = {each["name"]: each["value"] for each in read(mood)["settings"] if each["stated"]}
    assert stated == {"maxRequeues": 9, "sweepSeconds": 7}
    assert (
        "revision 3, not at 1"
        in problem(change(settings={"sweepSeconds": 8}, revision=1), "config-conflict")["detail"]
    )
    wrong: list[dict[str, Any]] = [
        {},
        {"settings": {}},
        {"settings": {"sweepSeconds": 7.5}},
        {"settings": {"sweepSeconds": 7}, "more": 1},
    ]
    for order in wrong:
        problem(change(**order), "invalid-request")
    detail = problem(
        change(settings={"sweepSeconds": "7", "no": 1, "logLevel": "Loud"}), "invalid-request"
    )["detail"]
    assert all(name in detail for name in ("sweepSeconds", "no: unknown setting", "logLevel"))
    configuration.apply({"sweepSeconds": 1}, MANAGER)
    assert MANAGER.name in problem(change(settings={"sweepSeconds": 2}), "managed")["detail"]
    assert read(mood)["revision"] == 4


def test_an_earlier_revision_is_listed_and_restored(
    mood: Serving, configuration: Configuration
) -> None:
    configuration.apply({"sweepSeconds": 1})
    configuration.apply({"sweepSeconds": 2, "maxRequeues": 9}, MANAGER)
    configuration.release(MANAGER)
    items = read(mood, "/history")["items"]
    assert [
        (each["revision"], each["origin"], each.get("by"), each["changed"]) for each in items
    ] == [
        (2, "Applied", MANAGER.name, ["sweepSeconds", "maxRequeues"]),
        (1, "Applied", None, ["sweepSeconds"]),
    ]
    for changed in (True, False):
        answer = mood.http().post("/v1/config:rollback", json={"revision": 1})
        assert (answer.status_code, answer.json()) == (200, {"revision": 3, "changed": changed})
    assert read(mood, "/history")["items"][0]["of"] == 1
    assert (
        "holds 1 to 3"
        in problem(mood.http().post("/v1/config:rollback", json={"revision": 4}), "not-found")[
            "detail"
        ]
    )
    problem(mood.http().post("/v1/config:rollback", json={"revision": 0}), "invalid-request")


def test_a_managed_configuration_is_not_rolled_back(
    mood: Serving, configuration: Configuration
) -> None:
    configuration.apply({"sweepSeconds": 1}, MANAGER)
    refused = problem(mood.http().post("/v1/config:rollback", json={"revision": 1}), "managed")
    assert MANAGER.name in refused["detail"]


def test_an_unreadable_configuration_is_shown_and_not_changed(
    mood: Serving, configuration: Configuration
) -> None:
    configuration.apply({"sweepSeconds": 1})
    configuration.migrate(SettingsLayout.STRING)
    mood.redis.set(mood.keys.config_string, "{half")
    assert "line 1" in read(mood)["unreadable"]
    problem(mood.http().post("/v1/config:rollback", json={"revision": 1}), "config-conflict")


def test_the_limits_of_attempts_and_documents_follow_the_settings(
    mood: Serving, configuration: Configuration
) -> None:
    long = {"answers": {"i1": 1}, "participant": "p" * 60, "key": "k" * 60}
    text = json.dumps(long).ljust(1500).encode()
    headers = {"content-type": "application/json"}

    def submit() -> int:
        return (
            mood.http()
            .post("/v1/instruments/a-mood/attempts", content=text, headers=headers)
            .status_code
        )

    def submit_line() -> int:
        lines = mood.http().post(
            "/v1/instruments/a-mood/attempts:bulk",
            content=text,
            headers={"content-type": "application/x-ndjson"},
        )
        return int(lines.json()["status"])

    def publish() -> int:
        body = json.dumps(document()).ljust(5000).encode()
        return mood.http().put("/v1/instruments/a-mood", content=body, headers=headers).status_code

    assert (submit(), submit_line(), publish()) == (202, 202, 200)
    configuration.apply({"maxAttemptBytes": 1024, "maxDocumentBytes": 4096})
    soon(lambda: submit() == 413)
    assert (submit_line(), publish()) == (413, 413)
    configuration.apply({})
    soon(lambda: submit() == 202)


@pytest.mark.parametrize(
    ("limit", "value", "calls"), [("bulkGroupLines", 100, 10), ("bulkGroupBytes", 16_384, 4)]
)
def test_the_size_of_a_bulk_group_follows_the_settings(
    mood: Serving, configuration: Configuration, limit: str, value: int, calls: int
) -> None:
    def submit(run: int) -> int:
        """Submit 1,000 lines; return the number of store calls."""
        lines = b"".join(
            b'{"key":"%d-%d","answers":{"i1":1,"i2":2,"i3":3}}\n' % (run, number)
            for number in range(1000)
        )
        mood.redis.config_resetstat()
        answer = mood.http().post(
            "/v1/instruments/a-mood/attempts:bulk",
            content=lines,
            headers={"content-type": "application/x-ndjson"},
        )
        assert answer.text.count('"status":202') == 1000
        stats: Any = mood.redis.info("commandstats")
        return int(
            stats["cmdstat_incrby"]["calls"]
        )  # each call of `submit` increments the arrivals once

    assert submit(0) <= 3
    configuration.apply({limit: value})
    time.sleep(TAKES_EFFECT / 2)
    assert submit(1) >= calls - 1


def test_the_log_level_follows_the_settings(
    mood: Serving, configuration: Configuration, root_level: None
) -> None:
    before = logging.getLogger().level
    configuration.apply({"logLevel": "Error"})
    soon(lambda: logging.getLogger().level == logging.ERROR)
    configuration.apply({"logLevel": "Debug"})
    soon(lambda: logging.getLogger().level == logging.DEBUG)
    assert before != logging.DEBUG


def test_the_older_layout_is_followed_too(mood: Serving) -> None:
    mood.redis.set(mood.keys.config_string, '{"maxAttemptBytes":1024,"colour":"red"}')
    headers = {"content-type": "application/json"}
    soon(
        lambda: (
            mood.http()
            .post("/v1/instruments/a-mood/attempts", content=b" " * 1025, headers=headers)
            .status_code
            == 413
        )
    )
