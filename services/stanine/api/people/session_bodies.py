"""The bodies of sessions, invitations and erasure, as records: what OpenAPI describes, what is read and written. Used by their routes."""

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
#: Characters of an address.
MAX_URL = 2_000
_Url = Annotated[str, Meta(min_length=1, max_length=MAX_URL)]
_Time = Annotated[datetime, Meta(tz=True)]
#: Sessions that one invitation may open.
MAX_USES = 1_000_000


class SessionOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """A session to open. By an invitation's code only `language` may be given: the invitation says the rest."""

    #: The key of the attempt that it becomes: the same key with the same content gives the same session.
    key: _Key | None = None
    participant: _Participant | None = None
    #: The language of the form's texts, as far as it has them.
    language: _Language | None = None
    #: What is known of the person; the participant cannot change it.
    attributes: _Attributes | None = None
    #: The revision to fill in; the newest indexed one by default.
    revision: _Revision | None = None
    #: From its opening; by default the form's own limit, if it has one.
    time_limit_seconds: _Seconds | None = None
    #: What the participant may read of the result; None by default.
    show: Show | None = None
    #: Where a page goes afterwards; it must begin with one of the addresses in the setting `returnUrls`.
    return_url: _Url | None = None


class InvitationOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """An invitation to create. Its `key` makes creating it again harmless; if it is for one session, the attempt has this key too."""

    key: _Key | None = None
    participant: _Participant | None = None
    language: _Language | None = None
    #: What is known of the person; the participant cannot change it.
    attributes: _Attributes | None = None
    #: The revision to fill in; by default the newest one when the session is opened.
    revision: _Revision | None = None
    #: Until when it opens sessions; without end by default.
    expires_at: _Time | None = None
    #: From the opening of the session; by default the form's own limit, if it has one.
    time_limit_seconds: _Seconds | None = None
    #: What the participant may read of the result; None by default.
    show: Show | None = None
    return_url: _Url | None = None
    #: How many sessions it opens; one by default. With one, the code leads back to the same session, on every device.
    max_uses: Annotated[int, Meta(ge=1, le=MAX_USES)] | None = None


class InvitationBody(_Body, frozen=True):
    """An invitation, with the code and the link to hand out."""

    invitation: str
    #: Who has it may open a session: 22 letters and digits.
    code: str
    #: The link of the pages; absent unless the setting `publicUrl` says where they are.
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
    #: True where the key had this invitation already.
    repeated: Literal[True] | UnsetType = UNSET


class InvitationPage(_Body, frozen=True):
    """Invitations in the order of their creation; `next` is the cursor to continue from, also when there is nothing new yet."""

    items: list[InvitationBody]
    next: str


class InvitationLine(_Body, frozen=True):
    """The answer to one line of a bulk creation: a link, or a problem."""

    #: From 1; blank lines count but are not answered.
    line: int
    #: 201, 200 if it was there already, 409, 413, 422 or 503.
    status: int
    key: str | UnsetType = UNSET
    invitation: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    problem: ProblemDocument | UnsetType = UNSET


class InvitationExtension(_Body, frozen=True, forbid_unknown_fields=True):
    """Until when an invitation opens sessions; null: without end."""

    expires_at: _Time | None


class Welcome(_Body, frozen=True):
    """What an invitation's code tells before anything is opened; asking changes nothing."""

    instrument: str
    title: str
    #: Whether it opens a session now; else `reason` says why not: Revoked, Expired or Used.
    is_open: bool
    reason: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    languages: list[str] | UnsetType = UNSET
    duration_minutes: float | UnsetType = UNSET
    time_limit_seconds: int | UnsetType = UNSET
    expires_at: str | UnsetType = UNSET


class ReleaseOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """Whether participants whose invitation says AfterRelease may read their results."""

    released: bool = True


class Release(_Body, frozen=True):
    """Whether the results of an instrument are released to participants, and since when."""

    instrument: str
    released: bool
    released_at: str | UnsetType = UNSET


class SessionSave(_Body, frozen=True, forbid_unknown_fields=True):
    """Answers of a session to save; they are merged with those that it has. Null removes an answer."""

    #: A number above that of the last save; the same save again is answered as before.
    seq: Annotated[int, Meta(ge=1, le=limits.MAX_INTEGER)]
    answers: dict[str, _Number | str | list[_Number | str] | None] = msgspec.field(
        default_factory=dict
    )
    #: What the participant says of the own person; what the invitation has said cannot be changed.
    attributes: _Attributes = msgspec.field(default_factory=dict)
    #: Where the participant is; kept as it is.
    page: Annotated[int, Meta(ge=0, le=limits.MAX_ITEMS)] = 0


class SavedSession(_Body, frozen=True):
    """A save was taken."""

    session: str
    seq: int
    #: True where this very save was taken before.
    repeated: Literal[True] | UnsetType = UNSET


class SessionBody(_Body, frozen=True):
    """A session: what it is, what was answered, how long there is time."""

    session: str
    instrument: str
    revision: int
    state: SessionState
    #: Times are by the database's clock. After `deadlineAt` and a short grace what is there is submitted.
    opened_at: str
    expires_at: str
    seq: int
    page: int
    answers: dict[str, float | str | list[float | str]]
    attributes: dict[str, float | str]
    show: Show
    deadline_at: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    return_url: str | UnsetType = UNSET
    #: Of a submitted session: its attempt, and the token that reads the result, if the participant may (now or after the release).
    attempt: str | UnsetType = UNSET
    attempt_token: str | UnsetType = UNSET
    #: Only in the answer to its opening: the session's token, and the form.
    token: str | UnsetType = UNSET
    form: FormBody | UnsetType = UNSET
    #: True where it was open before.
    repeated: Literal[True] | UnsetType = UNSET


class SubmittedBody(_Body, frozen=True):
    """What a submitted session became."""

    session: str
    attempt: str
    state: Literal["Submitted", "Scored", "Failed"]
    show: Show
    #: The token that reads the result; absent if the participant may not.
    attempt_token: str | UnsetType = UNSET
    return_url: str | UnsetType = UNSET
    #: If it was waited for, and the participant may read it now.
    result: ResultBody | UnsetType = UNSET
    repeated: Literal[True] | UnsetType = UNSET


class WithdrawnSession(_Body, frozen=True):
    """A session was withdrawn; its answers are removed."""

    session: str
    state: Literal["Withdrawn"] = "Withdrawn"


class SessionExtension(_Body, frozen=True, forbid_unknown_fields=True):
    """A longer time limit, from the opening of the session on."""

    time_limit_seconds: Annotated[int, Meta(ge=1, le=7 * limits.MAX_TIME_LIMIT)]


class ExtendedSession(_Body, frozen=True):
    """The deadline of a session; it is never moved back."""

    session: str
    deadline_at: str


class ErasedBody(_Body, frozen=True):
    """How much was erased."""

    attempts: int
    sessions: int
    invitations: int


def without_nulls(order: msgspec.Struct) -> dict[str, object]:
    """Return the members of an order that say something."""
    return {
        name: value for name, value in msgspec.structs.asdict(order).items() if value is not None
    }
