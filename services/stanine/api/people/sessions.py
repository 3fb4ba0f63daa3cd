"""Saves, submits, withdraws and extends sessions. Called by their routes and by `session_opening`.

Each change is one atomic function call of the store. Checks against the form are repeated where they count: an
attempt is packed and stored with the view of the index that its form was read with.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec
from opentelemetry.trace import INVALID_SPAN, Span, Tracer

from stanine.api.admin.current_settings import CurrentSettings
from stanine.api.intake.bulk import erased
from stanine.api.intake.storing import Intake
from stanine.api.loops import IndexFollower
from stanine.api.people.body_reading import BodyReader
from stanine.api.people.inviting import InvitationDesk
from stanine.api.people.known_answers import KnownAnswers, answers_of
from stanine.api.people.session_bodies import SessionSave
from stanine.api.people.session_content import ATTRIBUTE, held, submission_of
from stanine.api.people.session_problems import closed, conflict
from stanine.api.web.deadlines import within
from stanine.api.web.problems import (
    INVALID_ATTEMPT,
    KEY_CONFLICT,
    NOT_INDEXED,
    SESSION_CLOSED,
    NotFound,
    Problem,
    from_faults,
)
from stanine.domain.attempts.attempt import settled
from stanine.domain.attempts.explain import pointer
from stanine.domain.attempts.session_answers import SessionForm
from stanine.domain.attempts.timed_sections import TimedSections
from stanine.domain.errors import Faults, InvalidAttempt
from stanine.domain.scoring.index import IndexEntry
from stanine.messages import SCORE_ATTEMPTS
from stanine.store.index import IndexView
from stanine.store.invitations import Given
from stanine.store.sessions import SectionUse, Sessions, StoredSession, SubmittedSession
from stanine.telemetry.api_metrics import ApiMetrics
from stanine.telemetry.traces import sending

#: Maximum tries of a submission or a save; it is retried if the session was saved between reading and writing it.
MAX_TRIES = 5
#: Maximum sessions in the cache of forms, which saves a call per save: about 300 bytes each.
MAX_KNOWN = 20_000
#: Milliseconds of a day.
DAY_MS = 86_400_000

_CONTENT_BYTES = 8
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class _Known(msgspec.Struct, frozen=True):
    """The immutable data of a session."""

    number: int
    revision: int
    given: Given


class SessionDesk:
    """The operations of the session routes.

    Every method raises a Problem for an invalid request.
    """

    def __init__(
        self,
        sessions: Sessions,
        inviting: InvitationDesk,
        index: IndexFollower,
        intake: Intake,
        live: CurrentSettings,
        *,
        tracer: Tracer,
        metrics: ApiMetrics,
    ) -> None:
        self._sessions = sessions
        self._inviting = inviting
        self._index = index
        self._intake = intake
        self._live = live
        self._tracer = tracer
        self._metrics = metrics
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._answers = KnownAnswers()
        self._saves = BodyReader(SessionSave, INVALID_ATTEMPT, count_names)

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
        form = self._inviting.form(await self.entry(known))
        fields = self._fields_of(save, form.entry, known.given)
        sections = _sections_of(save, form.timed, form.entry)
        saved = self._answers.of(name) if session is None else answers_of(session)
        content = hashlib.blake2b(
            _encode(msgspec.structs.astuple(save)), digest_size=_CONTENT_BYTES
        ).digest()
        needs_others = bool(save.attributes) or form.needs_others(save.answers)
        is_current = session is not None
        for _ in range(MAX_TRIES):
            if needs_others and saved is None:
                saved, is_current = answers_of(await self.find(name)), True
            try:
                _check(form, save, saved.fields if needs_others and saved else {}, known.given)
            except InvalidAttempt as error:
                if needs_others and not is_current:
                    saved = None  # it may be valid with the present answers
                    continue
                raise from_faults(INVALID_ATTEMPT, error) from None
            done = await within(
                self._sessions.save(
                    name,
                    save.seq,
                    content,
                    save.page,
                    fields,
                    sections=sections,
                    language=save.language,
                    expected=saved.at if needs_others and saved else None,
                )
            )
            if done.session is None:
                break
            saved, is_current = answers_of(done.session), True
        else:
            raise conflict(await self.find(name))  # others save all the time
        if form.has_dependents:
            self._answers.note(name, saved, fields, done)
        outcome = done.outcome
        if outcome == "Older":
            self._metrics.session("conflict")
            raise conflict(await self.find(name))
        if outcome == "Over":
            raise _section_over(save, form.timed, await self.find(name))
        if outcome not in ("Saved", "Repeated"):
            self._known.pop(name, None)
            raise closed(outcome, name)
        self._metrics.session("saved")
        return save.seq, outcome == "Repeated"

    def _fields_of(
        self,
        save: SessionSave,
        entry: IndexEntry,
        its: Given,
    ) -> dict[str, bytes]:
        """Return the fields of a save: answers as JSON; empty for removed ones."""
        given, removed = _given(save)
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
        self._answers.forget(name)
        self._metrics.session("repeated" if done.repeated else "submitted")
        return session, done

    async def _submit(
        self, session: StoredSession, view: IndexView, entry: IndexEntry, span: Span
    ) -> SubmittedSession:
        form, (answers, said) = self._inviting.form(entry), held(session.answers)
        attributes = {**session.given.attributes, **said}
        closed_items = form.timed.closed_items(session.sections, session.read_at)
        found = form.settle(answers, attributes, closed_items)
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
        self._answers.forget(name)
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


def count_names(save: SessionSave) -> int:
    """Return the number of names in the objects within a save."""
    return len(save.answers) + len(save.attributes)


def _given(save: SessionSave) -> tuple[dict[str, Any], list[str]]:
    """Return the answers of a save, and the items whose answers it removes."""
    removed = [item for item, answer in save.answers.items() if answer is None]
    return settled(save.answers), removed


def _check(form: SessionForm, save: SessionSave, saved: Mapping[str, bytes], its: Given) -> None:
    """Validate a save with the saved answers; raise InvalidAttempt."""
    (given, removed), (answers, said) = _given(save), held(saved)
    attributes = {**its.attributes, **said, **settled(save.attributes or {})}
    for attribute, value in (save.attributes or {}).items():
        if value is None:
            attributes.pop(attribute, None)
    form.check({**given, **dict.fromkeys(removed)}, answers, attributes)


def _sections_of(save: SessionSave, timed: TimedSections, entry: IndexEntry) -> list[SectionUse]:
    """Return the sections with a time limit that a save names, or whose items it answers."""
    if save.section is not None and all(one.id != save.section for one in entry.sections):
        faults = Faults()
        faults.add("/section", "UnknownReference", "the form has no such section")
        raise from_faults(INVALID_ATTEMPT, InvalidAttempt(faults.kept, faults.count))
    answered = timed.holding(save.answers)
    return [
        SectionUse(name, limit, name in answered)
        for name, limit in timed.limits_ms.items()
        if name in answered or name == save.section
    ]


def _section_over(save: SessionSave, timed: TimedSections, session: StoredSession) -> Problem:
    """Return the problem of a save with answers to the items of a section whose time is over."""
    late = timed.closed_items(session.sections, session.read_at - session.grace_ms)
    faults = Faults()
    for item in save.answers:
        if item in late:
            detail = "the time of its section is over; leave it out to save the others"
            faults.add(pointer("/answers", item), "SectionOver", detail)
    return from_faults(INVALID_ATTEMPT, InvalidAttempt(faults.kept, faults.count))
