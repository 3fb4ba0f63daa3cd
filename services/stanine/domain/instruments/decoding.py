"""Decodes plain data into records and reports every fault with its place.

Called by `instrument.parse_instrument`; msgspec itself stops at the first error. The record types define what is valid
(msgspec.inspect); nothing is coerced except 2.0 to 2 for a whole number. A faulty part is replaced by a neutral value
of its type, so that semantic checks can continue: they call `Faults.touches` before they check a place with a fault.
"""

import difflib
import functools
import math
import re
from typing import Any, TypeVar

import msgspec
import msgspec.inspect as inspection

from stanine.domain.errors import Faults
from stanine.domain.limits import MAX_INTEGER, SMALLEST_NUMBER

R = TypeVar("R", bound=msgspec.Struct)

#: Characters that no text may contain: control characters except tab and line ends, and half surrogate pairs, which
#: UTF-8 cannot encode.
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_PLAIN_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_QUOTES = "write it in quotes (YAML reads a bare Yes, No, on, off, y or n as a boolean)"
#: Maximum of characters of a faulty value in a message.
_QUOTED_LENGTH = 40
#: Maximum of words of a closed list that a message lists in full.
_WORDS_LISTED = 8


def read(plain: object, record: type[R], faults: Faults) -> R:
    """Return the record of plain data and add its errors to `faults`.

    If there are any, the record is valid for further checks only.
    """
    value = _Reader(faults).read(plain, _fields(record), "")
    assert isinstance(value, record)
    return value


def member(place: str, name: str) -> str:
    """Return the place of a mapping's member: `spec.title`, `metadata.labels["a/b"]`."""
    if not _PLAIN_NAME.fullmatch(name):
        return f"{place}[{quote(name)}]"
    return f"{place}.{name}" if place else name


def quote(value: object) -> str:
    """Return a value as shown in messages: short, texts in quotes."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "a huge number"
    text = value if isinstance(value, str) else repr(value)
    if len(text) > _QUOTED_LENGTH:
        text = text[:_QUOTED_LENGTH] + "…"
    text = _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return f'"{text}"' if isinstance(value, str) else text


def several(names: "list[str]", shown: int = 6) -> str:
    """Return the first few names as a list for a message."""
    return ", ".join(names[:shown]) + (", …" if len(names) > shown else "")


def not_one_of(value: str, words: "list[str]") -> str:
    """Return the message for a text outside a closed list; for a long list, with its nearest word."""
    if len(words) <= _WORDS_LISTED:
        return f"{quote(value)} is not one of {', '.join(words)}"
    near = difflib.get_close_matches(value, words, 1)
    return f"{quote(value)} is not in the list" + (
        f'; did you mean "{near[0]}"?' if near else f" of {len(words)}: {several(words)}"
    )


class _Reader:
    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def read(self, plain: object, info: Any, place: str) -> Any:
        about = ""
        if isinstance(info, inspection.Metadata):
            about = (info.extra_json_schema or {}).get("description", "")
            info = info.type
        choices = (
            [_bare(one) for one in info.types] if isinstance(info, inspection.UnionType) else [info]
        )
        chosen = _choose(plain, choices)
        if chosen is None:
            self.faults.add(place, "WrongType", _wrong_type(plain, choices))
            return _neutral(info)
        about = about or _description(info, chosen)
        match chosen:
            case inspection.StructType():
                return self._struct(plain, chosen, place)
            case inspection.DictType():
                return self._mapping(plain, chosen, place)
            case inspection.VarTupleType():
                return self._list(plain, chosen, place)
            case inspection.StrType():
                return self._text(plain, chosen, place, about)
            case inspection.LiteralType():
                return self._literal(plain, chosen, place)
            case inspection.IntType() | inspection.FloatType():
                return self._number(plain, chosen, choices, place)
        return plain  # a boolean or null

    def _struct(self, plain: Any, info: Any, place: str) -> Any:
        fields = {field.encode_name: field for field in info.fields}
        values: dict[str, Any] = {}
        for name, value in plain.items():
            if not isinstance(name, str):
                self._key_fault(name, place)
            elif (field := fields.get(name)) is None:
                self._unknown_field(name, list(fields), member(place, name))
            elif value is None and (
                not field.required or isinstance(field.type, inspection.NoneType)
            ):
                continue  # null and absent are equivalent
            else:
                values[field.name] = self.read(value, field.type, member(place, name))
        for name, field in fields.items():
            if field.required and field.name not in values:
                self.faults.add(member(place, name), "MissingField", f"{name} is missing")
                values[field.name] = _neutral(field.type)
        return info.cls(**values)

    def _mapping(self, plain: Any, info: Any, place: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if info.max_length is not None and len(plain) > info.max_length:
            self.faults.add(
                place, "TooMany", f"{len(plain)} stand here; at most {info.max_length} are allowed"
            )
            return values
        for name, value in plain.items():
            if not isinstance(name, str):
                self._key_fault(name, place)
                continue
            at, known = member(place, name), self.faults.count
            self.read(name, info.key_type, at)
            if self.faults.count == known:
                values[name] = self.read(value, info.value_type, at)
        return values

    def _list(self, plain: Any, info: Any, place: str) -> tuple[Any, ...]:
        if info.min_length is not None and len(plain) < info.min_length:
            self.faults.add(place, "TooFew", f"at least {info.min_length} belongs here")
        if info.max_length is not None and len(plain) > info.max_length:
            self.faults.add(
                place, "TooMany", f"{len(plain)} stand here; at most {info.max_length} are allowed"
            )
            plain = plain[: info.max_length]
        return tuple(
            self.read(one, info.item_type, f"{place}[{index}]") for index, one in enumerate(plain)
        )

    def _text(self, plain: Any, info: Any, place: str, about: str) -> str:
        if unreadable := _UNREADABLE.search(plain):
            self.faults.add(
                place,
                "WrongText",
                f"the text holds the character U+{ord(unreadable[0]):04X}, which no text may hold",
            )
        elif info.min_length is not None and len(plain) < info.min_length:
            self.faults.add(place, "TooShort", "the text is empty")
        elif info.max_length is not None and len(plain) > info.max_length:
            self.faults.add(
                place,
                "TooLong",
                f"the text has {len(plain)} characters; at most {info.max_length} are allowed",
            )
        elif info.pattern is not None and not _pattern(info.pattern).fullmatch(plain):
            self.faults.add(place, "WrongText", f"{quote(plain)} is not {about or info.pattern}")
        else:
            return str(plain)
        return ""

    def _literal(self, plain: Any, info: Any, place: str) -> Any:
        if plain in info.values:
            return plain
        self.faults.add(
            place, "WrongText", not_one_of(plain, [str(value) for value in info.values])
        )
        return info.values[0]

    def _number(self, plain: Any, info: Any, choices: list[Any], place: str) -> Any:
        low, high = info.ge, info.le
        if isinstance(plain, float) and not math.isfinite(plain):
            self.faults.add(place, "NumberOutOfRange", "not a finite number")
        elif (low is not None and plain < low) or (high is not None and plain > high):
            self.faults.add(place, "OutOfRange", f"{quote(plain)} is outside {low:g} to {high:g}")
        elif 0 < abs(plain) < SMALLEST_NUMBER:
            self.faults.add(
                place,
                "OutOfRange",
                f"{plain} is closer to 0 than {SMALLEST_NUMBER:g}, the smallest number allowed",
            )
        elif all(isinstance(one, inspection.FloatType | inspection.NoneType) for one in choices):
            return float(plain) + 0.0  # no minus zero
        else:
            return int(plain) if plain == int(plain) else float(plain)
        return _neutral_of(choices)

    def _key_fault(self, name: object, place: str) -> None:
        self.faults.add(place, "KeyNotText", f"the key {quote(name)} is not text: {_QUOTES}")

    def _unknown_field(self, name: str, known: list[str], place: str) -> None:
        near = difflib.get_close_matches(name, known, 1)
        self.faults.add(
            place,
            "UnknownField",
            f'there is no such field; did you mean "{near[0]}"?'
            if near
            else f"there is no such field; known are {', '.join(known)}",
        )


def _bare(info: Any) -> Any:
    return info.type if isinstance(info, inspection.Metadata) else info


def _choose(plain: object, choices: list[Any]) -> Any:
    """Return the member of a union that matches a value, or None."""
    wanted: tuple[Any, ...]
    if plain is None:
        wanted = (inspection.NoneType,)
    elif isinstance(plain, bool):
        wanted = (inspection.BoolType,)
    elif isinstance(plain, int):
        wanted = (inspection.IntType, inspection.FloatType)
    elif isinstance(plain, float):
        whole = plain.is_integer()
        wanted = (
            (inspection.FloatType, inspection.IntType)
            if whole or not math.isfinite(plain)
            else (inspection.FloatType,)
        )
    elif isinstance(plain, str):
        wanted = (inspection.LiteralType, inspection.StrType)
    elif isinstance(plain, list):
        wanted = (inspection.VarTupleType,)
    elif isinstance(plain, dict):
        wanted = (inspection.StructType, inspection.DictType)
    else:
        wanted = ()
    return next((one for one in choices if isinstance(one, wanted)), None)


def _wrong_type(plain: object, choices: list[Any]) -> str:
    expected = " or ".join(
        dict.fromkeys(
            _NOUNS[type(one)] for one in choices if not isinstance(one, inspection.NoneType)
        )
    )
    takes_text = any(
        isinstance(one, inspection.StrType | inspection.LiteralType) for one in choices
    )
    if takes_text and isinstance(plain, bool):
        return f"{quote(plain)} stands where {expected} belongs: {_QUOTES}"
    if takes_text and isinstance(plain, int | float):
        return f"the number {quote(plain)} stands where {expected} belongs: write it in quotes"
    if plain is None:
        return f"null stands where {expected} belongs"
    found = next(
        (noun for kind, noun in _FOUND.items() if isinstance(plain, kind)),
        f"a {type(plain).__name__}",
    )
    return f"{found} stands where {expected} belongs"


_FOUND = {
    bool: "a boolean",
    str: "text",
    int | float: "a number",
    list: "a list",
    dict: "a mapping",
}
_NOUNS: dict[Any, str] = {
    inspection.StructType: "a mapping",
    inspection.DictType: "a mapping",
    inspection.VarTupleType: "a list",
    inspection.StrType: "text",
    inspection.LiteralType: "text",
    inspection.IntType: "a number",
    inspection.FloatType: "a number",
    inspection.BoolType: "true or false",
}


def _description(info: Any, chosen: Any) -> str:
    """Return the description of a union's member from its type annotation."""
    if isinstance(info, inspection.UnionType):
        for one in info.types:
            if isinstance(one, inspection.Metadata) and one.type is chosen:
                return str((one.extra_json_schema or {}).get("description", ""))
    return ""


def _neutral(info: Any) -> Any:
    """Return a neutral value of a type as a replacement for a faulty one: semantic checks skip it."""
    info = _bare(info)
    match info:
        case inspection.UnionType():
            return _neutral_of([_bare(one) for one in info.types])
        case inspection.StructType():
            return info.cls(
                **{field.name: _neutral(field.type) for field in info.fields if field.required}
            )
        case inspection.DictType():
            return {}
        case inspection.VarTupleType():
            return ()
        case inspection.StrType():
            return ""
        case inspection.LiteralType():
            return info.values[0]
        case inspection.BoolType():
            return False
        case inspection.NoneType():
            return None
    return 0


def _neutral_of(choices: list[Any]) -> Any:
    for kind in (inspection.NoneType, inspection.StrType):
        if any(isinstance(one, kind) for one in choices):
            return None if kind is inspection.NoneType else ""
    return _neutral(choices[0])


@functools.cache
def _fields(record: type[msgspec.Struct]) -> Any:
    return inspection.type_info(record)


@functools.cache
def _pattern(pattern: str) -> "re.Pattern[str]":
    return re.compile(pattern)
