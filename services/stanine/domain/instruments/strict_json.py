"""Strict JSON that reports every fault with its place.

Called by `document.read_json`, and by `attempts.explain` for invalid attempts. The parser is the standard library's;
this module finds what it accepts: duplicates, NaN, unlimited depth, numbers that no double represents.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from stanine.domain.errors import Faults, InvalidDocument
from stanine.domain.instruments.decoding import member, quote
from stanine.domain.limits import MAX_DEPTH, MAX_INTEGER, MAX_TEXT_BYTES

#: Digits from which a whole number exceeds MAX_INTEGER; parsing more digits costs unbounded time.
_MAX_DIGITS = 17
_NESTING = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def read(text: bytes) -> object:
    """Return the plain data of a JSON text. Raises InvalidDocument."""
    faults = Faults()
    plain = locate(text, faults, MAX_TEXT_BYTES, member, lambda place, index: f"{place}[{index}]")
    if faults.count:
        raise InvalidDocument(faults.kept, faults.count)
    return plain


def locate(
    text: bytes,
    faults: Faults,
    max_bytes: int,
    name_place: Callable[[str, str], str],
    index_place: Callable[[str, int], str],
) -> object:
    """Return the plain data of a JSON text and add its errors.

    `name_place` names the place of a member or element. A text that cannot be parsed gives None and one fault.
    """
    if len(text) > max_bytes:
        faults.add("", "TooLarge", f"the text has {len(text)} bytes; {max_bytes} are allowed")
        return None
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.add("", "Encoding", f"the text is not UTF-8: byte {error.start} cannot be read")
        return None
    if (deep := _too_deep(decoded)) is not None:
        faults.add(
            position(decoded, deep),
            "TooDeep",
            f"lists and objects are nested more than {MAX_DEPTH} deep",
        )
        return None
    reading = _Reading()
    try:
        plain = reading.read(decoded)
    except json.JSONDecodeError as error:
        faults.add(
            f"{error.lineno}:{error.colno}",
            "Syntax",
            f"not JSON: {error.msg[0].lower()}{error.msg[1:]}",
        )
        return None
    if reading.is_suspect or "\\u" in decoded:  # only an escape can hide half a surrogate pair
        for place, value in _walk(plain, "", name_place, index_place):
            _judge(value, place, reading.doubled, faults, name_place)
    return plain


class _Reading:
    """The standard parser, and the values that need another check, with their places."""

    def __init__(self) -> None:
        self.is_suspect = False
        #: Objects with duplicate names, by id: the object (kept, so that its id stays unique) and the names.
        self.doubled: dict[int, tuple[object, list[str]]] = {}

    def read(self, text: str) -> object:
        return json.loads(
            text,
            object_pairs_hook=self._members,
            parse_int=self._integer,
            parse_float=self._float,
            parse_constant=self._constant,
        )

    def _members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            self.doubled[id(result)] = result, [name for name, count in counts.items() if count > 1]
            self.is_suspect = True
        return result

    def _integer(self, digits: str) -> int | float:
        number = int(digits) if len(digits) <= _MAX_DIGITS else math.inf
        self.is_suspect |= abs(number) > MAX_INTEGER
        return number

    def _float(self, digits: str) -> float:
        number = float(digits)
        self.is_suspect |= not abs(number) <= MAX_INTEGER
        return number

    def _constant(self, _: str) -> float:
        self.is_suspect = True
        return math.nan


def position(text: str, offset: int) -> str:
    """Return a position in a text as line:column, from 1."""
    return f"{text.count(chr(10), 0, offset) + 1}:{offset - text.rfind(chr(10), 0, offset)}"


def _too_deep(text: str) -> int | None:
    depth = 0
    for token in _NESTING.finditer(text):
        first = token[0][0]
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return token.start()
        elif first in "]}":
            depth -= 1
    return None


def _walk(
    plain: object,
    place: str,
    name_place: Callable[[str, str], str],
    index_place: Callable[[str, int], str],
) -> Iterator[tuple[str, object]]:
    yield place, plain
    if isinstance(plain, dict):
        for name, value in plain.items():
            yield from _walk(value, name_place(place, name), name_place, index_place)
    elif isinstance(plain, list):
        for index, value in enumerate(plain):
            yield from _walk(value, index_place(place, index), name_place, index_place)


def _judge(
    value: object,
    place: str,
    doubled: dict[int, tuple[object, list[str]]],
    faults: Faults,
    name_place: Callable[[str, str], str],
) -> None:
    if isinstance(value, dict):
        for name in doubled.get(id(value), (None, []))[1]:
            faults.add(
                name_place(place, name), "DuplicateKey", f"{quote(name)} is given more than once"
            )
        texts = list(value)
    else:
        texts = [value] if isinstance(value, str) else []
    if any(not _is_writable(text) for text in texts):
        faults.add(place, "Encoding", "half a surrogate pair (\\ud800 to \\udfff) is no character")
    if isinstance(value, bool):
        return
    if isinstance(value, float) and not math.isfinite(value):
        faults.add(place, "NumberOutOfRange", "not a finite number that JSON readers agree on")
    elif isinstance(value, int | float) and abs(value) > MAX_INTEGER:
        faults.add(place, "NumberOutOfRange", "numbers beyond 2**53 are not exact everywhere")


def _is_writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
