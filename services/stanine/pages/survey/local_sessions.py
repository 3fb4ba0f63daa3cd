"""Sessions of one document in the memory of this process, for a preview. Nothing is stored; a restart forgets them.

The rules are those of the API (`domain.attempts.session_answers`).
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from stanine.client.errors import (
    ErrorItem,
    InvalidAttemptError,
    NotFoundError,
    ProblemInfo,
    SavedState,
    SessionClosedError,
    SessionConflictError,
)
from stanine.client.records import (
    FormInfo,
    InvitationPreview,
    SessionInfo,
    SessionSaved,
    SessionSubmitted,
)
from stanine.domain.attempts.session_answers import SessionForm
from stanine.domain.errors import InvalidAttempt
from stanine.domain.instruments.public_form import choose_language, public_form
from stanine.domain.scoring.index import IndexEntry
from stanine.pages.languages import accepted

#: The code of the only invitation.
CODE = "preview000000000000000"
#: Maximum sessions; the oldest is forgotten.
_MAX_SESSIONS = 200
_ID_BYTES = 16
_TIME = "1970-01-01T00:00:00Z"
#: Seconds for which answers are accepted after a deadline, like the default of `sessionGraceSeconds`.
_GRACE_SECONDS = 10


class LocalSessions:
    """Sessions of one index entry."""

    def __init__(self, entry: IndexEntry, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since 1970."""
        self._entry, self._rules, self._clock = entry, SessionForm(entry), clock
        self._sessions: OrderedDict[str, SessionInfo] = OrderedDict()

    async def preview(self, code: str, language: str | None, accepts: str) -> InvitationPreview:
        """Return what the code shows."""
        if code != CODE:
            raise _not_found()
        wanted = [language] if language else accepted(accepts)
        form = self._form(choose_language(self._entry.language, self._entry.translations, wanted))
        return InvitationPreview(
            form.name,
            form.title,
            is_open=True,
            language=form.language,
            languages=form.languages,
            instructions=form.instructions,
            duration_minutes=form.duration_minutes,
            time_limit_seconds=form.time_limit_seconds,
        )

    async def open(self, instrument: str, code: str, language: str | None) -> SessionInfo:
        """Open a new session."""
        if code != CODE:
            raise _not_found()
        limit = self._entry.time_limit_seconds
        session = SessionInfo(
            session=secrets.token_hex(_ID_BYTES),
            instrument=instrument,
            revision=self._entry.revision,
            state="Open",
            opened_at=_TIME,
            expires_at=_TIME,
            seq=0,
            page=0,
            answers={},
            attributes={},
            show="None",
            language=self._language(language) or self._entry.language,
            token=secrets.token_urlsafe(),
            deadline_at=_iso(self._clock() + limit) if limit else None,
            read_at=_iso(self._clock()),
        )
        self._sessions[session.session] = session
        if len(self._sessions) > _MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    async def get(self, session: str, token: str) -> SessionInfo:
        """Return a session."""
        known = self._sessions.get(session)
        if known is None or known.token != token:
            raise _not_found()
        return msgspec.structs.replace(known, read_at=_iso(self._clock()))

    async def form(self, session: str, token: str) -> FormInfo:
        """Return the form of a session."""
        return self._form(self._language((await self.get(session, token)).language))

    async def save(
        self,
        session: str,
        token: str,
        seq: int,
        answers: Mapping[str, Any],
        attributes: Mapping[str, Any],
        page: int,
        *,
        section: str | None = None,
        language: str | None = None,
    ) -> SessionSaved:
        """Merge answers and attributes."""
        known = await self._open_one(session, token)
        if seq <= known.seq:
            saved = SavedState(known.seq, known.page, known.answers, known.attributes)
            raise SessionConflictError(ProblemInfo(status=409, session=saved))
        stated = _merged(known.attributes, attributes)
        try:
            self._rules.check(answers, known.answers, stated)
        except InvalidAttempt:
            raise InvalidAttemptError(ProblemInfo(status=422)) from None
        self._sessions[session] = msgspec.structs.replace(
            known,
            seq=seq,
            page=page,
            answers=_merged(known.answers, answers),
            attributes=stated,
            section_deadlines=self._deadlines(known, answers, section),
            language=known.language
            if language is None
            else self._language(language) or self._entry.language,
        )
        return SessionSaved(session, seq)

    async def submit(self, session: str, token: str) -> SessionSubmitted:
        """Close a session as submitted."""
        known = await self.get(session, token)
        if known.state != "Submitted":
            known = await self._open_one(session, token)
            closed = self._rules.timed.closed_items(_ends(known), self._clock())
            found = self._rules.settle(known.answers, known.attributes, closed)
            if found.missing_items or found.missing_attributes or not found.answers:
                raise InvalidAttemptError(ProblemInfo(status=422))
            self._sessions[session] = msgspec.structs.replace(known, state="Submitted")
        return SessionSubmitted(session, session, "Submitted", "None")

    async def withdraw(self, session: str, token: str) -> None:
        """Close a session and forget its answers."""
        known = await self._open_one(session, token)
        self._sessions[session] = msgspec.structs.replace(known, state="Withdrawn", answers={})

    def _deadlines(
        self, known: SessionInfo, answers: Mapping[str, Any], section: str | None
    ) -> dict[str, str]:
        """Return the deadlines after a save. Raises InvalidAttemptError for answers after one."""
        timed, now = self._rules.timed, self._clock()
        late = timed.closed_items(_ends(known), now - _GRACE_SECONDS).intersection(answers)
        if late:
            errors = tuple(ErrorItem(f"/answers/{item}", "SectionOver") for item in sorted(late))
            raise InvalidAttemptError(ProblemInfo(status=422, errors=errors))
        named = timed.limits_ms.keys() & ([] if section is None else [section])
        opened = timed.holding(answers) | named
        new = {name: _iso(now + timed.limits_ms[name] / 1000) for name in opened}
        return new | known.section_deadlines

    async def _open_one(self, session: str, token: str) -> SessionInfo:
        known, now = await self.get(session, token), self._clock()
        if known.state != "Open":
            raise SessionClosedError(ProblemInfo(status=409, reason=known.state))
        if known.deadline_at is not None and _seconds(known.deadline_at) < now - _GRACE_SECONDS:
            raise SessionClosedError(ProblemInfo(status=409, reason="Late"))
        return known

    def _language(self, wanted: str | None) -> str | None:
        entry = self._entry
        return choose_language(entry.language, entry.translations, [wanted] if wanted else [])

    def _form(self, language: str | None) -> FormInfo:
        return msgspec.json.decode(
            msgspec.json.encode(public_form(self._entry, language)), type=FormInfo
        )


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def _ends(session: SessionInfo) -> dict[str, float]:
    """Return the deadlines of the opened sections, in seconds since 1970."""
    return {name: _seconds(at) for name, at in session.section_deadlines.items()}


def _not_found() -> NotFoundError:
    return NotFoundError(ProblemInfo(status=404))


def _merged(known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**known, **given}.items() if value is not None}
