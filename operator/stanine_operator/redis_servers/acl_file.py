"""Reload the server's ACL file (ACL LOAD) after its Secret changed.

Called when a RedisConfig is reconciled. The chart stores `users.acl` in the Secret that also contains the operator's
password; a user's own Secret may do the same. Nothing happens if the Secret has no such key, the server was started
without an ACL file, or the user may not run ACL commands. The file contains only SHA-256 hashes of passwords, and
none of it is logged.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import redis

from stanine_operator.controller.reconcile_result import EventSpec

#: Maximum number of reloads until the server's users match. A kubelet updates a Secret in the server's pod within
#: about two minutes; a server before 7.2 disconnects all clients at each reload.
MAX_TRIES = 5

#: Words of a rule that repeat the default.
_EMPTY_WORDS = frozenset(
    {
        "sanitize-payload",
        "resetkeys",
        "resetchannels",
        "resetpass",
        "reset",
        "alldbs",
        "clearselectors",
    }
)

#: Synonyms in a file, and the form that servers report.
_SYNONYMS = {"allkeys": "~*", "allchannels": "&*", "allcommands": "+@all", "nocommands": "-@all"}

#: Category name -> its commands, subcommands as `config|get`.
Category = Callable[[str], Iterable[str]]
Users = dict[str, frozenset[str]]


def read_users(lines: Iterable[str], category: Category) -> Users:
    """Return the users of an ACL file or of ACL LIST: name -> canonical rule.

    Commands are listed individually. Servers report the same rule in different words; Redis 7.0 prefers whole
    categories minus some commands.
    """
    users: Users = {}
    for line in lines:
        first, *words = line.split() or [""]
        if first == "user" and words:
            root, *selectors = _split_selectors(words[1:])
            read = [
                f"({' '.join(sorted(_read_rule(selector, category)))})" for selector in selectors
            ]
            users[words[0]] = _read_rule(root, category) | frozenset(read)
    return users


def _split_selectors(words: Iterable[str]) -> list[list[str]]:
    """Return the words of a user's root rule, then those of each selector `(…)`."""
    root: list[str] = []
    rules, current = [root], root
    for word in words:
        if word.startswith("("):
            current = []
            rules.append(current)
        bare = word.strip("()")
        if bare:
            current.append(bare)
        if word.endswith(")"):
            current = root
    return rules


def _read_rule(words: Iterable[str], category: Category) -> frozenset[str]:
    rule = [_canonical_word(word) for word in words]
    others = {word for word in rule if word[0] not in "+-"} - _EMPTY_WORDS
    return frozenset(others) | _commands((word for word in rule if word[0] in "+-"), category)


def _canonical_word(word: str) -> str:
    if word.startswith(">"):
        return "#" + hashlib.sha256(word[1:].encode()).hexdigest()
    return _SYNONYMS.get(word, word.replace("%RW~", "~"))


def _commands(words: Iterable[str], category: Category) -> set[str]:
    allowed: set[str] = set()
    for word in words:
        named = set(category(word[2:])) if word[1] == "@" and word[1:] != "@all" else {word[1:]}
        if word == "-@all":
            allowed.clear()
        elif word[0] == "+":
            allowed |= named
        else:
            allowed -= named
    containers = {name.partition("|")[0] for name in allowed if "|" in name}
    return {f"+{name}" for name in allowed - containers}


def find_differences(wanted: Users, found: Users) -> list[str]:
    """Return the names of users that differ, or that only one side has."""
    return sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )


class AclFile:
    """The expected ACL file of one connection, and the number of reloads. Not thread-safe."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._tries = 0

    def reload_if_changed(self, client: "redis.Redis") -> tuple[EventSpec, ...]:
        """Reload the server's ACL file if its users differ; return the Events to post.

        Errors of the connection are redis-py's own.
        """
        if not self._lines or self._tries >= MAX_TRIES:
            return ()
        try:
            before = self._differing(client)
            if not before:
                self._tries = 0
                return ()
            self._tries += 1
            client.acl_load()
            left = self._differing(client)
        except redis.ResponseError as error:
            if self._tries == 0:
                return ()  # this user may not run ACL commands
            return (
                EventSpec(
                    True,
                    "UsersNotLoaded",
                    f"the server cannot reload its ACL file: {_error_summary(error)}",
                    once="acl",
                ),
            )
        if not left:
            self._tries = 0
            return (
                EventSpec(
                    False,
                    "UsersLoaded",
                    f"the server has reloaded its ACL file: {', '.join(before)}",
                ),
            )
        if self._tries < MAX_TRIES:
            return ()  # the changed Secret has not reached the server's pod yet
        return (
            EventSpec(
                True,
                "UsersNotLoaded",
                f"the server's ACL file differs from the Secret: {', '.join(left)}",
                once="acl",
            ),
        )

    def _differing(self, client: "redis.Redis") -> list[str]:
        @cache
        def category(name: str) -> tuple[str, ...]:
            return tuple(_text(each) for each in client.acl_cat(name))

        found = read_users((_text(line) for line in client.acl_list()), category)
        return find_differences(read_users(self._lines, category), found)


def _text(raw: Any) -> str:
    return raw.decode() if isinstance(raw, bytes) else str(raw)


def _error_summary(error: redis.ResponseError) -> str:
    """Return the server's error without parts that could quote a line of the file."""
    return str(error).partition(".")[0].partition(":")[0][:120]
