"""Creates, reads and presents invitations. Called by the routes of invitations and sessions."""

import hashlib
import os
from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET

from stanine.api.admin.current_settings import CurrentSettings
from stanine.api.bodies import given
from stanine.api.intake.validation import Checker, UnknownRevision
from stanine.api.people.body_reading import BodyReader, refused
from stanine.api.people.codes import InvitationCodes
from stanine.api.people.return_urls import is_allowed
from stanine.api.people.session_bodies import (
    InvitationBody,
    InvitationOrder,
    SessionOrder,
    without_nulls,
)
from stanine.api.result_presenter import iso
from stanine.api.web.deadlines import within
from stanine.api.web.problems import INVALID_REQUEST, NotFound, from_faults
from stanine.domain.attempts.session_answers import SessionForm
from stanine.domain.errors import InvalidAttempt
from stanine.domain.scoring.index import IndexEntry
from stanine.store.invitations import Given, Invitations, Invited, NewInvitation, StoredInvitation
from stanine.store.keys import INVITATION_BYTES

_CONTENT_BYTES = 16
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class InvitationDesk:
    """Creates, reads and presents invitations."""

    def __init__(
        self,
        invitations: Invitations,
        checker: Checker,
        codes: InvitationCodes,
        live: CurrentSettings,
        public_url: str,
    ) -> None:
        """`public_url`: address of the pages while the setting `publicUrl` is empty."""
        self._invitations = invitations
        self._checker = checker
        self._codes = codes
        self._live = live
        self._public_url = public_url
        self.reader = BodyReader(InvitationOrder, INVALID_REQUEST)
        self._forms: dict[tuple[int, int], SessionForm] = {}

    async def prepare(
        self, name: str, order: InvitationOrder, key_space: bytes
    ) -> tuple[int, NewInvitation]:
        """Check an order; return the instrument's number and the record to store.

        Raises a Problem.
        """
        entry = await self.entry(name, order.revision)
        uses = order.max_uses or 1
        decided = self.decide(entry, order, key_space, with_key=uses == 1)
        return entry.number, NewInvitation(
            os.urandom(INVITATION_BYTES),
            _digest(order),
            decided,
            key=order.key,
            key_space=key_space if order.key is not None else b"",
            revision=order.revision or 0,
            most_uses=uses,
            expires_at=milliseconds(order.expires_at),
        )

    async def entry(self, name: str, revision: int | None) -> IndexEntry:
        """Return the index entry of an order's form.

        Raises the problems of `Checker.entry`, but invalid-request for an unknown revision.
        """
        try:
            return await self._checker.entry(name, revision)
        except UnknownRevision as error:
            raise refused(
                INVALID_REQUEST,
                "/revision",
                "UnknownReference",
                f"the newest revision is {error.newest}",
            ) from None

    def decide(
        self,
        entry: IndexEntry,
        order: InvitationOrder | SessionOrder,
        key_space: bytes,
        *,
        with_key: bool,
    ) -> Given:
        """Return the values that an order fixes for its sessions. Raises a Problem.

        `with_key`: the attempt gets the order's key.
        """
        if order.return_url is not None and not is_allowed(
            order.return_url, self._live.now.return_urls
        ):
            raise refused(
                INVALID_REQUEST,
                "/returnUrl",
                "NotAllowed",
                "it begins with none of the addresses in the setting returnUrls; an operator can add it",
            )
        for place, text in (("/key", order.key), ("/participant", order.participant)):
            if text is not None and not text.isprintable():
                raise refused(
                    INVALID_REQUEST,
                    place,
                    "WrongText",
                    "the text holds a character that cannot be printed",
                )
        attributes = {
            name: value for name, value in (order.attributes or {}).items() if value is not None
        }
        try:
            self.form(entry).check({}, {}, attributes)
        except InvalidAttempt as error:
            raise from_faults(INVALID_REQUEST, error) from None
        key = order.key if with_key else None
        return Given(
            participant=order.participant,
            language=order.language,
            attributes=attributes,
            time_limit_ms=1000 * (order.time_limit_seconds or 0),
            show=order.show or "None",
            return_url=order.return_url,
            key=key,
            key_space=key_space if key is not None else b"",
        )

    def form(self, entry: IndexEntry) -> SessionForm:
        """Return the compiled form of an index entry."""
        form = self._forms.get((entry.number, entry.form))
        if form is None or form.entry is not entry:
            form = self._forms[entry.number, entry.form] = SessionForm(entry)
        return form

    async def create(self, number: int, new: Sequence[NewInvitation]) -> list[Invited]:
        """Store at most MAX_INVITATIONS invitations."""
        return await within(self._invitations.create(number, new))

    async def of_code(self, code: str) -> StoredInvitation:
        """Return the invitation of a code.

        Raises the problem not-found, which does not quote the code.
        """
        name = self._codes.read(code)
        found = None if name is None else await within(self._invitations.read(name))
        if found is None:
            raise NotFound("Invitation", "of this code")
        return found

    async def find(self, name: str, text: str) -> StoredInvitation:
        """Return an instrument's invitation by its id, as the API writes it.

        Raises the problem not-found, also for an invitation of another instrument.
        """
        entry = await self._checker.entry(name, None)
        try:
            named = (
                bytes.fromhex(text)
                if text == text.lower() and len(text) == 2 * INVITATION_BYTES
                else b""
            )
        except ValueError:
            named = b""
        stored = (
            await within(self._invitations.read(named)) if len(named) == INVITATION_BYTES else None
        )
        if stored is None or stored.number != entry.number:
            raise NotFound("Invitation", text)
        return stored

    def body(self, stored: StoredInvitation, *, repeated: bool = False) -> InvitationBody:
        """Return the body of an invitation."""
        its = stored.given
        return InvitationBody(
            invitation=stored.id.hex(),
            code=self.code(stored.id),
            url=given(self.url(stored.id)),
            key=given(stored.key),
            participant=given(its.participant),
            language=given(its.language),
            attributes=given({**its.attributes} or None),
            revision=stored.revision or UNSET,
            expires_at=iso(stored.expires_at) if stored.expires_at else UNSET,
            revoked_at=iso(stored.revoked_at) if stored.revoked_at else UNSET,
            time_limit_seconds=its.time_limit_ms // 1000 or UNSET,
            show=its.show,
            return_url=given(its.return_url),
            uses=stored.uses,
            max_uses=stored.most_uses,
            repeated=True if repeated else UNSET,
        )

    def code(self, invitation_id: bytes) -> str:
        """Return the code of an invitation."""
        return self._codes.of(invitation_id)

    def url(self, invitation_id: bytes) -> str | None:
        """Return the link of an invitation; None if the address of the pages is unknown."""
        base = (self._live.now.public_url or self._public_url).rstrip("/")
        return f"{base}/s/{self.code(invitation_id)}" if base else None


def milliseconds(time: datetime | None) -> int:
    """Return a time as ms since 1970, at least 1; 0 for None."""
    return 0 if time is None else max(1, int(time.timestamp() * 1000))


def _digest(order: InvitationOrder) -> bytes:
    """Return the content digest of an order."""
    content = {
        name: value.timestamp() if isinstance(value, datetime) else value
        for name, value in without_nulls(order).items()
    }
    attributes = {
        name: value for name, value in (order.attributes or {}).items() if value is not None
    }
    return hashlib.blake2b(
        _encode(content | {"attributes": attributes}), digest_size=_CONTENT_BYTES
    ).digest()
