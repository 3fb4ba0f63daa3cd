"""The string layout: all settings as one JSON object in a string, as an older Node service writes it. Pure.

In both layouts a value is a text: the content of a JSON string, or the token of any other JSON value (85, true, null,
[1, 2]). `render` preserves the order and formatting of an existing string token by token, so unchanged parts keep every
byte. Bytes from Redis that are not UTF-8 are represented as surrogate escapes.
"""

import json
import re
from collections.abc import Mapping

import msgspec

from stanine.store.settings.errors import StringUnreadableError
from stanine.store.settings.model import NAMES

#: Maximum bytes and settings of the string: well above any real configuration, and parsed within 100 ms.
MAX_STRING_BYTES, MAX_SETTINGS = 4 << 20, 10_000

_SPACE = re.compile(r"[ \t\n\r]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,15})", re.ASCII)


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is not valid JSON")


#: Preserves the notation of numbers.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)


class Member(msgspec.Struct, frozen=True):
    """One setting as written: the text before its name, its name, the text up to its value, its value."""

    before: str
    name: str
    between: str
    token: str


class RawValue(msgspec.Struct, frozen=True):
    """A parsed string with its formatting: members by name, in order, and the text after the last."""

    members: dict[str, Member]
    after: str

    def values(self) -> dict[str, str]:
        """Return the values by name."""
        return {name: text_of(member.token) for name, member in self.members.items()}


EMPTY = RawValue({}, "")


def read_string(text: bytes, *, any_bytes: bool = False) -> RawValue:
    """Parse the string layout; raise StringUnreadableError if it is not a JSON object of settings.

    `any_bytes`: accept bytes that are not UTF-8, which `render` may have written and other JSON parsers reject.
    """
    if len(text) > MAX_STRING_BYTES:
        raise StringUnreadableError(f"{len(text)} bytes exceed the limit of {MAX_STRING_BYTES}")
    try:
        return _read(text.decode(errors="surrogateescape" if any_bytes else "strict"))
    except UnicodeDecodeError as error:
        raise StringUnreadableError(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise StringUnreadableError(
            f"invalid JSON at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise StringUnreadableError("the JSON is nested too deeply") from None
    except ValueError:  # NaN, Infinity
        raise StringUnreadableError("invalid JSON") from None


def text_of(token: str) -> str:
    """Return the text of a JSON value; a string with an unpaired surrogate keeps its JSON notation."""
    if token[0] != '"':
        return token
    is_unpaired = _SURROGATE.search(json.loads(_SURROGATE.sub("", token)))
    return token if is_unpaired else str(json.loads(token))


def render(values: Mapping[str, str], like: RawValue = EMPTY) -> bytes:
    """Write settings as one JSON object in the order and formatting of `like`; append new settings, ours first.

    `read_string` returns the same values, except for a text that equals the notation of an unpaired surrogate.
    """
    known = [name for name in NAMES if name in values and name not in like.members]
    others = sorted(name for name in values if name not in like.members and name not in NAMES)
    added = [f"{_quote(name)}:{_new_token(name, values[name])}" for name in (*known, *others)]
    if like.members and like.members.keys() <= values.keys():
        kept = "".join(
            member.before + member.name + member.between + _token(member, values[name])
            for name, member in like.members.items()
        )
        text = kept + "".join("," + each for each in added) + like.after
    else:  # after a removal the whitespace between members cannot be preserved
        parts = [
            f"{member.name}:{_token(member, values[name])}"
            for name, member in like.members.items()
            if name in values
        ] + added
        text = (
            "{" + ",".join(parts) + "}" if parts or like.members or not like.after else like.after
        )
    return text.encode(errors="surrogateescape")


def _read(text: str) -> RawValue:
    members: dict[str, Member] = {}
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise json.JSONDecodeError("an object", text, at)
    start, at = 0, _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return RawValue({}, text[: _end(text, at + 1)])
    while True:
        if text[at : at + 1] != '"':
            raise json.JSONDecodeError("a name", text, at)
        before, name_at = text[start:at], at
        _, at = _DECODER.raw_decode(text, at)
        name, between_at = text[name_at:at], at
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise json.JSONDecodeError("a colon", text, at)
        at = _skip(text, at + 1)
        between, token_at = text[between_at:at], at
        _, at = _DECODER.raw_decode(text, at)
        plain = text_of(name)
        if plain in members:
            raise StringUnreadableError(f"duplicate name {plain!r}")
        if len(members) >= MAX_SETTINGS:
            raise StringUnreadableError(f"more than {MAX_SETTINGS} settings")
        members[plain] = Member(before, name, between, text[token_at:at])
        start, at = at, _skip(text, at)
        if text[at : at + 1] == "}":
            return RawValue(members, text[start : _end(text, at + 1)])
        if text[at : at + 1] != ",":
            raise json.JSONDecodeError("a comma", text, at)
        at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    assert space is not None
    return space.end()


def _end(text: str, at: int) -> int:
    at = _skip(text, at)
    if at != len(text):
        raise json.JSONDecodeError("the end", text, at)
    return at


def _token(member: Member, text: str) -> str:
    """Return the member's token for a text: unchanged if equal, else of the same JSON type if possible."""
    if text_of(member.token) == text:
        return member.token
    return _quote(text) if member.token[0] == '"' or not _is_plain_json(text) else text


def _new_token(name: str, text: str) -> str:
    return text if name in NAMES and _WHOLE.fullmatch(text) else _quote(text)


def _is_plain_json(text: str) -> bool:
    """Return whether a text is exactly one JSON value other than a string."""
    if not text or text[0] in '" \t\n\r':
        return False
    try:
        return _DECODER.raw_decode(text)[1] == len(text)
    except (ValueError, RecursionError):
        return False


def _quote(text: str) -> str:
    """Quote a text as JSON.stringify does."""
    return json.dumps(text, ensure_ascii=False)
