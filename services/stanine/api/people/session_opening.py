"""Opens sessions, by an API key or by an invitation's code. Called by the routes of sessions."""

import hashlib
from collections.abc import Awaitable, Callable

import msgspec

from stanine.api.admin.current_settings import CurrentSettings
from stanine.api.intake.id_entropy import IdEntropy
from stanine.api.intake.storing import Intake
from stanine.api.loops import IndexFollower
from stanine.api.people.body_reading import refused
from stanine.api.people.codes import InvitationCodes
from stanine.api.people.inviting import InvitationDesk
from stanine.api.people.session_bodies import SessionOrder, without_nulls
from stanine.api.people.session_problems import ENDS, ended, invitation_ended
from stanine.api.people.sessions import DAY_MS, SessionDesk
from stanine.api.web.deadlines import within
from stanine.api.web.problems import INVALID_REQUEST, KEY_CONFLICT, NotFound, Problem
from stanine.domain.scoring.index import IndexEntry
from stanine.store.index import IndexView
from stanine.store.invitations import Given
from stanine.store.records import RANDOM_BYTES, id_random
from stanine.store.sessions import NewSession, Sessions, StoredSession, session_id
from stanine.telemetry.api_metrics import ApiMetrics

_encode = msgspec.msgpack.Encoder(order="deterministic").encode

#: The form of a session to open, its revision, and the values that its creator fixed.
_Decided = tuple[IndexEntry, int, Given]


class SessionOpening:
    """Opens sessions. Every method raises a Problem for an invalid request."""

    def __init__(
        self,
        sessions: Sessions,
        desk: SessionDesk,
        inviting: InvitationDesk,
        index: IndexFollower,
        intake: Intake,
        codes: InvitationCodes,
        live: CurrentSettings,
        metrics: ApiMetrics,
    ) -> None:
        self._sessions = sessions
        self._desk = desk
        self._inviting = inviting
        self._index = index
        self._intake = intake
        self._codes = codes
        self._live = live
        self._metrics = metrics
        self._randoms = IdEntropy()

    async def open_by_key(
        self, name: str, order: SessionOrder, key_space: bytes
    ) -> tuple[StoredSession, bool]:
        """Open a session by an API key; return it, and whether it was open before.

        The same key of an attempt returns the same session.
        """
        random = self._randoms.take()
        if order.key is not None:
            entry = await self._inviting.entry(name, None)
            what = key_space + entry.number.to_bytes(4, "big") + order.key.encode()
            random = id_random(self._codes.private_name(what, RANDOM_BYTES))

        async def decide() -> _Decided:
            entry = await self._inviting.entry(name, order.revision)
            return (
                entry,
                order.revision or entry.revision,
                self._inviting.decide(entry, order, key_space, with_key=True),
            )

        session, repeated = await self._open(session_id(random), decide, b"")
        its = session.given
        if repeated and _meaning(its, session.revision, order) != _meaning(
            (await decide())[2], order.revision or session.revision, order
        ):
            raise Problem(
                KEY_CONFLICT,
                "A session with this key and another content was opened before. Give a new session a new key.",
            )
        return session, repeated

    async def open_by_code(
        self, name: str, order: SessionOrder, code: str, key: str | None
    ) -> tuple[StoredSession, bool]:
        """Open a session by an invitation; return it, and whether it was open before.

        An invitation for one session returns the same session on every device.
        """
        if others := sorted(set(without_nulls(order)) - {"language"}):
            raise refused(
                INVALID_REQUEST,
                "",
                "UnknownField",
                f"only `language` may be given with a code, not {others[0]}: the invitation says the rest",
            )
        invitation = await self._inviting.of_code(code)
        entry = await self._inviting.entry(name, invitation.revision or None)
        if entry.number != invitation.number:
            raise NotFound("Instrument", name)
        reason = ended(invitation, await within(self._sessions.now()))
        if reason in ("Revoked", "Expired"):
            raise invitation_ended(reason)
        random = self._randoms.take()
        if invitation.most_uses == 1:
            random = _derived(invitation.id)
        elif key is not None:
            what = invitation.id + key.encode()
            random = id_random(self._codes.private_name(what, RANDOM_BYTES))

        async def decide() -> _Decided:
            entry = await self._inviting.entry(name, invitation.revision or None)
            its = invitation.given
            its = (
                its
                if order.language is None
                else msgspec.structs.replace(its, language=order.language)
            )
            return entry, invitation.revision or entry.revision, its

        return await self._open(session_id(random), decide, invitation.id)

    async def _open(
        self, name: bytes, decide: Callable[[], Awaitable[_Decided]], invitation: bytes
    ) -> tuple[StoredSession, bool]:
        self._intake.admit()

        async def take(view: IndexView) -> str:
            entry, revision, its = await decide()
            limit = its.time_limit_ms or 1000 * (entry.time_limit_seconds or 0)
            its = msgspec.structs.replace(its, time_limit_ms=limit)
            settings = self._live.now
            new = NewSession(
                name,
                entry.number,
                revision,
                view.view,
                its,
                settings.session_days * DAY_MS,
                settings.session_grace_seconds * 1000,
                invitation,
            )
            return await within(self._sessions.open(new))

        _, outcome = await self._index.consistent(take)
        if outcome in ENDS:
            raise invitation_ended(outcome)
        if outcome in ("Unknown", "Gone"):
            raise (
                NotFound("Invitation", "of this code")
                if invitation
                else NotFound("Instrument", "of this name")
            )
        session = await self._desk.find(name)
        self._metrics.session("repeated" if outcome == "Repeated" else "opened")
        return session, outcome == "Repeated"


def _derived(invitation_id: bytes) -> bytes:
    """Return the random part of the id of the session of an invitation for one session; deterministic.

    An unkeyed hash, since the invitation's id is random: it reveals nothing of a person.
    """
    return id_random(
        hashlib.blake2b(invitation_id, digest_size=RANDOM_BYTES, person=b"stanine-use").digest()
    )


def _meaning(its: Given, revision: int, order: SessionOrder) -> bytes:
    """Return the content that identifies a repeated order, without a time limit of the form."""
    limit = its.time_limit_ms if order.time_limit_seconds is not None else 0
    return _encode(
        [msgspec.structs.astuple(msgspec.structs.replace(its, time_limit_ms=limit)), revision]
    )
