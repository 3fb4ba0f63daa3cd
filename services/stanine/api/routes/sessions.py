"""Sessions: opened by an API key or a code; filled in, submitted and withdrawn by their token."""

import msgspec
from msgspec import UNSET

from stanine.api.admin.current_settings import CurrentSettings
from stanine.api.attempt_reader import AttemptReader
from stanine.api.bodies import FormBody, given
from stanine.api.intake.attempt_tokens import Tokens
from stanine.api.intake.idempotency import read_idempotency_key
from stanine.api.people.body_reading import BodyReader
from stanine.api.people.session_bodies import (
    ExtendedSession,
    SavedSession,
    SessionBody,
    SessionExtension,
    SessionOrder,
    SessionSave,
    SubmittedBody,
    WithdrawnSession,
)
from stanine.api.people.session_content import held, language
from stanine.api.people.session_opening import SessionOpening
from stanine.api.people.sessions import SessionDesk
from stanine.api.result_presenter import ResultPresenter, iso
from stanine.api.web.auth import Scope
from stanine.api.web.deadlines import within
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import JSON, Answer, Request
from stanine.api.web.problems import (
    DRAINING,
    ERASED,
    FULL,
    INVALID_ATTEMPT,
    INVALID_REQUEST,
    INVITATION_ENDED,
    KEY_CONFLICT,
    NOT_INDEXED,
    SESSION_CLOSED,
    SESSION_CONFLICT,
    TOO_LARGE,
    TOO_SLOW,
    UNSUPPORTED_CONTENT,
    NotFound,
)
from stanine.api.web.queries import WAIT
from stanine.api.web.routing import Content, Route
from stanine.domain.scoring.index import IndexEntry, public_form
from stanine.store.invitations import Invitations
from stanine.store.records import read_id
from stanine.store.sessions import StoredSession, session_id

#: Maximum bytes of an order; attributes are its largest part.
_MAX_ORDER = 64 << 10
#: Maximum cached forms as JSON, by form and language.
_MAX_FORMS = 200

_JSON_PROBLEMS = (TOO_LARGE, TOO_SLOW, UNSUPPORTED_CONTENT)


class SessionRoutes:
    """The routes of sessions."""

    def __init__(
        self,
        opening: SessionOpening,
        desk: SessionDesk,
        invitations: Invitations,
        reader: AttemptReader,
        scorings: ResultPresenter,
        tokens: Tokens,
        live: CurrentSettings,
    ) -> None:
        self._opening = opening
        self._desk = desk
        self._invitations = invitations
        self._reader = reader
        self._scorings = scorings
        self._tokens = tokens
        self._live = live
        self._orders = BodyReader(SessionOrder, INVALID_REQUEST)
        self._extensions = BodyReader(SessionExtension, INVALID_REQUEST)
        self._forms: dict[tuple[str, int, str | None], tuple[IndexEntry, bytes]] = {}

    async def open(self, request: Request) -> Answer:
        """Open a session, by an API key or an invitation's code."""
        request.check_content(JSON)
        name = request.parameters["name"]
        key = read_idempotency_key(request.headers.get(b"idempotency-key"))
        text = await request.body(_MAX_ORDER)
        order = self._orders.read(text) if text else SessionOrder()
        if request.caller is None:
            session, repeated = await self._opening.open_by_code(name, order, request.bearer, key)
        else:
            order = (
                order
                if key is None or order.key is not None
                else msgspec.structs.replace(order, key=key)
            )
            session, repeated = await self._opening.open_by_key(
                name, order, request.caller.key_space
            )
        entry = await self._desk.entry(session)
        body = self._body(session, entry)
        form = msgspec.Raw(self._form(entry, language(entry, session)))
        body = msgspec.structs.replace(
            body,
            token=self._tokens.of_session(session.id),
            form=form,
            repeated=True if repeated else UNSET,
        )
        return json_answer(
            body,
            200 if repeated else 201,
            ((b"location", b"/v1/sessions/%b" % session.id.hex().encode()),),
        )

    async def read(self, request: Request) -> Answer:
        """Return a session."""
        session = await self._mine(request)
        return json_answer(self._body(session, await self._desk.entry(session)))

    async def form(self, request: Request) -> Answer:
        """Return the form of a session in its language."""
        session = await self._mine(request)
        entry = await self._desk.entry(session)
        return Answer(200, self._form(entry, language(entry, session)))

    async def save(self, request: Request) -> Answer:
        """Merge answers into a session."""
        request.check_content(JSON)
        name = self._name(request)
        seq, repeated = await self._desk.save(
            name, await request.body(self._live.now.max_attempt_bytes)
        )
        mark = b',"repeated":true' if repeated else b""
        return Answer(200, b'{"session":"%b","seq":%d%b}' % (name.hex().encode(), seq, mark))

    async def submit(self, request: Request) -> Answer:
        """Submit a session; return its result if requested and readable by the participant."""
        session, done = await self._desk.submit(self._name(request), request.span)
        its, result = session.given, None
        seconds = request.query["wait"]
        if seconds > 0 and await self._may_read(session):
            found = await self._reader.read(done.attempt, seconds)
            if found is not None and found.result is not None:
                result = await self._scorings.body(
                    found.view, found.entry, found.attempt, found.result
                )
        body = SubmittedBody(
            session=session.id.hex(),
            attempt=done.attempt.hex(),
            state="Submitted" if result is None else result.state,
            show=its.show,
            attempt_token=given(self._attempt_token(its.show, done.attempt)),
            return_url=given(its.return_url),
            result=given(result),
            repeated=True if done.repeated else UNSET,
        )
        return json_answer(body, 202 if result is None else 200)

    async def withdraw(self, request: Request) -> Answer:
        """Close a session and remove its answers."""
        name = self._name(request)
        await self._desk.withdraw(name)
        return json_answer(WithdrawnSession(name.hex()))

    async def extend(self, request: Request) -> Answer:
        """Extend the time limit of a session."""
        assert request.caller is not None
        request.check_content(JSON)
        order = self._extensions.read(await request.body(_MAX_ORDER))
        session = await self._desk.find(self._id(request))
        if not request.caller.sees((await self._desk.entry(session)).name):
            raise NotFound("Session", request.parameters["id"])
        deadline = await self._desk.extend(session, 1000 * order.time_limit_seconds)
        request.changed_count = int(deadline != session.deadline)
        return json_answer(ExtendedSession(session.id.hex(), iso(deadline)))

    def _id(self, request: Request) -> bytes:
        name = read_id(request.parameters["id"])
        if name is None or name != session_id(name):
            raise NotFound("Session", request.parameters["id"])
        return name

    def _name(self, request: Request) -> bytes:
        """Return the session id of a path if the token is valid for it.

        An unknown session and the session of another person get the same answer.
        """
        name = self._id(request)
        if not self._tokens.is_of_session(name, request.bearer):
            raise NotFound("Session", request.parameters["id"])
        return name

    async def _mine(self, request: Request) -> StoredSession:
        return await self._desk.find(self._name(request))

    async def _may_read(self, session: StoredSession) -> bool:
        """Return whether the participant may read the result now."""
        show = session.given.show
        return show == "Participant" or (
            show == "AfterRelease" and await within(self._invitations.is_released(session.number))
        )

    def _attempt_token(self, show: str, attempt: bytes) -> str | None:
        """Return the participant's token for the result: none, or valid now or on release."""
        if show == "Participant":
            return self._tokens.of(attempt)
        return self._tokens.after_release(attempt) if show == "AfterRelease" else None

    def _body(self, session: StoredSession, entry: IndexEntry) -> SessionBody:
        its, (answers, said) = session.given, held(session.answers)
        body = SessionBody(
            session=session.id.hex(),
            instrument=entry.name,
            revision=session.revision,
            state=session.state,
            opened_at=iso(session.opened_at),
            expires_at=iso(session.expires_at),
            seq=session.seq,
            page=session.page,
            answers=answers,
            attributes={**its.attributes, **said},
            fixed_attributes=sorted(its.attributes) or UNSET,
            show=its.show,
            language=given(language(entry, session) or entry.language),
            return_url=given(its.return_url),
        )
        if session.deadline or session.sections:
            body = msgspec.structs.replace(
                body,
                deadline_at=iso(session.deadline) if session.deadline else UNSET,
                section_deadlines={name: iso(at) for name, at in session.sections.items()} or UNSET,
                read_at=iso(session.read_at),
            )
        if session.attempt:
            token = given(self._attempt_token(its.show, session.attempt))
            body = msgspec.structs.replace(body, attempt=session.attempt.hex(), attempt_token=token)
        return body

    def _form(self, entry: IndexEntry, shown_in: str | None) -> bytes:
        known = self._forms.get((entry.name, entry.form, shown_in))
        if known is None or known[0] is not entry:
            if len(self._forms) >= _MAX_FORMS:
                self._forms.clear()
            known = self._forms[entry.name, entry.form, shown_in] = (
                entry,
                msgspec.json.encode(public_form(entry, shown_in)),
            )
        return known[1]

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        return (
            Route(
                method="POST",
                path="/v1/instruments/{name}/sessions",
                handler=self.open,
                name="openSession",
                summary="Open a session, an attempt to be filled in, by an API key or an invitation's code",
                tag="sessions",
                scope=Scope.SESSIONS_WRITE,
                takes_code=True,
                headers={
                    "Idempotency-Key": "The same key returns the same session; like `key` in the body, or for a code of several uses."
                },
                body=Content({"application/json": SessionOrder}, "May be empty."),
                answers={
                    200: Content({"application/json": SessionBody}, "It was open before."),
                    201: Content(
                        {"application/json": SessionBody}, "It is open; Location is its address."
                    ),
                },
                problems=(
                    INVALID_REQUEST,
                    INVITATION_ENDED,
                    KEY_CONFLICT,
                    NOT_INDEXED,
                    FULL,
                    DRAINING,
                    *_JSON_PROBLEMS,
                ),
            ),
            Route(
                method="GET",
                path="/v1/sessions/{id}",
                handler=self.read,
                name="readSession",
                summary="Read a session with its answers",
                answers={200: Content({"application/json": SessionBody})},
                problems=(NOT_INDEXED,),
                tag="sessions",
                takes_token=True,
            ),
            Route(
                method="GET",
                path="/v1/sessions/{id}/form",
                handler=self.form,
                name="readSessionForm",
                summary="Read the form of a session, in its language",
                answers={200: Content({"application/json": FormBody})},
                problems=(NOT_INDEXED,),
                tag="sessions",
                takes_token=True,
            ),
            Route(
                method="PATCH",
                path="/v1/sessions/{id}",
                handler=self.save,
                name="saveSession",
                summary="Merge answers into a session; an outdated `seq` is refused with the stored answers",
                hot=True,
                body=Content({"application/json": SessionSave}),
                answers={200: Content({"application/json": SavedSession})},
                problems=(
                    INVALID_ATTEMPT,
                    SESSION_CONFLICT,
                    SESSION_CLOSED,
                    NOT_INDEXED,
                    FULL,
                    *_JSON_PROBLEMS,
                ),
                tag="sessions",
                takes_token=True,
            ),
            Route(
                method="POST",
                path="/v1/sessions/{id}:submit",
                handler=self.submit,
                name="submitSession",
                summary="Submit a session with all required answers; a repeat gets the first answer",
                hot=True,
                query=(WAIT,),
                answers={
                    200: Content(
                        {"application/json": SubmittedBody},
                        "It was scored while the request was held.",
                    ),
                    202: Content({"application/json": SubmittedBody}, "It is stored and queued."),
                },
                problems=(
                    INVALID_ATTEMPT,
                    KEY_CONFLICT,
                    SESSION_CONFLICT,
                    SESSION_CLOSED,
                    ERASED,
                    NOT_INDEXED,
                    FULL,
                    DRAINING,
                ),
                tag="sessions",
                takes_token=True,
            ),
            Route(
                method="POST",
                path="/v1/sessions/{id}:withdraw",
                handler=self.withdraw,
                name="withdrawSession",
                hot=True,
                summary="Withdraw a session and remove its answers",
                answers={200: Content({"application/json": WithdrawnSession})},
                problems=(SESSION_CLOSED,),
                tag="sessions",
                takes_token=True,
            ),
            Route(
                method="POST",
                path="/v1/sessions/{id}:extend",
                handler=self.extend,
                name="extendSession",
                hot=True,
                always_recorded=True,
                summary="Extend the time limit of an open session, in seconds from its opening",
                tag="sessions",
                scope=Scope.SESSIONS_WRITE,
                body=Content({"application/json": SessionExtension}),
                answers={200: Content({"application/json": ExtendedSession})},
                problems=(INVALID_REQUEST, SESSION_CLOSED, NOT_INDEXED, *_JSON_PROBLEMS),
            ),
        )
