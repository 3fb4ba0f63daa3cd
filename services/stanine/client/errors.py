"""The exceptions of the client, one short tree: permanent, or temporary (the same call may succeed later).

Each RFC 9457 `type` of docs/reference/problems.md has a class. Texts of exceptions hold what may be
logged: no key, no token, nothing that a person answered. What the server says in detail is in `problem`. Raised by everything here.
"""

from collections.abc import Iterable
from typing import ClassVar

import msgspec

#: Begins every problem type of Stanine.
_URN = "urn:stanine:problem:"
#: Errors of an instrument document that an exception's text shows; `problem.errors` has all that were sent.
_ERRORS_SHOWN = 5


class ErrorItem(msgspec.Struct, frozen=True):
    """One error in the request: its place, its kind, and a sentence that may quote the request."""

    #: A JSON pointer into an attempt (`/answers/A1`), a path in a document, or line:column of a text.
    pointer: str
    code: str
    detail: str = ""

    def __repr__(self) -> str:
        return f"ErrorItem(code={self.code!r})"


class Problem(msgspec.Struct, frozen=True, rename="camel"):
    """A problem document (RFC 9457) as the server sent it. Its texts may quote the request; its `repr` does not."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    errors: tuple[ErrorItem, ...] = ()
    #: How many errors there are; `errors` lists at most 100.
    error_count: int = 0
    #: Of an internal error: what the operator searches the log for.
    id: str = ""
    #: Of a changed history: the cursor to continue from.
    next: str = ""

    @property
    def code(self) -> str:
        """The last word of the type, `key-conflict`; empty if it is not one of Stanine's."""
        return self.type.removeprefix(_URN) if self.type.startswith(_URN) else ""

    def lines(self) -> list[str]:
        """Return what is wrong, for the person who sent it: a sentence, then one line per error. It may quote the request."""
        first = self.detail or self.title or f"the server answered {self.status}"
        return [first, *(f"{each.pointer}: {each.detail}" for each in self.errors)]

    def __repr__(self) -> str:
        return f"Problem(type={self.type!r}, status={self.status})"


class StanineClientError(Exception):
    """The root of all errors that the client raises on purpose."""


class PermanentError(StanineClientError):
    """The same call fails again until something else changes."""


class TemporaryError(StanineClientError):
    """The same call may succeed later. The client has tried again already as its `RetryPolicy` allows."""

    #: Whether it is certain that the request had no effect.
    had_no_effect: ClassVar[bool] = False
    #: Seconds after which the server asked to be called again.
    retry_after: float | None = None


class UnreachableError(TemporaryError):
    """No connection could be made: the request was not sent."""

    had_no_effect = True


class LostAnswerError(TemporaryError):
    """The connection broke, or the answer did not come in time: whether the request had its effect is unknown."""


class NotScoredError(TemporaryError):
    """An attempt was not scored within the time given; it is stored, and waiting again loses nothing."""


class NotIndexedInTimeError(TemporaryError):
    """An instrument was published, but not indexed within the time given."""


class UnexpectedAnswerError(PermanentError):
    """What answered is not Stanine's API, or an answer cannot be read."""


class ApiError(StanineClientError):
    """The server answered with an error; `problem` is what it said."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(problem, retry_after)
        self.problem = problem
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def errors(self) -> tuple[ErrorItem, ...]:
        """The single errors, each with its place."""
        return self.problem.errors

    def __str__(self) -> str:
        return describe(self.problem)


class PermanentApiError(ApiError, PermanentError):
    """The server refuses the request as it is."""


class TemporaryApiError(ApiError, TemporaryError):
    """The server cannot serve the request now; whether it had an effect is unknown."""


class MalformedRequestError(PermanentApiError):
    """A parameter or header cannot be read."""


class UnauthenticatedError(PermanentApiError):
    """The key is missing, or unknown to the server."""


class MissingScopeError(PermanentApiError):
    """The key may not do this."""


class NotFoundError(PermanentApiError):
    """It does not exist, or is not visible to the key."""


class MethodNotAllowedError(PermanentApiError):
    """The address does not take this method: the server is of another version."""


class KeyConflictError(PermanentApiError):
    """The idempotency key was used for an attempt with other content."""


class TokenConflictError(PermanentApiError):
    """The token of an order was used for another order."""


class ManagedError(PermanentApiError):
    """A custom resource owns what was to be changed."""


class ConfigConflictError(PermanentApiError):
    """The configuration cannot be changed as it is, or is not at the revision given."""


class HistoryChangedError(PermanentApiError):
    """A list does not recognise the cursor: the server came back with other data. `following` is the cursor to continue from."""

    @property
    def following(self) -> str:
        """The cursor to continue from: items may repeat, none is missed."""
        return self.problem.next


class PreconditionFailedError(PermanentApiError):
    """The instrument is not the one that If-Match or If-None-Match names."""


class TooLargeError(PermanentApiError):
    """The body is larger than the server takes."""


class UnsupportedContentError(PermanentApiError):
    """The body's media type or encoding is not taken."""


class InvalidDocumentError(PermanentApiError):
    """The text is not a valid instrument document; `errors` has every place."""


class InvalidAttemptError(PermanentApiError):
    """The attempt does not fit the instrument; `errors` has every place."""


class InvalidRequestError(PermanentApiError):
    """The body of an order to a queue or to the configuration is not valid."""


class InternalError(PermanentApiError):
    """A defect of the server; `problem.id` is in its log."""


class TooSlowError(TemporaryApiError):
    """The body did not arrive in time."""

    had_no_effect = True


class RateLimitedError(TemporaryApiError):
    """Something before the server limits the rate of requests."""

    had_no_effect = True


class NotReadyError(TemporaryApiError):
    """The server is starting or stopping."""

    had_no_effect = True


class NotIndexedError(TemporaryApiError):
    """The instrument is published, but its index entry is still being built."""

    had_no_effect = True


class FullError(TemporaryApiError):
    """The server has no room for new work."""

    had_no_effect = True


class DrainingError(TemporaryApiError):
    """An operator drains the queue that the request would bring work to."""

    had_no_effect = True


class UnavailableError(TemporaryApiError):
    """The database cannot be reached or refuses writes: whether a write was stored is unknown."""


#: By the last word of the problem type.
CLASSES: dict[str, type[ApiError]] = {
    "malformed-request": MalformedRequestError,
    "unauthenticated": UnauthenticatedError,
    "missing-scope": MissingScopeError,
    "not-found": NotFoundError,
    "method-not-allowed": MethodNotAllowedError,
    "too-slow": TooSlowError,
    "key-conflict": KeyConflictError,
    "token-conflict": TokenConflictError,
    "managed": ManagedError,
    "config-conflict": ConfigConflictError,
    "history-changed": HistoryChangedError,
    "precondition-failed": PreconditionFailedError,
    "too-large": TooLargeError,
    "unsupported-content": UnsupportedContentError,
    "invalid-document": InvalidDocumentError,
    "invalid-attempt": InvalidAttemptError,
    "invalid-request": InvalidRequestError,
    "internal": InternalError,
    "not-ready": NotReadyError,
    "not-indexed": NotIndexedError,
    "full": FullError,
    "draining": DrainingError,
    "unavailable": UnavailableError,
}

#: Of answers without a known type, such as a proxy's: by status; every other status is permanent.
_BY_STATUS: dict[int, type[ApiError]] = {
    401: UnauthenticatedError,
    403: MissingScopeError,
    404: NotFoundError,
    408: TooSlowError,
    413: TooLargeError,
    415: UnsupportedContentError,
    429: RateLimitedError,
    502: TemporaryApiError,
    503: TemporaryApiError,
    504: TemporaryApiError,
}


def error_of(problem: Problem, retry_after: float | None = None) -> ApiError:
    """Return the exception for a problem, chosen by its type, else by its status."""
    chosen = CLASSES.get(problem.code) or _BY_STATUS.get(problem.status, PermanentApiError)
    return chosen(problem, retry_after)


def redacted(problem: Problem, secrets: Iterable[str]) -> Problem:
    """Return a problem whose texts hold none of some secrets; its type, status and cursor stay."""

    def without(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "[redacted]")
        return text

    errors = tuple(
        ErrorItem(without(each.pointer), each.code, without(each.detail)) for each in problem.errors
    )
    return msgspec.structs.replace(
        problem, title=without(problem.title), detail=without(problem.detail), errors=errors
    )


def describe(problem: Problem) -> str:
    """Return what may be logged of a problem.

    The server's errors of an attempt may quote what a person answered, so only their codes are shown. An instrument document is public.
    """
    if not problem.code:
        return f"the server answered {problem.status}, without a problem of Stanine"
    text = f"{problem.title} ({problem.status} {problem.code})"
    if problem.code == "invalid-document" and problem.errors:
        shown = "; ".join(
            f"{each.pointer}: {each.detail}" for each in problem.errors[:_ERRORS_SHOWN]
        )
        rest = max(problem.error_count, len(problem.errors)) - _ERRORS_SHOWN
        return f"{text}: {shown}" + (f"; and {rest} more" if rest > 0 else "")
    if problem.errors or problem.code in {"invalid-attempt", "malformed-request"}:
        return (
            f"{text}: {', '.join(sorted({each.code for each in problem.errors}))}"
            if problem.errors
            else text
        )
    return f"{text}: {problem.detail}" if problem.detail else text
