"""Query parameters, each declared once with its reader and its schema.

Unknown, repeated and out-of-range parameters are refused.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from stanine.api.admin.queue_bodies import LETTER_PATTERN, MAX_TEXT
from stanine.api.web.problems import MALFORMED_REQUEST, Problem
from stanine.domain import limits
from stanine.domain.attempts.explain import LANGUAGE
from stanine.store.cursors import MAX_CURSOR, Cursor, SealedCursor, read_cursor
from stanine.store.records import read_id

#: Maximum seconds that a request is held.
MAX_WAIT = 30
#: Maximum and default number of entries of a page.
MAX_PAGE, DEFAULT_PAGE = 1000, 100
#: Maximum bytes of a query string: far more than all these parameters need.
MAX_QUERY_BYTES = 2048

_LAST_REVISION = limits.MAX_REVISION
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,5})(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
#: Optional parts of an answer; parts of an attempt in a list, and those by default.
_PARTS = frozenset({"quality"})
_RESULT_PARTS = frozenset({"answers", "attributes", "labels", "quality"})
_LISTED_PARTS = frozenset({"answers", "attributes", "results", "labels"})
_USUAL_PARTS = frozenset({"answers", "attributes"})
#: Maximum of `limit` where an answer is streamed.
_MAX_STREAMED = 10**9
_BY = re.compile(rf"[A-Za-z][A-Za-z0-9_]{{0,{limits.MAX_ID - 1}}}|time:month", re.ASCII)
#: States of a stored attempt.
_STATES = ("Submitted", "Scored", "Failed")
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


def _parts(known: frozenset[str]) -> Callable[[str], frozenset[str]]:
    def read(text: str) -> frozenset[str]:
        parts = text.split(",")
        if not set(parts) <= known or len(set(parts)) < len(parts):
            raise ValueError(f"a list of {', '.join(sorted(known))}, separated by commas")
        return frozenset(parts)

    return read


def _read_by(text: str) -> tuple[str, ...]:
    parts = tuple(text.split(","))
    if len(set(parts)) < len(parts) or not all(_BY.fullmatch(part) for part in parts):
        raise ValueError("an attribute, time:month, or both separated by a comma")
    return parts


def _read_place(text: str) -> Cursor | SealedCursor | bytes:
    return read_id(text) or _read_cursor(text)


def _read_time(text: str) -> int:
    """Return a time in milliseconds; of a date its beginning, UTC."""
    try:
        time = datetime.fromisoformat(text)
        if "T" not in text and len(text) == len("YYYY-MM-DD"):
            time = time.replace(tzinfo=UTC)
        if time.tzinfo is None or time.year < 1970:
            raise ValueError  # noqa: TRY301 - the same refusal
    except (ValueError, OverflowError):
        raise ValueError("a time such as 2026-11-30T08:00:00Z, or a date") from None
    return round(time.timestamp() * 1000)


def _read_state(text: str) -> str:
    if text not in _STATES:
        raise ValueError(f"one of {', '.join(_STATES)}")
    return text


def _text_of(most: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not 1 <= len(text) <= most:
            raise ValueError(f"a text of 1 to {most} characters")
        return text

    return read


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
LAST = Query(
    "last",
    _whole(1, MAX_PAGE),
    None,
    {"type": "integer", "minimum": 1, "maximum": MAX_PAGE},
    "Instead of `after`: only the newest entries, at most so many.",
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
    _parts(_PARTS),
    frozenset(),
    {"type": "string", "enum": sorted(_PARTS)},
    "`quality`: figures about how the attempt was filled in.",
)
INCLUDE_ATTEMPT = Query(
    "include",
    _parts(_RESULT_PARTS),
    frozenset(),
    {"type": "string"},
    "Parts of each attempt besides its result, separated by commas: `answers`, `attributes`, `labels`, which need the "
    "scope `attempts:read`; `quality`: figures about how the attempt was filled in.",
)
LANGUAGE_TAG = Query(
    "language",
    _read_language,
    None,
    {"type": "string", "pattern": LANGUAGE, "maxLength": limits.MAX_LANGUAGE},
    "The language of the texts, instead of Accept-Language; the document's own language if unavailable.",
)
AFTER_PLACE = Query(
    "after",
    _read_place,
    Cursor(),
    {"type": "string", "maxLength": MAX_CURSOR},
    "Where to continue: the last `next`, or the id of the last attempt of an earlier answer.",
)
MOST = Query(
    "limit",
    _whole(1, _MAX_STREAMED),
    None,
    {"type": "integer", "minimum": 1, "maximum": _MAX_STREAMED},
    "Maximum number of attempts; by default all.",
)
FROM = Query(
    "from",
    _read_time,
    None,
    {"type": "string"},
    "Only what was submitted at or after this time (RFC 3339, or a date: 00:00 UTC).",
)
TO = Query(
    "to",
    _read_time,
    None,
    {"type": "string"},
    "Only what was submitted before this time.",
)
STATE = Query(
    "state",
    _read_state,
    None,
    {"type": "string", "enum": list(_STATES)},
    "Only attempts in this state.",
)
KEY = Query(
    "key",
    _text_of(limits.MAX_KEY),
    None,
    {"type": "string", "minLength": 1, "maxLength": limits.MAX_KEY},
    "Only attempts with this key, in any key space.",
)
PARTICIPANT = Query(
    "participant",
    _text_of(limits.MAX_PARTICIPANT),
    None,
    {"type": "string", "minLength": 1, "maxLength": limits.MAX_PARTICIPANT},
    "Only attempts of this participant.",
)
LISTED = Query(
    "include",
    _parts(_LISTED_PARTS),
    _USUAL_PARTS,
    {"type": "string"},
    "Parts of each attempt, separated by commas: `answers`, `attributes`, `results`, `labels`; by default answers "
    "and attributes. `results` needs the scope `results:read`.",
)
BY = Query(
    "by",
    _read_by,
    (),
    {"type": "string"},
    "Groups: an attribute with a list of values, `time:month` (UTC), or both separated by a comma.",
)
