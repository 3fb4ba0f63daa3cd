"""The older layout: all settings as one JSON object in a string, as a Node service writes it (`JSON.stringify`). Pure.

Here and in the hash a setting's value is a text: a JSON string's own text, and anything else (85, true, null, [1, 2]) as it is written.
`render` writes an object *like* another text: in its order and spelling, token by token, so that what was not changed stays the same to
the byte. Names and values that came from Redis and are no UTF-8 are kept as surrogate escapes.
"""

import json
import re
from collections.abc import Mapping

import msgspec

from stanine.store.settings.errors import StringUnreadableError
from stanine.store.settings.model import NAMES

#: Bytes of the text, and settings in it: far beyond any configuration, and still read within 100 ms.
MAX_STRING_BYTES, MAX_SETTINGS = 4 << 20, 10_000

_SPACE = re.compile(r"[ \t\n\r]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,15})", re.ASCII)


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is no JSON")


#: Numbers stay as they are written: they are never converted.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)


class Member(msgspec.Struct, frozen=True):
    """One setting in the text: all that is before its name, its name and value as written, and what is between the two."""

    before: str
    name: str
    between: str
    token: str


class RawValue(msgspec.Struct, frozen=True):
    """A text taken apart: its members by their names, in order, and what is after the last. It says how a text is written."""

    members: dict[str, Member]
    after: str

    def values(self) -> dict[str, str]:
        """Return the settings' texts by name."""
        return {name: text_of(member.token) for name, member in self.members.items()}


EMPTY = RawValue({}, "")


def read_string(text: bytes, *, any_bytes: bool = False) -> RawValue:
    """Take the older layout's text apart; raises StringUnreadableError saying why it cannot be used.

    `any_bytes`: also what `render` made of bytes that are no UTF-8, which no other reader of JSON takes.
    """
    if len(text) > MAX_STRING_BYTES:
        raise StringUnreadableError(f"it has {len(text)} bytes; {MAX_STRING_BYTES} are allowed")
    try:
        return _read(text.decode(errors="surrogateescape" if any_bytes else "strict"))
    except UnicodeDecodeError as error:
        raise StringUnreadableError(f"byte {error.start} is no UTF-8") from None
    except json.JSONDecodeError as error:
        raise StringUnreadableError(
            f"it is no JSON at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise StringUnreadableError("it is nested too deeply") from None
    except ValueError:  # NaN, Infinity
        raise StringUnreadableError("it is no JSON") from None


def text_of(token: str) -> str:
    """Return the text that a JSON value stands for here. A string that UTF-8 cannot hold (half a pair) stays as it is written."""
    if token[0] != '"':
        return token
    is_half_a_pair = _SURROGATE.search(json.loads(_SURROGATE.sub("", token)))
    return token if is_half_a_pair else str(json.loads(token))


def render(values: Mapping[str, str], like: RawValue = EMPTY) -> bytes:
    """Write settings as one JSON object in the order and spelling of `like`; settings that it lacks come last, ours before others.

    `read_string` reads the same values again, except for a text that is written like half a pair.
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
    else:  # with a member gone, the spelling between members has lost its meaning
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
            raise StringUnreadableError(f"the name {plain!r} is there twice")
        if len(members) >= MAX_SETTINGS:
            raise StringUnreadableError(f"it has more than {MAX_SETTINGS} settings")
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
    """Return a member's token for a text: as it was if it says that, of the same kind if that is possible."""
    if text_of(member.token) == text:
        return member.token
    return _quote(text) if member.token[0] == '"' or not _is_plain_json(text) else text


def _new_token(name: str, text: str) -> str:
    return text if name in NAMES and _WHOLE.fullmatch(text) else _quote(text)


def _is_plain_json(text: str) -> bool:
    """Tell whether a text is a JSON value other than a string, with nothing around it."""
    if not text or text[0] in '" \t\n\r':
        return False
    try:
        return _DECODER.raw_decode(text)[1] == len(text)
    except (ValueError, RecursionError):
        return False


def _quote(text: str) -> str:
    """Quote as JSON.stringify does."""
    return json.dumps(text, ensure_ascii=False)
