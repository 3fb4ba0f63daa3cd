"""Request and response bodies of sessions, invitations and erasure. Used by their routes."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stanine.api.bodies import FormBody, ResultBody, _Body, _Number
from stanine.api.web.problems import ProblemDocument
from stanine.domain import limits
from stanine.domain.attempts.explain import LANGUAGE
from stanine.store.invitations import Show
from stanine.store.sessions import SessionState

_Key = Annotated[str, Meta(min_length=1, max_length=limits.MAX_KEY)]
_Participant = Annotated[str, Meta(min_length=1, max_length=limits.MAX_PARTICIPANT)]
_Attributes = dict[str, _Number | Annotated[str, Meta(max_length=limits.MAX_ATTRIBUTE_TEXT)] | None]
_Language = Annotated[str, Meta(pattern=LANGUAGE, max_length=limits.MAX_LANGUAGE)]
_Revision = Annotated[int, Meta(ge=1, le=limits.MAX_REVISION)]
_Seconds = Annotated[int, Meta(ge=1, le=limits.MAX_TIME_LIMIT)]
#: Maximum characters of an address.
MAX_URL = 2_000
_Url = Annotated[str, Meta(min_length=1, max_length=MAX_URL)]
_Time = Annotated[datetime, Meta(tz=True)]
#: Maximum sessions per invitation.
MAX_USES = 1_000_000


class SessionOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """A session to open. With an invitation's code only `language` is allowed."""

    #: The key of the attempt that the session becomes: the same key with the same content returns the same session.
    key: _Key | None = None
    participant: _Participant | None = None
    #: The language of the form's texts, if available.
    language: _Language | None = None
    #: Attributes of the person; the participant cannot change them.
    attributes: _Attributes | None = None
    #: The revision to fill in; by default the newest indexed one.
    revision: _Revision | None = None
    #: Seconds from the opening; by default the limit of the form, if any.
    time_limit_seconds: _Seconds | None = None
    #: The access of the participant to the result; by default None.
    show: Show | None = None
    #: Where the page goes after submission; must begin with an address of the setting `returnUrls`.
    return_url: _Url | None = None


class InvitationOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """An invitation to create; repeating a request with the same `key` has no effect.

    The attempt of an invitation for one session gets this key too.
    """

    key: _Key | None = None
    participant: _Participant | None = None
    language: _Language | None = None
    #: Attributes of the person; the participant cannot change them.
    attributes: _Attributes | None = None
    #: The revision to fill in; by default the newest one at the opening of the session.
    revision: _Revision | None = None
    #: When the invitation expires; by default never.
    expires_at: _Time | None = None
    #: Seconds from the opening of the session; by default the limit of the form, if any.
    time_limit_seconds: _Seconds | None = None
    #: The access of the participant to the result; by default None.
    show: Show | None = None
    return_url: _Url | None = None
    #: Maximum sessions; by default one. With one, the code opens the same session on every device.
    max_uses: Annotated[int, Meta(ge=1, le=MAX_USES)] | None = None


class InvitationBody(_Body, frozen=True):
    """An invitation with its code and link."""

    invitation: str
    #: Opens a session: 22 letters and digits. Keep it secret.
    code: str
    #: The link to the pages; absent without the setting `publicUrl`.
    url: str | UnsetType = UNSET
    key: str | UnsetType = UNSET
    participant: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    attributes: dict[str, float | str] | UnsetType = UNSET
    revision: int | UnsetType = UNSET
    expires_at: str | UnsetType = UNSET
    revoked_at: str | UnsetType = UNSET
    time_limit_seconds: int | UnsetType = UNSET
    show: Show | UnsetType = UNSET
    return_url: str | UnsetType = UNSET
    uses: int | UnsetType = UNSET
    max_uses: int | UnsetType = UNSET
    #: True: the key already had this invitation.
    repeated: Literal[True] | UnsetType = UNSET


class InvitationPage(_Body, frozen=True):
    """Invitations by creation; `next` is the cursor to continue from, also at the end."""

    items: list[InvitationBody]
    next: str


class InvitationLine(_Body, frozen=True):
    """The answer to one line of a bulk creation: a link, or a problem."""

    #: From 1; blank lines are counted but not answered.
    line: int
    #: 201, 200 if it existed, 409, 413, 422 or 503.
    status: int
    key: str | UnsetType = UNSET
    invitation: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    problem: ProblemDocument | UnsetType = UNSET


class InvitationExtension(_Body, frozen=True, forbid_unknown_fields=True):
    """A new expiry of an invitation; null: never."""

    expires_at: _Time | None


class Welcome(_Body, frozen=True):
    """Public data of an invitation by its code; reading it changes nothing."""

    instrument: str
    title: str
    #: Whether it opens a session now; otherwise `reason` is Revoked, Expired or Used.
    is_open: bool
    reason: str | UnsetType = UNSET
    #: True: it is for one session, which was opened before; opening it again leads back to that session.
    is_started: Literal[True] | UnsetType = UNSET
    #: The language of title and instructions: the requested one if there are such texts, else the invitation's.
    language: str | UnsetType = UNSET
    languages: list[str] | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    duration_minutes: float | UnsetType = UNSET
    time_limit_seconds: int | UnsetType = UNSET
    expires_at: str | UnsetType = UNSET


class ReleaseOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """Whether results are released to participants with AfterRelease."""

    released: bool = True


class Release(_Body, frozen=True):
    """The release of an instrument's results to participants."""

    instrument: str
    released: bool
    released_at: str | UnsetType = UNSET


class SessionSave(_Body, frozen=True, forbid_unknown_fields=True):
    """Answers to merge into a session. Null removes an answer."""

    #: Greater than in the last save; repeating the same save has no effect.
    seq: Annotated[int, Meta(ge=1, le=limits.MAX_INTEGER)]
    answers: dict[str, _Number | str | list[_Number | str] | None] = msgspec.field(
        default_factory=dict
    )
    #: Attributes stated by the participant; those of the invitation cannot be changed.
    attributes: _Attributes = msgspec.field(default_factory=dict)
    #: The current page of the participant; stored unchanged.
    page: Annotated[int, Meta(ge=0, le=limits.MAX_ITEMS)] = 0
    #: The section that the participant opens. A time limit of it runs from the first save that names it or answers one
    #: of its items.
    section: str | None = None
    #: The language that the participant changes to; the form's texts are in it, if available.
    language: _Language | None = None


class SavedSession(_Body, frozen=True):
    """The result of a save."""

    session: str
    seq: int
    #: True: this save was stored before.
    repeated: Literal[True] | UnsetType = UNSET


class SessionBody(_Body, frozen=True):
    """A session with its answers and its deadline."""

    session: str
    instrument: str
    revision: int
    state: SessionState
    #: Times are by the database's clock. After `deadlineAt` and a short grace period the saved answers are
    #: submitted.
    opened_at: str
    expires_at: str
    seq: int
    page: int
    answers: dict[str, float | str | list[float | str]]
    attributes: dict[str, float | str]
    show: Show
    #: The attributes that the invitation or the API key fixed; the participant cannot change them.
    fixed_attributes: list[str] | UnsetType = UNSET
    deadline_at: str | UnsetType = UNSET
    #: Deadlines of the opened sections that have a time limit. After one and a short grace period, answers to the items of
    #: its section are refused (`SectionOver`).
    section_deadlines: dict[str, str] | UnsetType = UNSET
    #: When the session was read; present with a deadline. The difference is the time left; it does not depend on the caller's clock.
    read_at: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    return_url: str | UnsetType = UNSET
    #: Of a submitted session: its attempt, and the token that reads the result, if the participant may read it (now
    #: or after the release).
    attempt: str | UnsetType = UNSET
    attempt_token: str | UnsetType = UNSET
    #: Only in the answer to the opening: the session's token and the form.
    token: str | UnsetType = UNSET
    form: FormBody | UnsetType = UNSET
    #: True: the session was open before.
    repeated: Literal[True] | UnsetType = UNSET


class SubmittedBody(_Body, frozen=True):
    """The result of submitting a session."""

    session: str
    attempt: str
    state: Literal["Submitted", "Scored", "Failed"]
    show: Show
    #: The token that reads the result; absent if the participant may not read it.
    attempt_token: str | UnsetType = UNSET
    return_url: str | UnsetType = UNSET
    #: Present if the request waited for it and the participant may read it now.
    result: ResultBody | UnsetType = UNSET
    repeated: Literal[True] | UnsetType = UNSET


class WithdrawnSession(_Body, frozen=True):
    """The result of withdrawing a session; its answers are removed."""

    session: str
    state: Literal["Withdrawn"] = "Withdrawn"


class SessionExtension(_Body, frozen=True, forbid_unknown_fields=True):
    """A longer time limit, in seconds from the opening of the session."""

    time_limit_seconds: Annotated[int, Meta(ge=1, le=7 * limits.MAX_TIME_LIMIT)]


class ExtendedSession(_Body, frozen=True):
    """The deadline of a session; an extension never shortens it."""

    session: str
    deadline_at: str


class ErasedBody(_Body, frozen=True):
    """Numbers of erased records."""

    attempts: int
    sessions: int
    invitations: int


def without_nulls(order: msgspec.Struct) -> dict[str, object]:
    """Return the members of an order that are not null."""
    return {
        name: value for name, value in msgspec.structs.asdict(order).items() if value is not None
    }
