"""Problems: a closed list, answered as RFC 9457 documents. Used by the whole API.

docs/reference/problems.md documents them; a test compares both.
"""

import difflib
import heapq
import itertools
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from stanine.broker.connection.errors import ServerProblem
from stanine.domain.errors import Faulty

#: The media type of problem documents.
MEDIA_TYPE = "application/problem+json"
#: Maximum listed errors; the rest are counted in `errorCount`.
MAX_ERRORS = 100
#: Maximum characters of a caller's name that an answer quotes: more than any instrument's name has.
_MAX_SHOWN = 64
#: Limits of the search for similar names: difference in length, names examined, and names compared (those with the
#: most letter pairs in common). Both steps together take milliseconds.
_MAX_DISTANCE, _MAX_EXAMINED, _MAX_COMPARED = 8, 5000, 50


class Kind(msgspec.Struct, frozen=True):
    """A type of problem: last part of its URN, status, title, and Retry-After in seconds."""

    code: str
    status: int
    title: str
    retry_after: int | None = None

    @property
    def type(self) -> str:
        """The URN of the problem type."""
        return f"urn:stanine:problem:{self.code}"


MALFORMED_REQUEST = Kind("malformed-request", 400, "The address or a header cannot be read")
UNAUTHENTICATED = Kind("unauthenticated", 401, "A valid key is needed")
MISSING_SCOPE = Kind("missing-scope", 403, "The key lacks a scope")
NOT_FOUND = Kind("not-found", 404, "Not found, or not visible to this key")
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "This address does not take this method")
TOO_SLOW = Kind("too-slow", 408, "The body did not arrive in time")
KEY_CONFLICT = Kind("key-conflict", 409, "Idempotency key already used for a different attempt")
TOKEN_CONFLICT = Kind("token-conflict", 409, "The token stands for another order")
RESCORING_RUNNING = Kind("rescoring-running", 409, "A re-scoring has not finished")
SESSION_CONFLICT = Kind("session-conflict", 409, "The session was saved meanwhile")
SESSION_CLOSED = Kind("session-closed", 409, "The session takes no more answers")
MANAGED = Kind("managed", 409, "A custom resource manages this")
CONFIG_CONFLICT = Kind("config-conflict", 409, "The configuration cannot be changed as it is")
HISTORY_CHANGED = Kind("history-changed", 410, "The list has changed behind this cursor")
INVITATION_ENDED = Kind("invitation-ended", 410, "The invitation opens no session any more")
ERASED = Kind("erased", 410, "The attempt with this key was erased")
PRECONDITION_FAILED = Kind(
    "precondition-failed", 412, "The instrument is not in the expected state"
)
TOO_LARGE = Kind("too-large", 413, "The body or line is too large")
UNSUPPORTED_CONTENT = Kind(
    "unsupported-content", 415, "The body's type or encoding is not taken here"
)
INVALID_DOCUMENT = Kind("invalid-document", 422, "The document is not a valid instrument")
INVALID_ATTEMPT = Kind(
    "invalid-attempt", 422, "The attempt cannot be read or does not fit the instrument"
)
INVALID_REQUEST = Kind("invalid-request", 422, "The body is not what this address takes")
TOO_MANY_LOGINS = Kind("too-many-logins", 429, "This key has begun too many logins", retry_after=60)
TOO_MANY_FAILED_LOGINS = Kind(
    "too-many-failed-logins", 429, "Too many failed logins from this address"
)
INTERNAL = Kind("internal", 500, "Something went wrong on our side")
NOT_READY = Kind("not-ready", 503, "The service is starting or stopping", retry_after=1)
NOT_INDEXED = Kind(
    "not-indexed", 503, "The instrument is published but not indexed yet", retry_after=1
)
FULL = Kind("full", 503, "The server is too full for new work", retry_after=30)
DRAINING = Kind("draining", 503, "The queue is being drained", retry_after=30)
UNAVAILABLE = Kind(
    "unavailable", 503, "The database cannot be reached or refuses writes", retry_after=2
)

KINDS = (
    MALFORMED_REQUEST,
    UNAUTHENTICATED,
    MISSING_SCOPE,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    TOO_SLOW,
    KEY_CONFLICT,
    TOKEN_CONFLICT,
    RESCORING_RUNNING,
    SESSION_CONFLICT,
    SESSION_CLOSED,
    MANAGED,
    CONFIG_CONFLICT,
    HISTORY_CHANGED,
    INVITATION_ENDED,
    ERASED,
    PRECONDITION_FAILED,
    TOO_LARGE,
    UNSUPPORTED_CONTENT,
    INVALID_DOCUMENT,
    INVALID_ATTEMPT,
    INVALID_REQUEST,
    TOO_MANY_LOGINS,
    TOO_MANY_FAILED_LOGINS,
    INTERNAL,
    NOT_READY,
    NOT_INDEXED,
    FULL,
    DRAINING,
    UNAVAILABLE,
)


class ProblemError(msgspec.Struct, frozen=True):
    """One error in the request.

    `pointer` is a JSON pointer into an attempt (`/answers/A1`), a path in a document (`spec.scales[2].items[4]`) or
    line:column of a text.
    """

    pointer: str
    code: str
    detail: str


class Saved(msgspec.Struct, frozen=True):
    """The stored state of a session: last `seq` and page, all answers and attributes."""

    seq: int
    page: int
    answers: dict[str, float | str | list[float | str]]
    attributes: dict[str, float | str]


class ProblemDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The body of every error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    #: At most 100 errors; `errorCount` is their total number.
    errors: list[ProblemError] | UnsetType = UNSET
    error_count: int | UnsetType = UNSET
    #: Of an internal error: its id in the log.
    id: str | UnsetType = UNSET
    #: Of a changed history: the cursor to continue from.
    next: str | UnsetType = UNSET
    #: Of an ended session or invitation: the reason, in one word.
    reason: str | UnsetType = UNSET
    #: Of a session conflict: the stored state.
    session: Saved | UnsetType = UNSET


class Problem(Exception):  # noqa: N818 - the term of RFC 9457
    """Ends the request with a problem document; raised by routes and everything below.

    Its text may quote the caller: never log it.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        **members: Any,
    ) -> None:
        super().__init__(kind.code)
        self.kind = kind
        self.document = ProblemDocument(kind.type, kind.title, kind.status, detail, **members)
        if kind.retry_after is not None:
            headers = (*headers, (b"retry-after", b"%d" % kind.retry_after))
        self.headers = headers


def from_faults(kind: Kind, error: Faulty) -> Problem:
    """Return the problem of the domain's validation errors."""
    errors = [
        ProblemError(fault.place, fault.code, fault.detail) for fault in error.faults[:MAX_ERRORS]
    ]
    detail = "1 thing is wrong" if error.count == 1 else f"{error.count} things are wrong"
    return Problem(kind, f"{detail}; see errors", errors=errors, error_count=error.count)


class NotFound(Problem):
    """Raised for unknown and for forbidden objects.

    The answer depends only on the given name and on the objects that the key reaches.
    """

    def __init__(self, what: str, name: str, known: Iterable[str] = ()) -> None:
        """Name the kind of object, and the object as the caller did.

        `known`: names that are visible to the caller.
        """
        shown = name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}…"
        nearest = (
            difflib.get_close_matches(name, _comparable(name, known), n=1)
            if len(name) <= _MAX_SHOWN
            else []
        )
        tip = f" Did you mean '{nearest[0]}'?" if nearest else ""
        super().__init__(
            NOT_FOUND, f"{what} '{shown}' was not found, or is not visible to this key.{tip}"
        )
        self.what, self.name = what, name


def not_found() -> Problem:
    """Return the problem of an address without a route."""
    return Problem(NOT_FOUND, "Unknown address; /openapi.json lists all routes.")


def unavailable(refusal: ServerProblem | None = None) -> Problem:
    """Return the problem while Redis is unreachable, too slow, or (`refusal`) refuses writes.

    The outcome of a write is then unknown, also with `refusal`: it may be the answer to a retry of a write that was
    stored.
    """
    reason = f"The database refuses writes ({refusal}) " if refusal else ""
    return Problem(
        UNAVAILABLE,
        f"{reason}Nothing is known to be stored. Send the same request again: with the same key nothing is stored twice.",
    )


def _comparable(name: str, known: Iterable[str]) -> list[str]:
    """Return names that may be similar, few enough to be compared within milliseconds."""
    pairs = set(itertools.pairwise(name))
    alike = (each for each in known if each != name and abs(len(each) - len(name)) <= _MAX_DISTANCE)
    examined = itertools.islice(alike, _MAX_EXAMINED)
    return heapq.nlargest(
        _MAX_COMPARED, examined, key=lambda each: len(pairs.intersection(itertools.pairwise(each)))
    )
