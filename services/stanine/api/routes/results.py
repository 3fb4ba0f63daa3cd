"""Results: of one attempt, of an instrument in the order of commits, of a participant."""

from stanine.api.checking import Checker
from stanine.api.deadlines import within
from stanine.api.dispatch import json_answer
from stanine.api.http import Answer, Request
from stanine.api.keys import Scope
from stanine.api.problems import NOT_INDEXED
from stanine.api.queries import AFTER_ORDER, LIMIT, WAIT
from stanine.api.reading import AttemptReader
from stanine.api.records import Pending, ResultBody, ResultPage
from stanine.api.routing import Content, Route
from stanine.api.scorings import Scorings
from stanine.store.attempts import Attempts


class ResultRoutes:
    """The routes that answer results."""

    def __init__(self, attempts: Attempts, reader: AttemptReader, scorings: Scorings, checker: Checker) -> None:
        self._attempts = attempts
        self._reader = reader
        self._scorings = scorings
        self._checker = checker

    async def read(self, request: Request) -> Answer:
        """Answer an attempt's result, or that it is pending."""
        found = await self._reader.find(request)
        result = found.result or await self._reader.wait(found.attempt.id, request.query["wait"])
        if result is None:
            return json_answer(Pending(found.attempt.id.hex(), "Submitted"), 202, ((b"retry-after", b"1"),))
        return json_answer(await self._scorings.body(found.entry, found.attempt, result))

    async def of_instrument(self, request: Request) -> Answer:
        """Answer a page of an instrument's results."""
        entry = await self._checker.entry(request.parameters["name"], None)
        after = request.query["after"]
        listed = await within(self._attempts.results(entry.number, after, request.query["limit"]))
        items = [await self._scorings.body(self._reader.entry_of(each.attempt), each.attempt, each.result) for each in listed]
        return json_answer(ResultPage(items, listed[-1].order if listed else after))

    async def of_participant(self, request: Request) -> Answer:
        """Answer a page of a participant's results, of the instruments that the key reaches."""
        caller, limit, after = request.caller, request.query["limit"], request.query["after"]
        assert caller is not None
        items: list[ResultBody] = []
        while len(items) < limit:
            wanted = limit - len(items)
            listed = await within(self._attempts.participant_results(request.parameters["id"], after, wanted))
            for each in listed:
                entry = self._reader.entry_of(each.attempt)
                if caller.sees(entry.name):
                    items.append(await self._scorings.body(entry, each.attempt, each.result))
            after = listed[-1].order if listed else after
            if len(listed) < wanted:
                break
        return json_answer(ResultPage(items, after))

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        return (
            Route(
                method="GET",
                path="/v1/attempts/{id}/result",
                handler=self.read,
                name="readResult",
                summary="Read an attempt's result, by a key or by the attempt's own token",
                tag="results",
                scope=Scope.RESULTS_READ,
                takes_token=True,
                query=(WAIT,),
                answers={
                    200: Content({"application/json": ResultBody}, "It is scored, or has failed with a reason."),
                    202: Content({"application/json": Pending}, "It is not scored yet."),
                },
                problems=(NOT_INDEXED,),
            ),
            Route(
                method="GET",
                path="/v1/instruments/{name}/results",
                handler=self.of_instrument,
                name="listResults",
                summary="List an instrument's results in the order of their commits: polling from `next` misses and repeats nothing",
                tag="results",
                scope=Scope.RESULTS_READ,
                query=(LIMIT, AFTER_ORDER),
                answers={200: Content({"application/json": ResultPage})},
                problems=(NOT_INDEXED,),
            ),
            Route(
                method="GET",
                path="/v1/participants/{id}/results",
                handler=self.of_participant,
                name="listParticipantResults",
                summary="List a participant's results, of the instruments that the key reaches",
                tag="results",
                scope=Scope.RESULTS_READ,
                query=(LIMIT, AFTER_ORDER),
                answers={200: Content({"application/json": ResultPage})},
                problems=(NOT_INDEXED,),
            ),
        )
