"""The server's file of users: read again by the server (ACL LOAD) when the Secret behind it has changed. Called by a RedisConfig's turn.

The chart puts `users.acl` into the Secret that also has the operator's password; whoever brings a Secret of their own may do the same. A
Secret without it, a server that was started without a file of users, and a user who may not ask are all left alone. Only passwords'
SHA-256 are in the file, and nothing of it is ever logged.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import redis

from stanine_operator.controller.reconcile_result import EventSpec

#: Tries to have the server read its file until it is as wanted. A kubelet brings a changed Secret to the server's pod within about two
#: minutes; a server before 7.2 disconnects everybody at each try.
MAX_TRIES = 5

#: Words of a rule that only say what holds anyway.
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

#: What a file may say in two ways, and how a server says it.
_SYNONYMS = {"allkeys": "~*", "allchannels": "&*", "allcommands": "+@all", "nocommands": "-@all"}

#: A category's name -> its commands, subcommands as `config|get`.
Category = Callable[[str], Iterable[str]]
Users = dict[str, frozenset[str]]


def read_users(lines: Iterable[str], category: Category) -> Users:
    """Return the users of an aclfile, or of ACL LIST: name -> what the rule comes to, each command by its own name.

    Servers tell the same rule in different words; Redis 7.0 prefers whole categories less some commands.
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
    """Return the names of users that the server knows otherwise than wanted, or only one of the two knows."""
    return sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )


class AclFile:
    """What the file should say, and how often the server was asked to read it. Belongs to one connection; used by one turn at a time."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._tries = 0

    def follow(self, client: "redis.Redis") -> tuple[EventSpec, ...]:
        """Have the server read its file again if its users are not as wanted; return what to tell.

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
                return ()  # this user may not ask
            return (
                EventSpec(
                    True,
                    "UsersNotLoaded",
                    f"the server does not read its file of users again: {_first_words(error)}",
                    once="acl",
                ),
            )
        if not left:
            self._tries = 0
            return (
                EventSpec(
                    False,
                    "UsersLoaded",
                    f"the server has read its file of users again: {', '.join(before)}",
                ),
            )
        if self._tries < MAX_TRIES:
            return ()  # the changed Secret has not reached the server's pod yet
        return (
            EventSpec(
                True,
                "UsersNotLoaded",
                f"the server's file of users is not that of the Secret: {', '.join(left)}",
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


def _first_words(error: redis.ResponseError) -> str:
    """Return what the server says, without what could quote a line of the file."""
    return str(error).partition(".")[0].partition(":")[0][:120]
