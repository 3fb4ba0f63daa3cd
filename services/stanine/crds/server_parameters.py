"""The server's runtime parameters that a RedisConfig may set, the type of each, and what a value means whatever its spelling.

The operator compares what is wanted with what CONFIG GET says by `normalise`, so that `100mb` and `104857600` are no drift. What could
cut the operator off or hand the server to others (bind, port, dir, requirepass, masterauth, replicaof, …) is not in the list.
"""

import re
from collections.abc import Iterable
from enum import StrEnum

import msgspec

#: What a suffix multiplies by, as Redis reads it: `k` is decimal, `kb` is binary.
_UNITS = {
    "": 1,
    "b": 1,
    "k": 10**3,
    "kb": 1 << 10,
    "m": 10**6,
    "mb": 1 << 20,
    "g": 10**9,
    "gb": 1 << 30,
}
#: How values are spelt, for this module and for the rules of the CRD (RE2). The server reads suffixes in any case.
BYTES_PATTERN = "^([0-9]{1,18})([bB]|[kKmMgG][bB]?)?$"
INTEGER_PATTERN = "^-?[0-9]{1,18}$"
BYTES_OR_PERCENT_PATTERN = "^(100|[0-9]{1,2})%$|" + BYTES_PATTERN

_LARGEST = (1 << 63) - 1
_INT32 = (1 << 31) - 1
#: Classes of clients that have output buffer limits; `replica` is the newer name of `slave`.
_CLIENT_CLASSES = ("normal", "slave", "pubsub")
#: The events that `A` stands for in notify-keyspace-events, and those that are not among them.
_ALL_EVENTS = "g$lshzxetd"
_OTHER_EVENTS = "KEmn"


class ParameterType(StrEnum):
    """What a parameter's value is."""

    BYTES = "Bytes"
    BYTES_OR_PERCENT = "BytesOrPercent"
    INTEGER = "Integer"
    CHOICE = "Choice"
    #: Pairs of seconds and changes: `3600 1 300 100`, or nothing.
    SAVE_POINTS = "SavePoints"
    #: `CLASS HARD SOFT SECONDS` for one or more classes of clients.
    BUFFER_LIMITS = "BufferLimits"
    #: Letters, in any order.
    EVENTS = "Events"


class ParameterDefinition(msgspec.Struct, frozen=True):
    """One parameter: its kind and what its value may be."""

    type: ParameterType
    lowest: int = 0
    highest: int = _LARGEST
    choices: tuple[str, ...] = ()


class InvalidParameter(ValueError):  # noqa: N818 - says what is wrong
    """A value that the server would refuse; the message says what belongs there, without quoting the value."""


def _integer(lowest: int = 0, highest: int = _INT32) -> ParameterDefinition:
    return ParameterDefinition(ParameterType.INTEGER, lowest, highest)


def _bytes(lowest: int = 0) -> ParameterDefinition:
    return ParameterDefinition(ParameterType.BYTES, lowest)


def _choice(*choices: str) -> ParameterDefinition:
    return ParameterDefinition(ParameterType.CHOICE, choices=choices)


_SWITCH = _choice("yes", "no")
_POLICIES = (
    "noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
)  # fmt: skip

#: Every parameter that may be set, with ranges as of Redis 7 and Valkey; the server has the last word.
PARAMETERS: dict[str, ParameterDefinition] = {
    # memory
    "maxmemory": _bytes(),
    "maxmemory-policy": _choice(*_POLICIES),
    "maxmemory-samples": _integer(1, 64),
    "maxmemory-clients": ParameterDefinition(ParameterType.BYTES_OR_PERCENT),
    "activedefrag": _SWITCH,
    "activerehashing": _SWITCH,
    "lazyfree-lazy-eviction": _SWITCH,
    "lazyfree-lazy-expire": _SWITCH,
    "lazyfree-lazy-server-del": _SWITCH,
    "lazyfree-lazy-user-del": _SWITCH,
    "lazyfree-lazy-user-flush": _SWITCH,
    # compact encodings
    "hash-max-listpack-entries": _integer(0, _LARGEST),
    "hash-max-listpack-value": _integer(0, _LARGEST),
    "zset-max-listpack-entries": _integer(0, _LARGEST),
    "zset-max-listpack-value": _integer(0, _LARGEST),
    "set-max-intset-entries": _integer(0, _LARGEST),
    "list-max-listpack-size": _integer(-5),
    "stream-node-max-bytes": _bytes(),
    "stream-node-max-entries": _integer(0, _LARGEST),
    # durability
    "appendonly": _SWITCH,
    "appendfsync": _choice("always", "everysec", "no"),
    "no-appendfsync-on-rewrite": _SWITCH,
    "auto-aof-rewrite-percentage": _integer(),
    "auto-aof-rewrite-min-size": _bytes(),
    "aof-use-rdb-preamble": _SWITCH,
    "save": ParameterDefinition(ParameterType.SAVE_POINTS),
    "stop-writes-on-bgsave-error": _SWITCH,
    "rdbcompression": _SWITCH,
    "min-replicas-to-write": _integer(),
    "min-replicas-max-lag": _integer(),
    "repl-backlog-size": _bytes(1),
    "repl-backlog-ttl": _integer(),
    "repl-timeout": _integer(1),
    "repl-ping-replica-period": _integer(1),
    # connections
    "maxclients": _integer(1, 1_000_000),
    "timeout": _integer(),
    "tcp-keepalive": _integer(),
    "client-output-buffer-limit": ParameterDefinition(ParameterType.BUFFER_LIMITS),
    "client-query-buffer-limit": _bytes(1 << 20),
    "proto-max-bulk-len": _bytes(1 << 20),
    # time
    "hz": _integer(1, 500),
    "dynamic-hz": _SWITCH,
    "busy-reply-threshold": _integer(),
    # what the server tells
    "slowlog-log-slower-than": _integer(-1, _LARGEST),
    "slowlog-max-len": _integer(0, _LARGEST),
    "latency-monitor-threshold": _integer(0, _LARGEST),
    "latency-tracking": _SWITCH,
    "notify-keyspace-events": ParameterDefinition(ParameterType.EVENTS),
    "loglevel": _choice("debug", "verbose", "notice", "warning"),
}


def normalise(name: str, value: str) -> str:
    """Return a value in the one spelling that all its spellings share: bytes as a number, words in lower case, lists in one order.

    The value is one that somebody wants or that CONFIG GET returned; a class of clients that client-output-buffer-limit does not
    name is left out. Raises InvalidParameter if the server would refuse it, KeyError if the parameter is not in the list.
    """
    parameter = PARAMETERS[name]
    return _READERS[parameter.type](parameter, value)


def is_same(name: str, wanted: str, found: str) -> bool:
    """Tell whether what the server has is what is wanted. Of client-output-buffer-limit only the classes that are wanted count."""
    try:
        wanted_now, found_now = normalise(name, wanted), normalise(name, found)
    except InvalidParameter:
        return wanted == found
    if PARAMETERS[name].type is ParameterType.BUFFER_LIMITS:
        return set(_chunks(wanted_now.split(), 4)) <= set(_chunks(found_now.split(), 4))
    return wanted_now == found_now


def find_fault(name: str, value: str) -> str | None:
    """Return what is wrong with a value of a parameter in the list, or None."""
    try:
        normalise(name, value)
    except InvalidParameter as error:
        return str(error)
    return None


def _read_bytes(parameter: ParameterDefinition, value: str) -> str:
    match = re.fullmatch(BYTES_PATTERN, value)
    if match is None:
        raise InvalidParameter(
            "not a size: write a number of bytes, or one with b, k, kb, m, mb, g or gb behind it"
        )
    return _in_range(int(match[1]) * _UNITS[(match[2] or "").lower()], parameter)


def _read_bytes_or_percent(parameter: ParameterDefinition, value: str) -> str:
    if value.endswith("%"):
        if re.fullmatch(BYTES_OR_PERCENT_PATTERN, value) is None:
            raise InvalidParameter("not a percentage from 0% to 100%")
        return f"{int(value[:-1])}%"
    return _read_bytes(parameter, value)


def _read_integer(parameter: ParameterDefinition, value: str) -> str:
    if re.fullmatch(INTEGER_PATTERN, value) is None:
        raise InvalidParameter("not a whole number")
    return _in_range(int(value), parameter)


def _read_choice(parameter: ParameterDefinition, value: str) -> str:
    if value.lower() not in parameter.choices:
        raise InvalidParameter(f"not one of {', '.join(parameter.choices)}")
    return value.lower()


def _read_save_points(_: ParameterDefinition, value: str) -> str:
    words = value.split(" ") if value else []  # the server takes single spaces only
    if len(words) % 2 or not all(
        word.isascii() and word.isdigit() and len(word) <= 10 for word in words
    ):
        raise InvalidParameter(
            'not pairs of seconds and changes, as "3600 1 300 100", nor an empty text'
        )
    pairs = [
        (int(seconds), int(changes))
        for seconds, changes in zip(words[::2], words[1::2], strict=True)
    ]
    if any(seconds < 1 or seconds > _INT32 or changes > _INT32 for seconds, changes in pairs):
        raise InvalidParameter("seconds are at least 1, and both numbers are at most 2147483647")
    return " ".join(f"{seconds} {changes}" for seconds, changes in pairs)


def _read_buffer_limits(_: ParameterDefinition, value: str) -> str:
    words = value.lower().split(" ")
    if len(words) % 4:
        raise InvalidParameter(
            'not CLASS HARD SOFT SECONDS for each class of clients, as "pubsub 32mb 8mb 60"'
        )
    found = {}
    for name, hard, soft, seconds in _chunks(words, 4):
        client = "slave" if name == "replica" else name
        if client not in _CLIENT_CLASSES:
            raise InvalidParameter("a class of clients is normal, replica or pubsub")
        if client in found:
            raise InvalidParameter(f"the class {name} stands here twice")
        sizes = [_read_bytes(_bytes(), size) for size in (hard, soft)]
        found[client] = " ".join((client, *sizes, _read_integer(_integer(), seconds)))
    return " ".join(found[client] for client in _CLIENT_CLASSES if client in found)


def _read_events(_: ParameterDefinition, value: str) -> str:
    unknown = set(value) - set("A" + _ALL_EVENTS + _OTHER_EVENTS)
    if unknown:
        raise InvalidParameter(f"not letters of A, {', '.join(_OTHER_EVENTS + _ALL_EVENTS)}")
    letters = set(value.replace("A", _ALL_EVENTS))
    return "".join(letter for letter in _OTHER_EVENTS + _ALL_EVENTS if letter in letters)


_READERS = {
    ParameterType.BYTES: _read_bytes,
    ParameterType.BYTES_OR_PERCENT: _read_bytes_or_percent,
    ParameterType.INTEGER: _read_integer,
    ParameterType.CHOICE: _read_choice,
    ParameterType.SAVE_POINTS: _read_save_points,
    ParameterType.BUFFER_LIMITS: _read_buffer_limits,
    ParameterType.EVENTS: _read_events,
}


def _in_range(number: int, parameter: ParameterDefinition) -> str:
    if not parameter.lowest <= number <= parameter.highest:
        raise InvalidParameter(f"outside {parameter.lowest} to {parameter.highest}")
    return str(number)


def _chunks(words: list[str], size: int) -> Iterable[tuple[str, ...]]:
    return (tuple(words[start : start + size]) for start in range(0, len(words), size))
