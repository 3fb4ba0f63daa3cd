"""Erasure of one attempt, or of all data of a participant."""

from stanine.api.attempt_reader import AttemptReader
from stanine.api.people.session_bodies import ErasedBody
from stanine.api.web.auth import Scope
from stanine.api.web.deadlines import within
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import Answer, Request
from stanine.api.web.problems import MISSING_SCOPE, NOT_INDEXED, NotFound, Problem, not_found
from stanine.api.web.routing import Content, Route
from stanine.domain import limits
from stanine.store.erasure import Erasure
from stanine.store.records import read_id
from stanine.telemetry.api_metrics import ApiMetrics
from stanine.telemetry.logs import get_log

#: Timeout in seconds for a participant's data; 60 s are promised. A retry continues an incomplete erasure.
PARTICIPANT_SECONDS = 45.0


class ErasureRoutes:
    """The routes that erase."""

    def __init__(self, erasure: Erasure, reader: AttemptReader, metrics: ApiMetrics) -> None:
        self._erasure = erasure
        self._reader = reader
        self._metrics = metrics

    async def attempt(self, request: Request) -> Answer:
        """Erase an attempt with its result, its session and an invitation for it alone."""
        caller, text = request.caller, request.parameters["id"]
        assert caller is not None
        attempt_id = read_id(text)
        if attempt_id is None:
            raise NotFound("Attempt", text)
        if not caller.sees_all:
            await self._reader.find(request)  # raises not-found if the key does not reach it
        if not await within(self._erasure.attempt(attempt_id)):
            raise NotFound("Attempt", text)
        self._metrics.erased["attempt", "order"].inc()
        request.changed_count = 1
        get_log().info("attempt.erased", attempt=text, by=caller.name)
        return Answer(204, b"")

    async def participant(self, request: Request) -> Answer:
        """Erase all attempts, sessions and invitations of a participant, for all instruments."""
        caller, participant = request.caller, request.parameters["id"]
        assert caller is not None
        if not caller.sees_all:
            raise Problem(
                MISSING_SCOPE,
                'A participant may have attempts of all instruments, and this key is restricted to some: it needs instruments: ["*"].',
            )
        if len(participant) > limits.MAX_PARTICIPANT:
            raise not_found()
        done = await within(self._erasure.participant(participant), PARTICIPANT_SECONDS)
        for kind, count in (
            ("attempt", done.attempts),
            ("session", done.sessions),
            ("invitation", done.invitations),
        ):
            self._metrics.erased[kind, "order"].inc(count)
        request.changed_count = done.attempts + done.sessions + done.invitations
        get_log().info(
            "participant.erased",
            attempts=done.attempts,
            sessions=done.sessions,
            invitations=done.invitations,
            by=caller.name,
        )
        return json_answer(ErasedBody(done.attempts, done.sessions, done.invitations))

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        return (
            Route(
                method="DELETE",
                path="/v1/attempts/{id}",
                handler=self.attempt,
                name="eraseAttempt",
                summary="Erase an attempt with its answers, attributes, key, result, session and invitation",
                tag="erasure",
                scope=Scope.ERASE,
                answers={204: Content({}, "It is erased.")},
                problems=(NOT_INDEXED,),
            ),
            Route(
                method="POST",
                path="/v1/participants/{id}:erase",
                handler=self.participant,
                name="eraseParticipant",
                summary="Erase all attempts, results, sessions and invitations of a participant, for all instruments",
                tag="erasure",
                scope=Scope.ERASE,
                answers={
                    200: Content(
                        {"application/json": ErasedBody},
                        "All data are erased; repeating the request has no effect.",
                    )
                },
            ),
        )
