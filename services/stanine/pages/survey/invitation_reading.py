"""Reads the invitation of a code. Called by the routes that a code leads to; it changes nothing."""

from starlette.requests import Request

from stanine.client.errors import InvitationEndedError, ProblemInfo
from stanine.client.records import InvitationPreview
from stanine.pages.survey.sources import SessionSource

#: Characters of Accept-Language that are passed on.
_MAX_HEADER = 200


async def read_invitation(
    source: SessionSource, request: Request, code: str, language: str | None
) -> InvitationPreview:
    """Return the invitation of a code. Raises the client's errors, InvitationEndedError if it opens no session."""
    accepts = request.headers.get("accept-language", "")[:_MAX_HEADER]
    found = await source.preview(code, language, accepts)
    if not found.is_open:
        problem = ProblemInfo(
            status=410, title="The invitation has ended", reason=found.reason or ""
        )
        raise InvitationEndedError(problem)
    return found
