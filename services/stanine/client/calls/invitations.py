"""Calls about invitations and the release of results. Used by the resource `invitations`."""

import uuid

import msgspec

from stanine.client.calls.lines import BulkRoute
from stanine.client.messages import JSON, ApiCall, call, json_call, query, reader
from stanine.client.records import (
    InvitationInfo,
    InvitationOutcome,
    InvitationPreview,
    InvitationRequest,
    Page,
    ResultsRelease,
)

#: Invitations per page: the API's maximum.
PAGE = 1_000

_ALL = "/v1/instruments/{name}/invitations"


def create(instrument: str, invitation: InvitationRequest) -> ApiCall[InvitationInfo]:
    """Create an invitation. Without a key it gets a random one, for idempotent retries."""
    if invitation.key is None:
        invitation = msgspec.structs.replace(invitation, key=uuid.uuid4().hex)
    return json_call("POST", _ALL, reader(InvitationInfo), {"name": instrument}, body=invitation)


def _is_created(answer: InvitationOutcome) -> bool:
    return bool(answer.invitation and answer.code)


#: Creation of many invitations.
BULK = BulkRoute(f"{_ALL}:bulk", msgspec.json.Decoder(InvitationOutcome).decode, _is_created)


def page(instrument: str, after: str, limit: int) -> ApiCall[Page[InvitationInfo]]:
    """Read a page of an instrument's invitations."""
    return call(
        "GET",
        _ALL,
        reader(Page[InvitationInfo]),
        {"name": instrument},
        query=query(after=after, limit=limit),
    )


def revoke(instrument: str, invitation: str) -> ApiCall[InvitationInfo]:
    """Revoke an invitation; idempotent."""
    return call(
        "POST",
        f"{_ALL}/{{invitation}}:revoke",
        reader(InvitationInfo),
        {"name": instrument, "invitation": invitation},
        headers={"content-type": JSON},
    )


def extend(instrument: str, invitation: str, expires_at: str | None) -> ApiCall[InvitationInfo]:
    """Change when an invitation expires; None: never."""
    return json_call(
        "POST",
        f"{_ALL}/{{invitation}}:extend",
        reader(InvitationInfo),
        {"name": instrument, "invitation": invitation},
        body={"expiresAt": expires_at},
    )


def qr(instrument: str, invitation: str) -> ApiCall[str]:
    """Read the QR code of an invitation's link."""
    return call(
        "GET",
        f"{_ALL}/{{invitation}}/qr",
        lambda reply: reply.body.decode(),
        {"name": instrument, "invitation": invitation},
    )


def preview(
    code: str, language: str | None, accept_language: str | None
) -> ApiCall[InvitationPreview]:
    """Read the public data of an invitation by its code."""
    return call(
        "GET",
        "/v1/invitation",
        reader(InvitationPreview),
        query=query(language=language),
        headers={"accept-language": accept_language} if accept_language else {},
        token=code,
    )


def release(instrument: str, *, released: bool) -> ApiCall[ResultsRelease]:
    """Release an instrument's results to participants, or withdraw the release."""
    return json_call(
        "POST",
        "/v1/instruments/{name}:release",
        reader(ResultsRelease),
        {"name": instrument},
        body={"released": released},
    )
