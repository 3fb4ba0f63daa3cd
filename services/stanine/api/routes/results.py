"""Results: of an attempt, with explanation; of an instrument, in commit order; of a participant."""

import asyncio

import msgspec

from stanine.api.attempt_parts import AttemptParts
from stanine.api.attempt_reader import AttemptReader, Found
from stanine.api.bodies import ExplanationBody, Pending, ResultBody, ResultPage, given
from stanine.api.explanation_presenter import ExplanationPresenter
from stanine.api.export_bodies import ExportedResult, ExportedResultPage
from stanine.api.intake.validation import Checker
from stanine.api.rescoring_bodies import ResultHistoryBody
from stanine.api.result_presenter import ResultPresenter
from stanine.api.web.auth import Scope
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import Answer, Request
from stanine.api.web.problems import (
    HISTORY_CHANGED,
    MALFORMED_REQUEST,
    MISSING_SCOPE,
    NOT_INDEXED,
    NotFound,
    Problem,
)
from stanine.api.web.queries import (
    AFTER_CURSOR,
    INCLUDE,
    INCLUDE_ATTEMPT,
    LANGUAGE_TAG,
    LIMIT,
    WAIT,
)
from stanine.api.web.routing import Content, Route
from stanine.domain import limits
from stanine.domain.instruments.public_form import language_of

#: Attempts that are converted at once: with 50 items they occupy the process for about 2 ms.
_AT_ONCE = 50


class ResultRoutes:
    """The routes that answer results."""

    def __init__(
        self,
        reader: AttemptReader,
        scorings: ResultPresenter,
        explanations: ExplanationPresenter,
        checker: Checker,
    ) -> None:
        self._reader = reader
        self._scorings = scorings
        self._explanations = explanations
        self._checker = checker

    async def read(self, request: Request) -> Answer:
        """Return an attempt's result, or its state while it is pending."""
        found = await self._reader.find(request, request.query["wait"])
        if request.caller is None and request.query["include"]:
            raise Problem(
                MISSING_SCOPE,
                "An attempt's token reads its result and nothing else; include needs a key with results:read.",
            )
        if found.result is None:
            return pending(found)
        return json_answer(await self._body(found, request))

    async def explain(self, request: Request) -> Answer:
        """Return the explanation of an attempt's scores, or its state while it is pending."""
        assert request.caller is not None
        found = await self._reader.find(request)
        if found.result is None:
            return pending(found)
        return json_answer(await self._explanations.body(found, request.caller))

    async def history(self, request: Request) -> Answer:
        """Return the earlier results of an attempt."""
        found, earlier = await self._reader.history(request)
        bodies = [
            await self._scorings.body(
                found.view, found.entry, found.attempt, each.result, replaced_at=each.replaced_at
            )
            for each in earlier
        ]
        return json_answer(ResultHistoryBody(found.attempt.id.hex(), bodies))

    async def of_instrument(self, request: Request) -> Answer:
        """Return a page of an instrument's results, with the parts of the attempts that were asked for."""
        name, query = request.parameters["name"], request.query
        entry = await self._checker.entry(name, None)  # raises not-found, or not-indexed
        parts = query["include"] - {"quality"}
        assert request.caller is not None
        if parts and (refusal := request.caller.refusal(Scope.ATTEMPTS_READ)):
            raise Problem(MISSING_SCOPE, f"include={','.join(sorted(parts))}: {refusal}")
        if parts == {"labels"}:
            raise Problem(
                MALFORMED_REQUEST,
                "include=labels is about answers and attributes: include one of them.",
            )
        language = None if query["language"] is None else language_of(entry, query["language"])
        listed = await self._reader.of_instrument(name, query["after"], query["limit"])
        if not parts:
            return json_answer(
                ResultPage([await self._body(each, request) for each in listed.items], listed.next)
            )
        attempts, items = AttemptParts(parts, language), []
        for each in listed.items:
            body = await self._body(each, request)
            items.append(_with_attempt(body, each, attempts))
            if not len(items) % _AT_ONCE:
                await asyncio.sleep(0)
        return json_answer(ExportedResultPage(items, listed.next))

    async def of_participant(self, request: Request) -> Answer:
        """Return a page of a participant's results of the instruments that the key reaches."""
        participant = request.parameters["id"]
        if len(participant) > limits.MAX_PARTICIPANT:
            raise NotFound("Participant", participant)
        assert request.caller is not None
        after, limit = request.query["after"], request.query["limit"]
        listed = await self._reader.of_participant(participant, after, limit, request.caller)
        return json_answer(
            ResultPage([await self._body(each, request) for each in listed.items], listed.next)
        )

    async def _body(self, found: Found, request: Request) -> ResultBody:
        assert found.result is not None
        return await self._scorings.body(
            found.view,
            found.entry,
            found.attempt,
            found.result,
            with_quality="quality" in request.query["include"],
        )

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        return (
            Route(
                method="GET",
                path="/v1/attempts/{id}/result",
                handler=self.read,
                name="readResult",
                summary="Read an attempt's result, by an API key or the attempt's token",
                tag="results",
                scope=Scope.RESULTS_READ,
                takes_token=True,
                query=(WAIT, INCLUDE),
                answers={
                    200: Content(
                        {"application/json": ResultBody},
                        "It is scored, or has failed with a reason.",
                    ),
                    202: Content({"application/json": Pending}, "It is not scored yet."),
                },
                problems=(NOT_INDEXED,),
            ),
            Route(
                method="GET",
                path="/v1/attempts/{id}/result/explanation",
                handler=self.explain,
                name="explainResult",
                summary="Explain an attempt's scores step by step; answers and attributes require attempts:read",
                tag="results",
                scope=Scope.RESULTS_READ,
                answers={
                    200: Content(
                        {"application/json": ExplanationBody},
                        "It is scored, or has failed with a reason.",
                    ),
                    202: Content({"application/json": Pending}, "It is not scored yet."),
                },
                problems=(NOT_INDEXED,),
            ),
            Route(
                method="GET",
                path="/v1/attempts/{id}/result/history",
                handler=self.history,
                name="readResultHistory",
                summary="Read the results of an attempt that a re-scoring replaced, oldest first",
                tag="results",
                scope=Scope.RESULTS_READ,
                answers={200: Content({"application/json": ResultHistoryBody})},
                problems=(NOT_INDEXED,),
            ),
            Route(
                method="GET",
                path="/v1/instruments/{name}/results",
                handler=self.of_instrument,
                name="listResults",
                summary="List an instrument's results in commit order; polling from `next` returns each result once, also new ones",
                tag="results",
                scope=Scope.RESULTS_READ,
                query=(LIMIT, AFTER_CURSOR, INCLUDE_ATTEMPT, LANGUAGE_TAG),
                answers={200: Content({"application/json": ExportedResultPage})},
                problems=(NOT_INDEXED, HISTORY_CHANGED),
            ),
            Route(
                method="GET",
                path="/v1/participants/{id}/results",
                handler=self.of_participant,
                name="listParticipantResults",
                summary="List a participant's results, of the instruments that the key reaches",
                tag="results",
                scope=Scope.RESULTS_READ,
                query=(LIMIT, AFTER_CURSOR, INCLUDE),
                answers={200: Content({"application/json": ResultPage})},
                problems=(NOT_INDEXED, HISTORY_CHANGED),
            ),
        )


def _with_attempt(body: ResultBody, found: Found, attempts: AttemptParts) -> ExportedResult:
    """Return a result with the parts of its attempt."""
    seconds = given(found.attempt.seconds)
    parts = attempts.of(found)
    return ExportedResult(**msgspec.structs.asdict(body), seconds=seconds, **parts._asdict())


def pending(found: Found) -> Answer:
    """Return the answer about an attempt that is not scored yet."""
    return json_answer(Pending(found.attempt.id.hex(), "Submitted"), 202, ((b"retry-after", b"1"),))
