"""Callers of a Redis Function have the right to every command inside it.

New commands are thus detected here, not by denied calls.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
RULES: dict[str, Any] = yaml.safe_load(
    (ROOT / "charts" / "stanine" / "files" / "acl" / "users.yaml").read_text()
)
BROKER = ROOT / "services" / "stanine" / "broker" / "functions"
FUNCTIONS = ROOT / "services" / "stanine" / "store" / "functions"
STORE = "".join(path.read_text() for path in sorted(FUNCTIONS.glob("*.lua")))
SESSIONS = [
    "invite",
    "change_invitation",
    "list_invitations",
    "open_session",
    "save_session",
    "submit_session",
    "withdraw_session",
    "extend_session",
    "drop_session",
    "drop_invitation",
    "release_results",
    "erase",
    "note_erasure",
    "participant_attempts",
    "kept_attempt",
    "forget_participant",
]
OWNERSHIP = (ROOT / "services" / "stanine" / "broker" / "connection" / "ownership.lua").read_text()

#: Functions registered in instruments.lua: publish and ownership.
INSTRUMENTS = re.findall(
    r"^register\('(\w+)'", (FUNCTIONS / "instruments.lua").read_text(), re.MULTILINE
)

#: redis.call('NAME', … or redis.pcall('NAME', … with the next word, which is a subcommand for some.
_CALL = re.compile(r"redis\.p?call\('([A-Z]+)'(?:, '([A-Z]+)')?")
_CONTAINERS = ("XGROUP", "XINFO", "FUNCTION", "CONFIG", "OBJECT", "MEMORY")


def commands_in(lua: str) -> set[str]:
    return {
        f"{name}|{word}".lower() if name in _CONTAINERS else name.lower()
        for name, word in _CALL.findall(lua)
    }


def granted(user: str) -> set[str]:
    rules = RULES["users"][user]
    found = {
        command for each in rules["commandSets"] for command in RULES["commandSets"][each]
    } | set(rules["commands"])
    return found | {
        command for selector in rules.get("selectors", ()) for command in selector["commands"]
    }


def store_function(name: str) -> str:
    """Return the source of one function of the store's library."""
    text = STORE + OWNERSHIP
    start = text.index(f"local function {name}(")
    return text[start : text.index("\nend\n", start)]


def with_called(names: list[str]) -> set[str]:
    """Return the names of functions and of all functions that they call."""
    known = set(re.findall(r"^local function (\w+)\(", STORE + OWNERSHIP, re.MULTILINE))
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += known & set(re.findall(r"(\w+)\(", store_function(name)))
    return found


@pytest.mark.parametrize("user", ["index-watcher", "result-watcher"])
@pytest.mark.parametrize("part", ["layout", "dedupe", "delivering", "settling", "keeping"])
def test_watchers_have_the_commands_of_a_consumer(user: str, part: str) -> None:
    found = commands_in((BROKER / f"{part}.lua").read_text())
    assert found
    assert found <= granted(user)


@pytest.mark.parametrize("user", ["api", "operator"])
@pytest.mark.parametrize("part", ["ahead", "operating", "requests"])
def test_queue_operators_have_the_required_commands(user: str, part: str) -> None:
    found = commands_in((BROKER / f"{part}.lua").read_text() + OWNERSHIP) - {
        "xack"
    }  # of `drop`, which only tests call
    assert found
    assert found <= granted(user)


@pytest.mark.parametrize(
    ("user", "functions"),
    [
        (
            "api",
            [
                "publish",
                "submit",
                "find_key",
                "list_results",
                "list_participant",
                "ensure_secret",
                "rotate_secret",
                *SESSIONS,
            ],
        ),
        ("operator", INSTRUMENTS),
        ("index-watcher", ["put_index", "drop_index", "renew_view"]),
        ("result-watcher", ["commit_results", "advance", "settle", "requeue"]),
        ("cli", ["advance", "settle"]),
    ],
)
def test_callers_of_store_functions_have_their_commands(user: str, functions: list[str]) -> None:
    found = {
        command for name in with_called(functions) for command in commands_in(store_function(name))
    }
    assert found
    assert found <= granted(user)


@pytest.mark.parametrize("user", ["operator", "api"])
def test_users_that_change_settings_have_the_required_commands(user: str) -> None:
    found = commands_in(
        (ROOT / "services" / "stanine" / "store" / "settings" / "functions.lua").read_text()
    )
    assert found
    assert found <= granted(user)


def test_no_user_has_a_category_or_a_dangerous_command() -> None:
    everything = {command for user in RULES["users"] for command in granted(user)}
    assert not {command for command in everything if command.startswith("@")}
    assert not everything & {
        "flushall",
        "flushdb",
        "keys",
        "eval",
        "debug",
        "shutdown",
        "monitor",
        "acl|setuser",
        "function|flush",
        "scan",
    }


def test_every_key_pattern_is_within_the_namespace() -> None:
    for user in RULES["users"].values():
        assert all(
            pattern.startswith("NS:")
            for kind in ("read", "readWrite", "channels")
            for pattern in user.get(kind, ())
        )
