"""Render files/acl/users.yaml as lines of an aclfile, as the chart's template does."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

RULES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[3] / "charts" / "stanine" / "files" / "acl" / "users.yaml").read_text()
)
USERS: tuple[str, ...] = tuple(sorted(RULES["users"]))
#: Lines of every file: the default user is disabled, and the probe's user may only PING.
FIXED = (
    "user default off resetpass resetkeys resetchannels -@all",
    "user health on nopass resetkeys resetchannels -@all +ping",
)


def user_line(
    name: str, namespace: str, password: str, *, with_operator: bool, old_server: bool = False
) -> str:
    user = RULES["users"][name]
    sets = list(user["commandSets"])
    if user["loadsFunctions"] == "always" or (
        user["loadsFunctions"] == "withoutOperator" and not with_operator
    ):
        sets.append("loading")
    commands = [command for each in sets for command in RULES["commandSets"][each]] + list(
        user.get("commands", ())
    )
    words = [
        "user",
        name,
        "on",
        "#" + hashlib.sha256(password.encode()).hexdigest(),
        "resetkeys",
        "resetchannels",
    ]
    words += ["%R~" + key for key in user.get("read", ())]
    words += ["~" + key for key in user.get("readWrite", ())]
    words += ["&" + channel for channel in user.get("channels", ())]
    words.append("-@all")
    words += [
        "+" + each
        for each in sorted(set(commands))
        if not (old_server and each in RULES["sinceRedis72"])
    ]
    for selector in user.get("selectors", ()):
        rule = ["~" + key for key in selector["readWrite"]] + [
            "+" + each for each in sorted(selector["commands"])
        ]
        words.append(f"({' '.join(rule)})")
    return " ".join(words).replace("NS:", namespace + ":")


def acl_file(
    namespace: str, passwords: Mapping[str, str], *, with_operator: bool, old_server: bool = False
) -> str:
    lines = [
        user_line(
            name, namespace, passwords[name], with_operator=with_operator, old_server=old_server
        )
        for name in USERS
    ]
    return "\n".join([*FIXED, *lines]) + "\n"
