"""Query parameters, each declared once with its reader and its schema.

Unknown, repeated and out-of-range parameters are refused.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from stanine.api.admin.queue_bodies import LETTER_PATTERN, MAX_TEXT
from stanine.api.web.problems import MALFORMED_REQUEST, Problem
from stanine.domain import limits
from stanine.domain.attempts.explain import LANGUAGE
from stanine.store.cursors import MAX_CURSOR, Cursor, SealedCursor, read_cursor

#: Maximum seconds that a request is held.
MAX_WAIT = 30
#: Maximum and default number of entries of a page.
MAX_PAGE, DEFAULT_PAGE = 1000, 100
#: Maximum bytes of a query string: far more than all these parameters need.
MAX_QUERY_BYTES = 2048

_LAST_REVISION = limits.MAX_REVISION
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,5})(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
#: Optional parts of an answer.
_PARTS = frozenset({"quality"})
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)


class Query(msgspec.Struct, frozen=True):
    """A query parameter. `read` raises ValueError with a sentence about the allowed values."""

    name: str
    read: Callable[[str], Any]
    default: Any
    schema: Mapping[str, Any]
    description: str


def read_query(text: bytes, declared: Iterable[Query]) -> dict[str, Any]:
    """Return the parameters of a query string, with defaults.

    Raises a Problem (malformed-request) that names the invalid parameter.
    """
    values = {query.name: query.default for query in declared}
    if not text:
        return values
    if len(text) > MAX_QUERY_BYTES:
        raise Problem(MALFORMED_REQUEST, f"The query string may have {MAX_QUERY_BYTES} bytes.")
    known = {query.name: query for query in declared}
    seen = set()
    for pair in text.decode("latin-1").split("&"):
        name, _, value = (unquote_plus(part) for part in pair.partition("="))
        query = known.get(name)
        if query is None:
            allowed = f"it takes {', '.join(known)}" if known else "it takes none"
            raise Problem(MALFORMED_REQUEST, f"Unknown query parameter; {allowed}.")
        if name in seen:
            raise Problem(MALFORMED_REQUEST, f"The query parameter {name} is given twice.")
        seen.add(name)
        try:
            values[name] = query.read(value)
        except ValueError as error:
            raise Problem(
                MALFORMED_REQUEST, f"The query parameter {name} must be {error}."
            ) from None
    return values


def is_label(text: str) -> bool:
    """Return whether a text can be an instrument's name (a DNS-1123 label)."""
    return _LABEL.fullmatch(text) is not None


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (
            text.isascii() and text.isdigit() and len(text) <= 16 and lowest <= int(text) <= highest
        ):
            raise ValueError(f"a whole number from {lowest} to {highest}")
        return int(text)

    return read


def _read_wait(text: str) -> float:
    if not _NUMBER.fullmatch(text) or not 0 <= float(text) <= MAX_WAIT:
        raise ValueError(f"a number of seconds from 0 to {MAX_WAIT}")
    return float(text)


def _read_name(text: str) -> str:
    if not is_label(text):
        raise ValueError("the name of an instrument")
    return text


def _read_cursor(text: str) -> Cursor | SealedCursor:
    try:
        return read_cursor(text)
    except ValueError:
        raise ValueError("the `next` of an earlier page") from None


def _read_language(text: str) -> str:
    if len(text) > limits.MAX_LANGUAGE or not re.fullmatch(LANGUAGE, text, re.ASCII):
        raise ValueError('a language tag (BCP 47) such as "en" or "pt-BR"')
    return text


def _read_include(text: str) -> frozenset[str]:
    parts = text.split(",")
    if not set(parts) <= _PARTS or len(set(parts)) < len(parts):
        raise ValueError(f"a list of {', '.join(sorted(_PARTS))}, separated by commas")
    return frozenset(parts)


def _read_letter(text: str) -> str:
    if not re.fullmatch(LETTER_PATTERN, text, re.ASCII):
        raise ValueError("the id of a dead letter")
    return text


def _read_text(text: str) -> str:
    if not 1 <= len(text) <= MAX_TEXT:
        raise ValueError(f"a text of 1 to {MAX_TEXT} letters")
    return text


WAIT = Query(
    "wait",
    _read_wait,
    0.0,
    {"type": "number", "minimum": 0, "maximum": MAX_WAIT, "default": 0},
    "Seconds to wait for the result.",
)
LIMIT = Query(
    "limit",
    _whole(1, MAX_PAGE),
    DEFAULT_PAGE,
    {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE},
    "Maximum entries of a page.",
)
AFTER_NAME = Query(
    "after",
    _read_name,
    None,
    {"type": "string", "pattern": f"^{_LABEL.pattern}$", "maxLength": 63},
    "The `next` of the previous page.",
)
AFTER_CURSOR = Query(
    "after",
    _read_cursor,
    Cursor(),
    {"type": "string", "maxLength": MAX_CURSOR},
    "The `next` of the previous page, an opaque text; polling from it returns each result once.",
)
AFTER_LETTER = Query(
    "after",
    _read_letter,
    "",
    {"type": "string", "pattern": LETTER_PATTERN},
    "The `next` of the previous page.",
)
REASON = Query(
    "reason",
    _read_text,
    "",
    {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
    "Only dead letters with this reason.",
)
ACTOR = Query(
    "actor",
    _read_text,
    "",
    {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
    "Only dead letters of this actor.",
)
REVISION = Query(
    "revision",
    _whole(1, _LAST_REVISION),
    None,
    {"type": "integer", "minimum": 1, "maximum": _LAST_REVISION},
    "The revision; by default the newest.",
)
INCLUDE = Query(
    "include",
    _read_include,
    frozenset(),
    {"type": "string", "enum": sorted(_PARTS)},
    "`quality`: figures about how the attempt was filled in.",
)
LANGUAGE_TAG = Query(
    "language",
    _read_language,
    None,
    {"type": "string", "pattern": LANGUAGE, "maxLength": limits.MAX_LANGUAGE},
    "The language of the texts, instead of Accept-Language; the document's own language if unavailable.",
)
