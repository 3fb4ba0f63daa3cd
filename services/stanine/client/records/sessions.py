"""Sessions: attempts that a participant fills in, saves and submits."""

from collections.abc import Mapping

import msgspec

from stanine.client.records.attempts import AttributeValue
from stanine.client.records.base import PersonRecord
from stanine.client.records.forms import FormInfo
from stanine.client.records.results import AttemptResult


class SessionRequest(PersonRecord, frozen=True):
    """A session to open."""

    #: The caller's key, 1 to 64 characters. The attempt of a session that an API key opens gets it too.
    key: str | None = None
    #: A pseudonym of the caller's choice.
    participant: str | None = None
    #: The language of the form's texts (BCP 47).
    language: str | None = None
    #: Attributes of the person, which the participant cannot change.
    attributes: Mapping[str, AttributeValue] | None = None
    #: The revision to fill in; by default the newest indexed one.
    revision: int | None = None
    #: Seconds from the opening; by default the form's limit, if any.
    time_limit_seconds: int | None = None
    #: The participant's access to the result: None, Participant or AfterRelease; by default None.
    show: str | None = None
    #: Where the pages go after the submission.
    return_url: str | None = None


class SessionInfo(PersonRecord, frozen=True):
    """A session with its answers and its deadline."""

    session: str
    instrument: str
    revision: int
    #: Open, Submitted, Withdrawn or Late.
    state: str
    opened_at: str
    expires_at: str
    #: Number of the last save; the next one has a greater number.
    seq: int
    #: The page that the last save named.
    page: int
    answers: dict[str, int | float | str | list[int | float | str]]
    attributes: dict[str, int | float | str]
    #: The participant's access to the result: None, Participant or AfterRelease.
    show: str
    #: The attributes that the participant cannot change.
    fixed_attributes: tuple[str, ...] = ()
    #: After it, and a short grace period, the saved answers are submitted.
    deadline_at: str | None = None
    #: Deadlines of the opened sections that have a time limit; afterwards their items take no answers.
    section_deadlines: dict[str, str] = msgspec.field(default_factory=dict)
    #: When the server read the session, by the same clock as the deadlines; present with one.
    read_at: str | None = None
    language: str | None = None
    return_url: str | None = None
    #: Of a submitted session: its attempt, and the token that reads the result, if the participant may read it.
    attempt: str | None = None
    attempt_token: str | None = None
    #: Only in the answer to the opening: the session's token and the form.
    token: str | None = None
    form: FormInfo | None = None
    #: Whether the session was open before, from an earlier opening or an earlier try of this call.
    repeated: bool = False


class SessionSaved(PersonRecord, frozen=True):
    """Result of a save."""

    session: str
    seq: int
    #: Whether this save was stored before.
    repeated: bool = False


class SessionSubmitted(PersonRecord, frozen=True):
    """Result of a submission of a session."""

    session: str
    attempt: str
    #: Submitted, Scored or Failed.
    state: str
    #: The participant's access to the result: None, Participant or AfterRelease.
    show: str
    #: The token that reads the result, if the participant may read it now or after the release.
    attempt_token: str | None = None
    return_url: str | None = None
    #: If the call waited for it and the participant may read it now.
    result: AttemptResult | None = None
    repeated: bool = False


class SessionWithdrawn(PersonRecord, frozen=True):
    """Result of a withdrawal: the session is closed and its answers are removed."""

    session: str
    #: Withdrawn.
    state: str


class SessionExtended(PersonRecord, frozen=True):
    """Result of an extension, which never shortens the time."""

    session: str
    deadline_at: str


class ErasedCounts(PersonRecord, frozen=True):
    """Numbers of a participant's records that were erased."""

    attempts: int
    sessions: int
    invitations: int
