"""Exceptions of the client: permanent, or temporary (the same call may succeed later).

Each RFC 9457 `type` of docs/reference/problems.md has a class. Texts of exceptions hold what may be
logged: no key, no token, nothing that a person answered. What the server says in detail is in `problem`. Raised by everything here.
"""

from collections.abc import Iterable
from typing import ClassVar

import msgspec

#: Prefix of Stanine's problem types.
_URN = "urn:stanine:problem:"
#: Errors of an instrument document shown in an exception's message; `problem.errors` contains all that were sent.
_ERRORS_SHOWN = 5


class ErrorItem(msgspec.Struct, frozen=True):
    """One error in the request: place, code, and a sentence that may quote the request."""

    #: A JSON pointer into an attempt (`/answers/A1`), a path in a document, or line:column of a text.
    pointer: str
    code: str
    detail: str = ""

    def __repr__(self) -> str:
        return f"ErrorItem(code={self.code!r})"


class SavedState(msgspec.Struct, frozen=True):
    """What the server has of a session: the last `seq` and page, all answers and attributes."""

    seq: int
    page: int
    answers: dict[str, int | float | str | list[int | float | str]]
    attributes: dict[str, int | float | str]

    def __repr__(self) -> str:
        return f"SavedState(seq={self.seq})"


class ProblemInfo(msgspec.Struct, frozen=True, rename="camel"):
    """A problem document (RFC 9457) as received. Its texts may quote the request.

    Its `repr` does not.
    """

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    errors: tuple[ErrorItem, ...] = ()
    #: Number of errors; `errors` lists at most 100.
    error_count: int = 0
    #: Id of an internal error in the server's log.
    id: str = ""
    #: Cursor to continue from after a changed history.
    next: str = ""
    #: Why a session or an invitation ended, in one word.
    reason: str = ""
    #: What the server has of a session whose save was outdated.
    session: SavedState | None = None

    @property
    def code(self) -> str:
        """The last part of the type, such as `key-conflict`; empty for a type of another server."""
        return self.type.removeprefix(_URN) if self.type.startswith(_URN) else ""

    def lines(self) -> list[str]:
        """Return the problem for the sender of the request: a sentence, then one line per error.

        The lines may quote the request.
        """
        first = self.detail or self.title or f"the server answered {self.status}"
        return [first, *(f"{each.pointer}: {each.detail}" for each in self.errors)]

    def __repr__(self) -> str:
        return f"ProblemInfo(type={self.type!r}, status={self.status})"


class StanineClientError(Exception):
    """Base class of the client's exceptions."""


class PermanentError(StanineClientError):
    """The same call fails until something else changes."""


class TemporaryError(StanineClientError):
    """The same call may succeed later.

    The client has already retried it as its `RetryPolicy` allows.
    """

    #: Whether the request certainly had no effect.
    had_no_effect: ClassVar[bool] = False
    #: Retry-After of the server, in seconds.
    retry_after: float | None = None


class UnreachableError(TemporaryError):
    """No connection could be established: the request was not sent."""

    had_no_effect = True


class LostAnswerError(TemporaryError):
    """The connection broke or the answer timed out.

    The effect of the request is unknown.
    """


class NotScoredError(TemporaryError):
    """An attempt was not scored within the timeout. It is stored; waiting again is safe."""


class NotIndexedInTimeError(TemporaryError):
    """An instrument was published, but not indexed within the timeout."""


class UnexpectedAnswerError(PermanentError):
    """The server is not Stanine's API, or its answer cannot be parsed."""


class ApiError(StanineClientError):
    """The server answered with an error; `problem` contains its details."""

    def __init__(self, problem: ProblemInfo, retry_after: float | None = None) -> None:
        super().__init__(problem, retry_after)
        self.problem = problem
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def errors(self) -> tuple[ErrorItem, ...]:
        """The individual errors, each with its place."""
        return self.problem.errors

    def __str__(self) -> str:
        return describe(self.problem)


class PermanentApiError(ApiError, PermanentError):
    """The server rejects the request."""


class TemporaryApiError(ApiError, TemporaryError):
    """The server is temporarily unable to serve the request; its effect is unknown."""


class MalformedRequestError(PermanentApiError):
    """A parameter or header cannot be parsed."""


class UnauthenticatedError(PermanentApiError):
    """The key is missing or unknown to the server."""


class MissingScopeError(PermanentApiError):
    """The key lacks the required scope."""


class NotFoundError(PermanentApiError):
    """Not found, or not visible to the key."""


class MethodNotAllowedError(PermanentApiError):
    """The address does not support the method: the server has another version."""


class KeyConflictError(PermanentApiError):
    """The idempotency key was used for an attempt with other content."""


class TokenConflictError(PermanentApiError):
    """The token was already used for another operation."""


class RescoringRunningError(PermanentApiError):
    """The instrument is being scored again; its state has the progress."""


class SessionConflictError(PermanentApiError):
    """A save of the session is not newer than the last one.

    `saved` has the stored answers, to merge before the next save.
    """

    @property
    def saved(self) -> SavedState | None:
        """What the server has of the session."""
        return self.problem.session


class SessionClosedError(PermanentApiError):
    """The session takes no more answers: it was submitted or withdrawn, or its time is over."""


class InvitationEndedError(PermanentApiError):
    """The invitation opens no session: revoked, expired or used."""


class ErasedError(PermanentApiError):
    """The attempt with this key was erased."""


class ManagedError(PermanentApiError):
    """A custom resource owns the object."""


class ConfigConflictError(PermanentApiError):
    """The configuration is not at the given revision, or cannot be changed in its present state."""


class HistoryChangedError(PermanentApiError):
    """A list does not contain the cursor's item, because the server restarted with other data.

    `following` is the cursor to continue from.
    """

    @property
    def following(self) -> str:
        """The cursor to continue from: items may repeat, none is skipped."""
        return self.problem.next


class PreconditionFailedError(PermanentApiError):
    """The instrument is not the one that If-Match or If-None-Match names."""


class TooLargeError(PermanentApiError):
    """The body exceeds the server's limit."""


class UnsupportedContentError(PermanentApiError):
    """The body's media type or encoding is not supported."""


class InvalidDocumentError(PermanentApiError):
    """The text is not a valid instrument document; `errors` lists every place."""


class InvalidAttemptError(PermanentApiError):
    """The attempt is not valid for the instrument; `errors` lists every place."""


class InvalidRequestError(PermanentApiError):
    """The body of an operation on a queue or the configuration is invalid."""


class InternalError(PermanentApiError):
    """A defect of the server; its log contains `problem.id`."""


class TooSlowError(TemporaryApiError):
    """The body did not arrive in time."""

    had_no_effect = True


class RateLimitedError(TemporaryApiError):
    """The rate is limited: by a proxy, or by the server for the logins of a key."""

    had_no_effect = True


class TooManyFailedLoginsError(RateLimitedError):
    """Too many logins from this address have failed; this one was not tried."""


class NotReadyError(TemporaryApiError):
    """The server is starting or stopping."""

    had_no_effect = True


class NotIndexedError(TemporaryApiError):
    """The instrument is published, but its index entry is still being built."""

    had_no_effect = True


class FullError(TemporaryApiError):
    """The server is at capacity and rejects new work."""

    had_no_effect = True


class DrainingError(TemporaryApiError):
    """The queue for the requested work is draining."""

    had_no_effect = True


class UnavailableError(TemporaryApiError):
    """The database is unreachable or rejects writes: whether a write was stored is unknown."""


#: Exceptions by the last part of the problem type.
CLASSES: dict[str, type[ApiError]] = {
    "malformed-request": MalformedRequestError,
    "unauthenticated": UnauthenticatedError,
    "missing-scope": MissingScopeError,
    "not-found": NotFoundError,
    "method-not-allowed": MethodNotAllowedError,
    "too-slow": TooSlowError,
    "key-conflict": KeyConflictError,
    "token-conflict": TokenConflictError,
    "rescoring-running": RescoringRunningError,
    "session-conflict": SessionConflictError,
    "session-closed": SessionClosedError,
    "managed": ManagedError,
    "config-conflict": ConfigConflictError,
    "history-changed": HistoryChangedError,
    "invitation-ended": InvitationEndedError,
    "erased": ErasedError,
    "precondition-failed": PreconditionFailedError,
    "too-large": TooLargeError,
    "unsupported-content": UnsupportedContentError,
    "invalid-document": InvalidDocumentError,
    "invalid-attempt": InvalidAttemptError,
    "invalid-request": InvalidRequestError,
    "too-many-logins": RateLimitedError,
    "too-many-failed-logins": TooManyFailedLoginsError,
    "internal": InternalError,
    "not-ready": NotReadyError,
    "not-indexed": NotIndexedError,
    "full": FullError,
    "draining": DrainingError,
    "unavailable": UnavailableError,
}

#: Exceptions by status for answers without a known type, such as a proxy's; any other status is permanent.
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


def error_of(problem: ProblemInfo, retry_after: float | None = None) -> ApiError:
    """Return the exception for a problem, by its type or else its status."""
    chosen = CLASSES.get(problem.code) or _BY_STATUS.get(problem.status, PermanentApiError)
    return chosen(problem, retry_after)


def redacted(problem: ProblemInfo, secrets: Iterable[str]) -> ProblemInfo:
    """Return a problem with secrets removed from its texts; type, status and cursor are kept."""

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


def describe(problem: ProblemInfo) -> str:
    """Return a description of a problem that is safe to log.

    Errors of an attempt may quote answers, so only their codes are included. An instrument document is public.
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
