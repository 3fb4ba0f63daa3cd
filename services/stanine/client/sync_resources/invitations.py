"""`client.invitations`: create, list, revoke and extend invitations, and release results."""

from collections.abc import Generator, Iterable

from stanine.client import bulk
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
from stanine.client.sync_resources.base import Listing, SyncResource
from stanine.client.sync_resources.lines import send_lines


class InvitationsResource(SyncResource):
    """`client.invitations`: links by which participants open sessions."""

    def create(
        self, instrument: str, invitation: InvitationRequest | None = None
    ) -> InvitationInfo:
        """Create an invitation. With the same key it is created once; without one a random key is made."""
        return self._client.call(invitations.create(instrument, invitation or InvitationRequest()))

    def create_many(
        self,
        instrument: str,
        lines: Iterable[AnyLine],
        *,
        requests_at_once: int = bulk.REQUESTS_AT_ONCE,
    ) -> Generator[InvitationOutcome, None, None]:
        """Create many invitations, each with a key; yield their answers in the order of `lines`.

        A line is an `InvitationRequest`, a mapping, or JSON (bytes or str). The answer of a rejected line contains its
        problem. An error that affects all remaining lines is raised after the answers of the accepted lines; creating
        everything again is idempotent.
        """
        return send_lines(self._client, invitations.BULK, instrument, lines, requests_at_once)

    def list(
        self,
        instrument: str,
        *,
        after: str = "",
        on_history_change: OnHistoryChange = "raise",
        page_size: int = invitations.PAGE,
    ) -> Listing[InvitationInfo]:
        """List an instrument's invitations in the order of their creation, with their codes."""
        reader = ListReader(
            self._client.context,
            lambda at: invitations.page(instrument, at, page_size),
            after,
            on_history_change,
            _id_of,
        )
        return Listing(self._client, reader)

    def revoke(self, instrument: str, invitation: str) -> InvitationInfo:
        """Revoke an invitation; open sessions continue."""
        return self._client.call(invitations.revoke(instrument, invitation))

    def extend(self, instrument: str, invitation: str, expires_at: str | None) -> InvitationInfo:
        """Change when an invitation expires (RFC 3339); None: never."""
        return self._client.call(invitations.extend(instrument, invitation, expires_at))

    def qr(self, instrument: str, invitation: str) -> str:
        """Return the link of an invitation as a QR code (SVG); needs the setting `publicUrl`."""
        return self._client.call(invitations.qr(instrument, invitation))

    def preview(
        self, code: str, *, language: str | None = None, accept_language: str | None = None
    ) -> InvitationPreview:
        """Return what a code shows before a session is opened; changes nothing.

        The texts are in `language`, else the invitation's, else one of `accept_language` (a header of that name).
        """
        return self._client.call(invitations.preview(code, language, accept_language))

    def release(self, instrument: str, *, released: bool = True) -> ResultsRelease:
        """Release an instrument's results to participants with AfterRelease, or withdraw the release."""
        return self._client.call(invitations.release(instrument, released=released))


def _id_of(invitation: InvitationInfo) -> str:
    return invitation.invitation
