"""`client.invitations` for asyncio: create, list, revoke and extend invitations, and release results."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable

from stanine.client import bulk
from stanine.client.async_resources.base import AsyncListing, AsyncResource
from stanine.client.async_resources.lines import send_lines
from stanine.client.calls import invitations
from stanine.client.calls.lines import AnyLine
from stanine.client.listing import ListReader, OnHistoryChange
from stanine.client.records import (
    InvitationInfo,
    InvitationOutcome,
    InvitationPreview,
    InvitationRequest,
    ResultsRelease,
)


class AsyncInvitationsResource(AsyncResource):
    """`client.invitations`: links by which participants open sessions."""

    async def create(
        self, instrument: str, invitation: InvitationRequest | None = None
    ) -> InvitationInfo:
        """Create an invitation. With the same key it is created once; without one a random key is made."""
        return await self._client.call(
            invitations.create(instrument, invitation or InvitationRequest())
        )

    def create_many(
        self,
        instrument: str,
        lines: Iterable[AnyLine] | AsyncIterable[AnyLine],
        *,
        requests_at_once: int = bulk.REQUESTS_AT_ONCE,
    ) -> AsyncGenerator[InvitationOutcome, None]:
        """Create many invitations, each with a key; yield their answers in the order of `lines`."""
        return send_lines(self._client, invitations.BULK, instrument, lines, requests_at_once)

    def list(
        self,
        instrument: str,
        *,
        after: str = "",
        on_history_change: OnHistoryChange = "raise",
        page_size: int = invitations.PAGE,
    ) -> AsyncListing[InvitationInfo]:
        """List an instrument's invitations in the order of their creation, with their codes."""
        reader = ListReader(
            self._client.context,
            lambda at: invitations.page(instrument, at, page_size),
            after,
            on_history_change,
            _id_of,
        )
        return AsyncListing(self._client, reader)

    async def revoke(self, instrument: str, invitation: str) -> InvitationInfo:
        """Revoke an invitation; open sessions continue."""
        return await self._client.call(invitations.revoke(instrument, invitation))

    async def extend(
        self, instrument: str, invitation: str, expires_at: str | None
    ) -> InvitationInfo:
        """Change when an invitation expires (RFC 3339); None: never."""
        return await self._client.call(invitations.extend(instrument, invitation, expires_at))

    async def qr(self, instrument: str, invitation: str) -> str:
        """Return the link of an invitation as a QR code (SVG); needs the setting `publicUrl`."""
        return await self._client.call(invitations.qr(instrument, invitation))

    async def preview(
        self, code: str, *, language: str | None = None, accept_language: str | None = None
    ) -> InvitationPreview:
        """Return what a code shows before a session is opened; changes nothing.

        The texts are in `language`, else the invitation's, else one of `accept_language` (a header of that name).
        """
        return await self._client.call(invitations.preview(code, language, accept_language))

    async def release(self, instrument: str, *, released: bool = True) -> ResultsRelease:
        """Release an instrument's results to participants with AfterRelease, or withdraw the release."""
        return await self._client.call(invitations.release(instrument, released=released))


def _id_of(invitation: InvitationInfo) -> str:
    return invitation.invitation
