"""Opens, saves, submits and withdraws sessions. Called by their routes and by the sweep.

Each change is one atomic function call of the store. Checks against the form are repeated where they count: an
attempt is packed and stored with the view of the index that its form was read with.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from opentelemetry.trace import INVALID_SPAN, Span, Tracer

from stanine.api.admin.current_settings import CurrentSettings
from stanine.api.intake.bulk import erased
from stanine.api.intake.id_entropy import IdEntropy
from stanine.api.intake.storing import Intake
from stanine.api.loops import IndexFollower
from stanine.api.people.body_reading import BodyReader, refused
from stanine.api.people.codes import Codes
from stanine.api.people.inviting import InvitationDesk
from stanine.api.people.session_bodies import SessionOrder, SessionSave, without_nulls
from stanine.api.web.deadlines import within
from stanine.api.web.problems import (
    INVALID_ATTEMPT,
    INVALID_REQUEST,
    INVITATION_ENDED,
    KEY_CONFLICT,
    NOT_INDEXED,
    SESSION_CLOSED,
    SESSION_CONFLICT,
    NotFound,
    Problem,
    Saved,
    from_faults,
)
from stanine.domain.attempts.attempt import Attempt, settled
from stanine.domain.attempts.explain import pointer
from stanine.domain.attempts.response import meaning
from stanine.domain.errors import Faults, InvalidAttempt
from stanine.domain.instruments.public_form import language_of
from stanine.domain.scoring.index import IndexEntry
from stanine.messages import SCORE_ATTEMPTS
from stanine.store.attempts import Submission
from stanine.store.index import IndexView
from stanine.store.invitations import Given, StoredInvitation
from stanine.store.records import RANDOM_BYTES, id_random
from stanine.store.sessions import NewSession, Sessions, StoredSession, SubmittedSession, session_id
from stanine.telemetry.api_metrics import ApiMetrics
from stanine.telemetry.traces import sending

#: Prefix of the attributes that a participant states, among the stored answers of a session; no item id begins with
#: it.
ATTRIBUTE = "@"
#: Maximum tries of a submission; it is retried if the session was saved between reading and submitting it.
MAX_TRIES = 5
#: Maximum sessions in the cache of forms, which saves a call per save: about 300 bytes each.
MAX_KNOWN = 20_000
#: Milliseconds of a day.
DAY_MS = 86_400_000

_CONTENT_BYTES = 8
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_ENDS = {
    "Revoked": "It was revoked.",
    "Expired": "It has expired.",
    "Used": "All its sessions were opened.",
}
_CLOSED = {
    "Submitted": "It was submitted.",
    "Withdrawn": "It was withdrawn.",
    "Late": "Its time is over; the saved answers are submitted.",
}


class _Known(msgspec.Struct, frozen=True):
    """The immutable data of a session."""

    number: int
    revision: int
    given: Given


#: The form of a session to open, its revision, and the values that its creator fixed.
_Decided = tuple[IndexEntry, int, Given]


class SessionDesk:
    """The operations of the session routes.

    Every method raises a Problem for an invalid request.
    """

    def __init__(
        self,
        sessions: Sessions,
        desk: InvitationDesk,
        index: IndexFollower,
        intake: Intake,
        codes: Codes,
        live: CurrentSettings,
        *,
        tracer: Tracer,
        metrics: ApiMetrics,
    ) -> None:
        self._sessions = sessions
        self._desk = desk
        self._index = index
        self._intake = intake
        self._codes = codes
        self._live = live
        self._tracer = tracer
        self._metrics = metrics
        self._randoms = IdEntropy()
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._saves = BodyReader(SessionSave, INVALID_ATTEMPT)

    async def open_by_key(
        self, name: str, order: SessionOrder, key_space: bytes
    ) -> tuple[StoredSession, bool]:
        """Open a session by an API key; return it, and whether it was open before.

        The same key of an attempt returns the same session.
        """
        random = self._randoms.take()
        if order.key is not None:
            entry = await self._desk.entry(name, None)
            what = key_space + entry.number.to_bytes(4, "big") + order.key.encode()
            random = id_random(self._codes.private_name(what, RANDOM_BYTES))

        async def decide() -> _Decided:
            entry = await self._desk.entry(name, order.revision)
            return (
                entry,
                order.revision or entry.revision,
                self._desk.decide(entry, order, key_space, with_key=True),
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
        invitation = await self._desk.of_code(code)
        entry = await self._desk.entry(name, invitation.revision or None)
        if entry.number != invitation.number:
            raise NotFound("Instrument", name)
        reason = ended(invitation, await within(self._sessions.now()))
        if reason in ("Revoked", "Expired"):
            raise invitation_ended(reason)
        random = self._randoms.take()
        if invitation.most_uses == 1:
            random = _derived(invitation.id)
        elif key is not None:
            random = _derived(invitation.id + key.encode())

        async def decide() -> _Decided:
            entry = await self._desk.entry(name, invitation.revision or None)
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
        if outcome in _ENDS:
            raise invitation_ended(outcome)
        if outcome in ("Unknown", "Gone"):
            raise (
                NotFound("Invitation", "of this code")
                if invitation
                else NotFound("Instrument", "of this name")
            )
        session = await self.find(name)
        self._metrics.session("repeated" if outcome == "Repeated" else "opened")
        return session, outcome == "Repeated"

    async def find(self, name: bytes) -> StoredSession:
        """Return a session. Raises the problem not-found, also for an expired one."""
        session = await within(self._sessions.read(name))
        if session is None:
            raise NotFound("Session", name.hex())
        return session

    async def entry(self, session: StoredSession | _Known) -> IndexEntry:
        """Return the index entry of a session's form.

        Raises the problem not-indexed while it is being built.
        """
        entry = self._index.view.numbered(session.number, session.revision)
        if entry is None:
            await self._index.refresh()
            entry = self._index.view.numbered(session.number, session.revision)
        if entry is None:
            raise Problem(NOT_INDEXED, "The indexWatcher is building the entry of its instrument.")
        return entry

    async def save(self, name: bytes, text: bytes) -> tuple[int, bool]:
        """Merge answers into a session; return `seq`, and whether this save was stored before."""
        if self._intake.is_full:
            self._intake.admit()
        save = self._saves.read(text)
        known = self._known.get(name)
        session: StoredSession | None = None
        if known is None:
            session = await self.find(name)
            known = self._remember(session)
        form = self._desk.form(await self.entry(known))
        given = settled(save.answers)
        removed = [item for item, answer in save.answers.items() if answer is None]
        fields = self._fields_of(save, given, removed, form.entry, known.given)
        answers: dict[str, Any] = {}
        attributes = {**known.given.attributes}
        if form.needs_all or save.attributes:
            answers, said = held(session or await self.find(name))
            attributes |= said
        attributes |= settled(save.attributes or {})
        for attribute, value in (save.attributes or {}).items():
            if value is None:
                attributes.pop(attribute, None)
        try:
            form.check({**given, **dict.fromkeys(removed)}, answers, attributes)
        except InvalidAttempt as error:
            raise from_faults(INVALID_ATTEMPT, error) from None
        content = hashlib.blake2b(
            _encode(msgspec.structs.astuple(save)), digest_size=_CONTENT_BYTES
        ).digest()
        outcome = await within(self._sessions.save(name, save.seq, content, save.page, fields))
        if outcome == "Older":
            self._metrics.session("conflict")
            raise conflict(await self.find(name))
        if outcome not in ("Saved", "Repeated"):
            self._known.pop(name, None)
            raise closed(outcome, name)
        self._metrics.session("saved")
        return save.seq, outcome == "Repeated"

    def _fields_of(
        self,
        save: SessionSave,
        given: dict[str, Any],
        removed: list[str],
        entry: IndexEntry,
        its: Given,
    ) -> dict[str, bytes]:
        """Return the fields of a save: answers as JSON; empty for removed ones."""
        texts = {item.id for item in entry.items if item.type == "Text"}
        fields = {
            item: b"" if answer == "" and item in texts else msgspec.json.encode(answer)
            for item, answer in given.items()
        }
        fields |= dict.fromkeys(removed, b"")
        faults = Faults()
        for attribute, value in (save.attributes or {}).items():
            if attribute in its.attributes:
                faults.add(
                    pointer("/attributes", attribute),
                    "Contradiction",
                    "this attribute is fixed and cannot be changed",
                )
            fields[ATTRIBUTE + attribute] = b"" if value is None else msgspec.json.encode(value)
        if faults.count:
            raise from_faults(INVALID_ATTEMPT, InvalidAttempt(faults.kept, faults.count))
        return fields

    async def submit(
        self, name: bytes, span: Span = INVALID_SPAN
    ) -> tuple[StoredSession, SubmittedSession]:
        """Submit the answers of a session; a submitted session gets the first answer again.

        Raises a Problem if a required answer is missing.
        """
        self._intake.admit()
        for _ in range(MAX_TRIES):

            async def take(view: IndexView) -> tuple[StoredSession, SubmittedSession]:
                session = await self.find(name)
                if session.state == "Submitted":
                    return session, SubmittedSession("Submitted", session.attempt, repeated=True)
                if session.state != "Open":
                    raise closed(session.state, name)
                return session, await self._submit(session, view, await self.entry(session), span)

            _, (session, done) = await self._index.consistent(take)
            if done.outcome != "Changed":
                break
        if done.outcome != "Submitted":
            raise self._refusal(done.outcome, session)
        self._metrics.session("repeated" if done.repeated else "submitted")
        return session, done

    async def _submit(
        self, session: StoredSession, view: IndexView, entry: IndexEntry, span: Span
    ) -> SubmittedSession:
        form, (answers, said) = self._desk.form(entry), held(session)
        attributes = {**session.given.attributes, **said}
        found = form.settle(answers, attributes)
        faults = Faults()
        for item in found.missing_items:
            faults.add(
                pointer("/answers", item), "MissingField", "this item is required and has no answer"
            )
        for attribute in found.missing_attributes:
            faults.add(
                pointer("/attributes", attribute),
                "MissingField",
                "this attribute is required and is not known",
            )
        if not found.answers and not faults.count:
            faults.add(
                "/answers",
                "TooFew",
                "no item is answered; an attempt without any answer is not taken",
            )
        if faults.count:
            raise from_faults(INVALID_ATTEMPT, InvalidAttempt(faults.kept, faults.count))
        try:
            submission = submission_of(session, view, form.packer.pack, found.answers, attributes)
        except InvalidAttempt as error:
            raise from_faults(INVALID_ATTEMPT, error) from None
        with sending(self._tracer, SCORE_ATTEMPTS.queue, span) as trace:
            return await within(
                self._sessions.submit(session.id, session.seq, submission, trace=trace)
            )

    def _refusal(self, outcome: str, session: StoredSession) -> Problem:
        match outcome:
            case "Conflict":
                return Problem(
                    KEY_CONFLICT,
                    "An attempt with the key of this session and another content was accepted before.",
                )
            case "Erased":
                return erased()
            case "Changed":
                return conflict(session)
            case "Gone":
                return NotFound("Session", session.id.hex())
        return closed(outcome, session.id)

    async def withdraw(self, name: bytes) -> None:
        """Close a session and remove its answers; repeating it has no effect."""
        outcome = await within(self._sessions.withdraw(name))
        if outcome != "Withdrawn":
            raise closed(outcome, name)
        self._metrics.session("withdrawn")

    async def extend(self, session: StoredSession, limit_ms: int) -> int:
        """Extend the time limit of a session; return its deadline (ms)."""
        deadline = await within(
            self._sessions.extend(session.id, limit_ms, self._live.now.session_days * DAY_MS)
        )
        if not deadline:
            raise (
                closed(session.state, session.id)
                if session.state != "Open"
                else Problem(SESSION_CLOSED, "It has no deadline.", reason="NoDeadline")
            )
        return deadline

    def _remember(self, session: StoredSession) -> _Known:
        known = self._known[session.id] = _Known(session.number, session.revision, session.given)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return known


def submission_of(
    session: StoredSession,
    view: IndexView,
    pack: Any,
    answers: dict[str, Any],
    attributes: dict[str, Any],
) -> Submission:
    """Return the attempt of a session. Raises InvalidAttempt."""
    its = session.given
    attempt = Attempt(answers, its.key, session.revision, its.participant, attributes)
    return Submission(
        number=session.number,
        revision=session.revision,
        codes=pack(attempt),
        # like a submission of the same attempt that does not name its revision
        content=meaning(msgspec.structs.replace(attempt, revision=None)),
        id_random=session.id[:RANDOM_BYTES],
        view=view.view,
        key_space=its.key_space,
        key=its.key,
        participant=its.participant,
        attributes=attributes,
    )


def held(session: StoredSession) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the answers of a session, and the attributes that the participant stated."""
    answers: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for name, text in session.answers.items():
        value = msgspec.json.decode(text)
        if name.startswith(ATTRIBUTE):
            attributes[name.removeprefix(ATTRIBUTE)] = value
        else:
            answers[name] = value
    return answers, attributes


def ended(invitation: StoredInvitation, now: int) -> str | None:
    """Return why an invitation opens no session (Revoked, Expired, Used), or None. `now`: ms."""
    if invitation.revoked_at:
        return "Revoked"
    if 0 < invitation.expires_at <= now:
        return "Expired"
    return "Used" if invitation.uses >= invitation.most_uses else None


def language(entry: IndexEntry, its: Given) -> str | None:
    """Return the language of a session's form; None: the document's own language."""
    return None if its.language is None else language_of(entry, its.language)


def invitation_ended(reason: str) -> Problem:
    """Return the problem of an invitation that opens no session."""
    return Problem(INVITATION_ENDED, _ENDS[reason], reason=reason)


def closed(outcome: str, name: bytes) -> Problem:
    """Return the problem of a closed session."""
    return (
        Problem(SESSION_CLOSED, _CLOSED[outcome], reason=outcome)
        if outcome in _CLOSED
        else NotFound("Session", name.hex())
    )


def conflict(session: StoredSession) -> Problem:
    """Return the problem of an outdated `seq`, with the stored answers."""
    answers, attributes = held(session)
    if session.state != "Open":
        return closed(session.state, session.id)
    saved = Saved(session.seq, session.page, answers, {**session.given.attributes, **attributes})
    return Problem(
        SESSION_CONFLICT,
        f"The last save has the seq {session.seq}. Merge the saved answers, then save with a higher one.",
        session=saved,
    )


def _derived(text: bytes) -> bytes:
    """Return the random part of the id of an invitation's session; deterministic."""
    return id_random(
        hashlib.blake2b(text, digest_size=RANDOM_BYTES, person=b"stanine-use").digest()
    )


def _meaning(its: Given, revision: int, order: SessionOrder) -> bytes:
    """Return the content that identifies a repeated order, without a time limit of the form."""
    limit = its.time_limit_ms if order.time_limit_seconds is not None else 0
    return _encode(
        [msgspec.structs.astuple(msgspec.structs.replace(its, time_limit_ms=limit)), revision]
    )
