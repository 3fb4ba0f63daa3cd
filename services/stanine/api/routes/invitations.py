"""Invitations: create, list, revoke, extend, read by code; release of results."""

import msgspec
from msgspec import UNSET

from stanine.api.bodies import given
from stanine.api.intake.idempotency import read_idempotency_key
from stanine.api.intake.storing import Intake
from stanine.api.intake.validation import Checker
from stanine.api.people.body_reading import BodyReader
from stanine.api.people.invitation_outcomes import MAX_ORDER, count_outcomes, refusal
from stanine.api.people.inviting import InvitationDesk, milliseconds
from stanine.api.people.session_bodies import (
    InvitationBody,
    InvitationExtension,
    InvitationOrder,
    InvitationPage,
    Release,
    ReleaseOrder,
    Welcome,
)
from stanine.api.people.session_problems import ended
from stanine.api.result_presenter import iso
from stanine.api.web.auth import Scope
from stanine.api.web.deadlines import within
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import JSON, Answer, Request
from stanine.api.web.languages import ACCEPT_LANGUAGE, wanted_languages
from stanine.api.web.problems import (
    FULL,
    HISTORY_CHANGED,
    INVALID_REQUEST,
    KEY_CONFLICT,
    NOT_INDEXED,
    TOO_LARGE,
    TOO_SLOW,
    UNSUPPORTED_CONTENT,
    NotFound,
    Problem,
    ProblemError,
)
from stanine.api.web.queries import AFTER_CURSOR, LANGUAGE_TAG, LIMIT
from stanine.api.web.routing import Content, Route
from stanine.domain.instruments.public_form import choose_language
from stanine.domain.instruments.records import Translation
from stanine.domain.scoring.index import IndexEntry
from stanine.store.cursors import UNKNOWN, Cursor, Mark, SealedCursor, move_on, tag_of
from stanine.store.errors import LostCursorError
from stanine.store.invitations import Invitations, StoredInvitation
from stanine.store.sessions import Sessions
from stanine.telemetry.api_metrics import ApiMetrics

_JSON_PROBLEMS = (TOO_LARGE, TOO_SLOW, UNSUPPORTED_CONTENT)


class InvitationRoutes:
    """The routes of invitations."""

    def __init__(
        self,
        desk: InvitationDesk,
        invitations: Invitations,
        sessions: Sessions,
        checker: Checker,
        intake: Intake,
        metrics: ApiMetrics,
    ) -> None:
        self._desk = desk
        self._invitations = invitations
        self._sessions = sessions
        self._checker = checker
        self._intake = intake
        self._metrics = metrics
        self._extensions = BodyReader(InvitationExtension, INVALID_REQUEST)
        self._releases = BodyReader(ReleaseOrder, INVALID_REQUEST)

    async def create(self, request: Request) -> Answer:
        """Create one invitation."""
        request.check_content(JSON)
        key = read_idempotency_key(request.headers.get(b"idempotency-key"))
        order = self._desk.reader.read(await request.body(MAX_ORDER))
        if key is not None:
            if order.key not in (None, key):
                fault = ProblemError(
                    "/key",
                    "Contradiction",
                    "it differs from Idempotency-Key; give one of the two, or the same twice",
                )
                raise Problem(
                    INVALID_REQUEST, "1 thing is wrong; see errors", errors=[fault], error_count=1
                )
            order = msgspec.structs.replace(order, key=key)
        self._intake.admit()
        assert request.caller is not None
        number, new = await self._desk.prepare(
            request.parameters["name"], order, request.caller.key_space
        )
        (done,) = await self._desk.create(number, [new])
        count_outcomes(request, self._metrics, [done])
        if (problem := refusal(done, request.parameters["name"])) is not None:
            raise problem
        stored = await within(self._invitations.read(done.id))
        if stored is None:
            raise NotFound("Invitation", done.id.hex())
        repeated = done.outcome == "repeated"
        return json_answer(self._desk.body(stored, repeated=repeated), 200 if repeated else 201)

    async def list(self, request: Request) -> Answer:
        """Return a page of an instrument's invitations."""
        entry = await self._checker.entry(request.parameters["name"], None)
        after, limit = request.query["after"], request.query["limit"]
        cursor: Cursor = UNKNOWN if isinstance(after, SealedCursor) else after
        before = 1 if cursor.marks else 0
        found = await within(
            self._invitations.page(entry.number, cursor.position - before, limit + before)
        )
        if before and (not found or tag_of(found[0][0], b"") != cursor.marks[0].tag):
            raise LostCursorError(Cursor().encode())
        items: list[InvitationBody] = []
        at = cursor
        for position, (name, stored) in enumerate(found[before:], start=cursor.position + 1):
            at = move_on(cursor, Mark(position, tag_of(name, b"")))
            if stored is not None:
                items.append(self._desk.body(stored))
        return json_answer(InvitationPage(items, at.encode()))

    async def revoke(self, request: Request) -> Answer:
        """Revoke an invitation."""
        stored = await self._find(request)
        await within(self._invitations.revoke(stored.id))
        return json_answer(self._desk.body(await self._find(request)))

    async def extend(self, request: Request) -> Answer:
        """Change the expiry of an invitation."""
        request.check_content(JSON)
        order = self._extensions.read(await request.body(MAX_ORDER))
        stored = await self._find(request)
        await within(self._invitations.extend(stored.id, milliseconds(order.expires_at)))
        return json_answer(self._desk.body(await self._find(request)))

    async def welcome(self, request: Request) -> Answer:
        """Return the public data of a code's invitation; changes nothing.

        The texts are in the requested language, else the invitation's, else one that the browser accepts.
        """
        stored = await self._desk.of_code(request.bearer)
        entry = await self._entry(stored)
        reason = ended(stored, await within(self._sessions.now()))
        if reason == "Used" and stored.most_uses == 1:
            reason = None  # the code returns the open session
        limit = stored.given.time_limit_ms // 1000 or entry.time_limit_seconds
        stated = request.query["language"] or stored.given.language
        wanted = [stated] if stated else wanted_languages(request)
        language = choose_language(entry.language, entry.translations, wanted)
        words = entry.translations.get(language or "") or Translation()
        body = Welcome(
            instrument=entry.name,
            title=words.title or entry.title,
            is_open=reason is None,
            reason=given(reason),
            is_started=True if stored.most_uses == 1 and stored.uses > 0 else UNSET,
            language=given(language or entry.language),
            instructions=given(words.instructions or entry.instructions),
            languages=[entry.language, *entry.translations]
            if entry.language and entry.translations
            else UNSET,
            duration_minutes=given(entry.duration_minutes),
            time_limit_seconds=given(limit),
            expires_at=iso(stored.expires_at) if stored.expires_at else UNSET,
        )
        return json_answer(body)

    async def release(self, request: Request) -> Answer:
        """Release the results to participants with AfterRelease, or withdraw the release."""
        request.check_content(JSON)
        text = await request.body(MAX_ORDER)
        order = self._releases.read(text) if text else ReleaseOrder()
        name = request.parameters["name"]
        entry = await self._checker.entry(name, None)
        since = await within(self._invitations.release(entry.number, released=order.released))
        return json_answer(Release(name, bool(since), iso(since) if since else UNSET))

    async def _find(self, request: Request) -> StoredInvitation:
        return await self._desk.find(request.parameters["name"], request.parameters["invitation"])

    async def _entry(self, stored: StoredInvitation) -> IndexEntry:
        name = self._checker.name_of(stored.number)
        if name is None:
            raise NotFound("Invitation", "of this code")
        return await self._desk.entry(name, stored.revision or None)

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        base, one = (
            "/v1/instruments/{name}/invitations",
            Content({"application/json": InvitationBody}),
        )
        return (
            Route(
                method="POST",
                path=base,
                handler=self.create,
                name="createInvitation",
                summary="Create an invitation: a code and a link for one participant",
                tag="invitations",
                scope=Scope.INVITATIONS_WRITE,
                headers={
                    "Idempotency-Key": "The invitation's key, 1 to 64 characters, instead of `key` in the body."
                },
                body=Content({"application/json": InvitationOrder}),
                answers={
                    200: Content(
                        {"application/json": InvitationBody}, "The key already had this invitation."
                    ),
                    201: one,
                },
                problems=(INVALID_REQUEST, KEY_CONFLICT, NOT_INDEXED, FULL, *_JSON_PROBLEMS),
            ),
            Route(
                method="GET",
                path=base,
                handler=self.list,
                name="listInvitations",
                summary="List an instrument's invitations by creation, with their codes",
                tag="invitations",
                scope=Scope.INVITATIONS_WRITE,
                query=(LIMIT, AFTER_CURSOR),
                answers={200: Content({"application/json": InvitationPage})},
                problems=(NOT_INDEXED, HISTORY_CHANGED),
            ),
            Route(
                method="POST",
                path=f"{base}/{{invitation}}:revoke",
                handler=self.revoke,
                name="revokeInvitation",
                summary="Revoke an invitation; open sessions continue with their tokens",
                tag="invitations",
                scope=Scope.INVITATIONS_WRITE,
                answers={200: one},
                problems=(NOT_INDEXED,),
            ),
            Route(
                method="POST",
                path=f"{base}/{{invitation}}:extend",
                handler=self.extend,
                name="extendInvitation",
                summary="Change the expiry of an invitation",
                tag="invitations",
                scope=Scope.INVITATIONS_WRITE,
                body=Content({"application/json": InvitationExtension}),
                answers={200: one},
                problems=(INVALID_REQUEST, NOT_INDEXED, *_JSON_PROBLEMS),
            ),
            Route(
                method="GET",
                path="/v1/invitation",
                handler=self.welcome,
                name="readInvitation",
                summary="Read the public data of an invitation by its code",
                tag="invitations",
                takes_code=True,
                query=(LANGUAGE_TAG,),
                headers=ACCEPT_LANGUAGE,
                answers={200: Content({"application/json": Welcome})},
                problems=(NOT_INDEXED,),
            ),
            Route(
                method="POST",
                path="/v1/instruments/{name}:release",
                handler=self.release,
                name="releaseResults",
                summary="Release the results to participants with AfterRelease, or withdraw the release",
                tag="invitations",
                scope=Scope.INVITATIONS_WRITE,
                body=Content({"application/json": ReleaseOrder}, "May be empty."),
                answers={200: Content({"application/json": Release})},
                problems=(INVALID_REQUEST, NOT_INDEXED, *_JSON_PROBLEMS),
            ),
        )
