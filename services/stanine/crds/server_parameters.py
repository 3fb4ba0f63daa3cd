"""The permitted runtime parameters of a server, their types, and the normal form of their values.

The operator compares wanted values with CONFIG GET in normal form, so that `100mb` and `104857600` are no drift.
Parameters that could disconnect the operator or expose the server (bind, port, dir, requirepass, masterauth,
replicaof, …) are not permitted.
"""

import re
from collections.abc import Iterable
from enum import StrEnum

import msgspec

#: Factors of the suffixes in Redis: `k` is decimal, `kb` is binary.
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
#: Formats of values, also used in the CRD's rules (RE2). The server accepts suffixes in any case.
BYTES_PATTERN = "^([0-9]{1,18})([bB]|[kKmMgG][bB]?)?$"
INTEGER_PATTERN = "^-?[0-9]{1,18}$"
BYTES_OR_PERCENT_PATTERN = "^(100|[0-9]{1,2})%$|" + BYTES_PATTERN

_LARGEST = (1 << 63) - 1
_INT32 = (1 << 31) - 1
#: Client classes with output buffer limits; `replica` is the newer name of `slave`.
_CLIENT_CLASSES = ("normal", "slave", "pubsub")
#: The events of `A` in notify-keyspace-events, and the others.
_ALL_EVENTS = "g$lshzxetd"
_OTHER_EVENTS = "KEmn"


class ParameterType(StrEnum):
    """The type of a parameter's value."""

    BYTES = "Bytes"
    BYTES_OR_PERCENT = "BytesOrPercent"
    INTEGER = "Integer"
    CHOICE = "Choice"
    #: Pairs of seconds and changes: `3600 1 300 100`, or empty.
    SAVE_POINTS = "SavePoints"
    #: `CLASS HARD SOFT SECONDS` for one or more client classes.
    BUFFER_LIMITS = "BufferLimits"
    #: Letters, in any order.
    EVENTS = "Events"


class ParameterDefinition(msgspec.Struct, frozen=True):
    """The type and the permitted values of one parameter."""

    type: ParameterType
    lowest: int = 0
    highest: int = _LARGEST
    choices: tuple[str, ...] = ()


class InvalidParameter(ValueError):  # noqa: N818 - says what is wrong
    """A value that the server would reject.

    The message describes valid values and does not quote the value.
    """


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

#: Every permitted parameter, with the ranges of Redis 7 and Valkey; the server makes the final check.
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
    # diagnostics
    "slowlog-log-slower-than": _integer(-1, _LARGEST),
    "slowlog-max-len": _integer(0, _LARGEST),
    "latency-monitor-threshold": _integer(0, _LARGEST),
    "latency-tracking": _SWITCH,
    "notify-keyspace-events": ParameterDefinition(ParameterType.EVENTS),
    "loglevel": _choice("debug", "verbose", "notice", "warning"),
}


def normalise(name: str, value: str) -> str:
    """Return a value in normal form: bytes as a number, lower case, fixed order of lists.

    The value is a wanted one or from CONFIG GET; client classes missing in client-output-buffer-limit are omitted.
    Raises InvalidParameter if the server would reject it, KeyError if the parameter is not permitted.
    """
    parameter = PARAMETERS[name]
    return _READERS[parameter.type](parameter, value)


def is_same(name: str, wanted: str, found: str) -> bool:
    """Return whether the server's value equals the wanted one.

    For client-output-buffer-limit only the wanted classes are compared.
    """
    try:
        wanted_now, found_now = normalise(name, wanted), normalise(name, found)
    except InvalidParameter:
        return wanted == found
    if PARAMETERS[name].type is ParameterType.BUFFER_LIMITS:
        return set(_chunks(wanted_now.split(), 4)) <= set(_chunks(found_now.split(), 4))
    return wanted_now == found_now


def find_fault(name: str, value: str) -> str | None:
    """Return why a value of a permitted parameter is invalid, or None."""
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
    words = value.split(" ") if value else []  # the server accepts single spaces only
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
            raise InvalidParameter("a client class is normal, replica or pubsub")
        if client in found:
            raise InvalidParameter(f"duplicate client class {name}")
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
