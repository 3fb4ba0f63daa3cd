"""Why an invitation opens no session, and why a session takes no answers. Used by the operations and routes of sessions and invitations."""

from stanine.api.people.session_content import held
from stanine.api.web.problems import (
    INVITATION_ENDED,
    SESSION_CLOSED,
    SESSION_CONFLICT,
    NotFound,
    Problem,
    Saved,
)
from stanine.store.invitations import StoredInvitation
from stanine.store.sessions import StoredSession

#: Reasons why an invitation opens no session.
ENDS = {
    "Revoked": "It was revoked.",
    "Expired": "It has expired.",
    "Used": "All its sessions were opened.",
}
_CLOSED = {
    "Submitted": "It was submitted.",
    "Withdrawn": "It was withdrawn.",
    "Late": "Its time is over; the saved answers are submitted.",
}


def ended(invitation: StoredInvitation, now: int) -> str | None:
    """Return why an invitation opens no session (Revoked, Expired, Used), or None. `now`: ms."""
    if invitation.revoked_at:
        return "Revoked"
    if 0 < invitation.expires_at <= now:
        return "Expired"
    return "Used" if invitation.uses >= invitation.most_uses else None


def invitation_ended(reason: str) -> Problem:
    """Return the problem of an invitation that opens no session."""
    return Problem(INVITATION_ENDED, ENDS[reason], reason=reason)


def closed(outcome: str, name: bytes) -> Problem:
    """Return the problem of a closed session."""
    return (
        Problem(SESSION_CLOSED, _CLOSED[outcome], reason=outcome)
        if outcome in _CLOSED
        else NotFound("Session", name.hex())
    )


def conflict(session: StoredSession) -> Problem:
    """Return the problem of an outdated `seq`, with the stored answers."""
    answers, attributes = held(session.answers)
    if session.state != "Open":
        return closed(session.state, session.id)
    saved = Saved(session.seq, session.page, answers, {**session.given.attributes, **attributes})
    return Problem(
        SESSION_CONFLICT,
        f"The last save has the seq {session.seq}. Merge the saved answers, then save with a higher one.",
        session=saved,
    )
