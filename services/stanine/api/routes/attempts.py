"""/v1/instruments/NAME/attempts (single and bulk) and /v1/attempts/ID: submission and answers."""

from msgspec import UNSET
from opentelemetry.trace import Tracer

from stanine.api.admin.current_settings import CurrentSettings
from stanine.api.attempt_reader import AttemptReader
from stanine.api.bodies import AttemptBody, LineAnswer, Receipt, ResultBody, StoredAnswers, given
from stanine.api.intake.attempt_tokens import Tokens
from stanine.api.intake.bulk import BulkIntake, conflict, erased
from stanine.api.intake.idempotency import read_idempotency_key, refuse_idempotency_key
from stanine.api.intake.storing import Intake
from stanine.api.intake.validation import Checker
from stanine.api.loops import IndexFollower
from stanine.api.result_presenter import ResultPresenter, iso, quality
from stanine.api.web.auth import Scope
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import JSON, NDJSON, Answer, Headers, Request
from stanine.api.web.problems import (
    DRAINING,
    ERASED,
    FULL,
    INVALID_ATTEMPT,
    KEY_CONFLICT,
    NOT_INDEXED,
    TOO_LARGE,
    TOO_SLOW,
    UNSUPPORTED_CONTENT,
    NotFound,
    Problem,
)
from stanine.api.web.queries import INCLUDE, WAIT
from stanine.api.web.routing import Content, Route
from stanine.domain.attempts.response import unpack_answers
from stanine.messages import SCORE_ATTEMPTS
from stanine.store.attempts import Submitted
from stanine.store.index import IndexView
from stanine.telemetry.api_metrics import ApiMetrics
from stanine.telemetry.traces import sending

_IDEMPOTENCY_KEY = b"idempotency-key"
_REPLAYED = ((b"idempotency-replayed", b"true"),)
_BULK_TYPES = (NDJSON, b"application/ndjson", b"application/jsonl", b"application/x-jsonlines")


class AttemptRoutes:
    """The routes of attempts."""

    def __init__(
        self,
        checker: Checker,
        intake: Intake,
        bulk: BulkIntake,
        index: IndexFollower,
        reader: AttemptReader,
        scorings: ResultPresenter,
        *,
        tokens: Tokens,
        metrics: ApiMetrics,
        tracer: Tracer,
        live: CurrentSettings,
    ) -> None:
        self._live = live
        self._checker = checker
        self._intake = intake
        self._bulk = bulk
        self._index = index
        self._reader = reader
        self._scorings = scorings
        self._tokens = tokens
        self._metrics = metrics
        self._tracer = tracer

    async def submit(self, request: Request) -> Answer:
        """Accept one attempt."""
        request.check_content(JSON)
        key = read_idempotency_key(request.headers.get(_IDEMPOTENCY_KEY))
        text = await request.body(self._live.now.max_attempt_bytes)
        try:
            submitted = await self._take(request, request.parameters["name"], text, key)
            if submitted.outcome == "conflict":
                raise conflict()
            if submitted.outcome == "erased":
                raise erased()
            if submitted.outcome == "gone":
                raise NotFound("Instrument", request.parameters["name"])
        except Problem:
            self._metrics.attempts_refused.inc()
            raise
        (
            self._metrics.attempts_accepted
            if submitted.outcome == "new"
            else self._metrics.attempts_repeated
        ).inc()
        name, access = submitted.id.hex(), self._tokens.of(submitted.id)
        repeated = submitted.outcome == "repeated"
        headers: Headers = (
            (b"location", b"/v1/attempts/%b" % name.encode()),
            *(_REPLAYED if repeated else ()),
        )
        seconds = request.query["wait"]
        found = await self._reader.read(submitted.id, seconds) if seconds > 0 else None
        if found is None or found.result is None:
            mark = b',"repeated":true' if repeated else b""
            return Answer(
                202,
                b'{"attempt":"%b","token":"%b","state":"Submitted"%b}'
                % (name.encode(), access.encode(), mark),
                headers=headers,
            )
        body = await self._scorings.body(
            found.view, found.entry, found.attempt, found.result, access=access, repeated=repeated
        )
        return json_answer(body, headers=headers)

    async def submit_many(self, request: Request) -> None:
        """Accept attempts line by line and answer line by line."""
        request.check_content(*_BULK_TYPES)
        refuse_idempotency_key(request.headers.get(_IDEMPOTENCY_KEY))
        name = request.parameters["name"]
        self._intake.admit()
        await self._checker.entry(
            name, None
        )  # unknown or not indexed: refused before any line is read
        await self._bulk.serve(request, name)

    async def read(self, request: Request) -> Answer:
        """Return an attempt with its answers."""
        found = await self._reader.find(request)
        attempt = found.attempt
        return json_answer(
            StoredAnswers(
                attempt=attempt.id.hex(),
                instrument=found.entry.name,
                revision=attempt.revision,
                state="Submitted"
                if found.result is None
                else "Scored"
                if found.result.failure is None
                else "Failed",
                submitted_at=iso(attempt.submitted_at),
                answers={**unpack_answers(found.entry, attempt.codes)},
                key=given(attempt.key),
                participant=given(attempt.participant),
                attributes=given({**attempt.attributes} or None),
                language=given(attempt.language),
                seconds=given(attempt.seconds),
                quality=quality(found.entry, attempt)
                if "quality" in request.query["include"]
                else UNSET,
            )
        )

    async def _take(self, request: Request, name: str, text: bytes, key: str | None) -> Submitted:
        assert request.caller is not None
        key_space = request.caller.key_space

        async def take(_view: IndexView) -> Submitted:
            checked = self._checker.check_usual(
                name, text, key_space, key
            ) or await self._checker.check(name, text, key_space, key)
            if isinstance(checked, Submitted):
                return checked
            with sending(self._tracer, SCORE_ATTEMPTS.queue, request.span) as trace:
                return await self._intake.submit(checked, trace)

        return (await self._index.consistent(take))[1]

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        return (
            Route(
                method="POST",
                path="/v1/instruments/{name}/attempts",
                handler=self.submit,
                name="submitAttempt",
                summary="Submit one attempt; a repeat with the same key and content gets the first answer",
                tag="attempts",
                hot=True,
                scope=Scope.ATTEMPTS_WRITE,
                query=(WAIT,),
                headers={
                    "Idempotency-Key": "The attempt's key, 1 to 64 characters, instead of `key` in the body."
                },
                body=Content({"application/json": AttemptBody}),
                answers={
                    200: Content(
                        {"application/json": ResultBody},
                        "It was scored while the request was held.",
                    ),
                    202: Content(
                        {"application/json": Receipt},
                        "It is stored and queued; Location is its address.",
                    ),
                },
                problems=(
                    INVALID_ATTEMPT,
                    KEY_CONFLICT,
                    ERASED,
                    NOT_INDEXED,
                    FULL,
                    DRAINING,
                    TOO_LARGE,
                    TOO_SLOW,
                    UNSUPPORTED_CONTENT,
                ),
            ),
            Route(
                method="POST",
                path="/v1/instruments/{name}/attempts:bulk",
                handler=self.submit_many,
                name="submitAttempts",
                summary="Submit many attempts, one per line; answers are streamed, one line per attempt, in order",
                tag="attempts",
                hot=True,
                scope=Scope.ATTEMPTS_WRITE,
                body=Content(
                    {"application/x-ndjson": AttemptBody}, "One attempt per line, each with a key."
                ),
                answers={
                    200: Content({"application/x-ndjson": LineAnswer}, "One answer per line.")
                },
                problems=(NOT_INDEXED, FULL, DRAINING, UNSUPPORTED_CONTENT),
            ),
            Route(
                method="GET",
                path="/v1/attempts/{id}",
                handler=self.read,
                name="readAttempt",
                summary="Read an attempt with its answers",
                tag="attempts",
                scope=Scope.ATTEMPTS_READ,
                query=(INCLUDE,),
                answers={200: Content({"application/json": StoredAnswers})},
                problems=(NOT_INDEXED,),
            ),
        )
