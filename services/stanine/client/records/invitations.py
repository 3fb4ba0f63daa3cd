"""Invitations: what is created, the answers to a creation, and the release of results to participants."""

from collections.abc import Mapping

from stanine.client.errors import ProblemInfo
from stanine.client.records.attempts import AttributeValue
from stanine.client.records.base import ClientRecord, PersonRecord


class InvitationRequest(PersonRecord, frozen=True):
    """One invitation to create."""

    #: The caller's key, 1 to 64 characters; required in bulk. The attempt of an invitation for one session gets it too.
    key: str | None = None
    #: A pseudonym of the caller's choice.
    participant: str | None = None
    #: The language of the form's texts (BCP 47).
    language: str | None = None
    #: Attributes of the person, which the participant cannot change.
    attributes: Mapping[str, AttributeValue] | None = None
    #: The revision to fill in; by default the newest one at the opening.
    revision: int | None = None
    #: When the invitation expires, RFC 3339; by default never.
    expires_at: str | None = None
    #: Seconds from the opening of the session; by default the form's limit, if any.
    time_limit_seconds: int | None = None
    #: The participant's access to the result: None, Participant or AfterRelease; by default None.
    show: str | None = None
    #: Where the pages go after the submission.
    return_url: str | None = None
    #: Maximum sessions; by default one.
    max_uses: int | None = None


class InvitationInfo(PersonRecord, frozen=True):
    """An invitation with its code and link."""

    invitation: str
    #: Opens a session; keep it secret.
    code: str
    #: The link to the pages, if the server has the setting `publicUrl`.
    url: str | None = None
    key: str | None = None
    participant: str | None = None
    language: str | None = None
    attributes: dict[str, int | float | str] | None = None
    revision: int | None = None
    expires_at: str | None = None
    revoked_at: str | None = None
    time_limit_seconds: int | None = None
    show: str | None = None
    return_url: str | None = None
    #: Number of opened sessions, and their maximum.
    uses: int | None = None
    max_uses: int | None = None
    #: Whether the key already had this invitation, from an earlier creation or an earlier try of this call.
    repeated: bool = False


class InvitationOutcome(PersonRecord, frozen=True):
    """The answer to one line of a bulk creation: an invitation, or a problem."""

    #: The line's place in the input, from 1; blank lines count.
    line: int
    #: 201, 200 if it existed, or the status of the problem.
    status: int
    key: str | None = None
    invitation: str | None = None
    code: str | None = None
    url: str | None = None
    problem: ProblemInfo | None = None


class InvitationPreview(ClientRecord, frozen=True):
    """What a code shows before a session is opened."""

    instrument: str
    title: str
    #: Whether it opens a session now; otherwise `reason` is Revoked, Expired or Used.
    is_open: bool
    reason: str | None = None
    #: Whether it is for one session, which was opened before; opening it again leads back to that session.
    is_started: bool = False
    language: str | None = None
    languages: list[str] | None = None
    instructions: str | None = None
    duration_minutes: int | float | None = None
    time_limit_seconds: int | None = None
    expires_at: str | None = None


class ResultsRelease(ClientRecord, frozen=True):
    """Whether an instrument's results are released to participants with AfterRelease."""

    instrument: str
    released: bool
    released_at: str | None = None
