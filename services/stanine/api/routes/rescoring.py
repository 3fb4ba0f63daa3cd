"""Re-scoring of an instrument's attempts: start it, read its state and its report."""

import os
import secrets
from collections.abc import Callable

from msgspec import UNSET

from stanine.api.bodies import given
from stanine.api.intake.storing import Intake
from stanine.api.intake.validation import Checker
from stanine.api.people.body_reading import BodyReader
from stanine.api.rescoring_bodies import FormScoring, RescoringBody, RescoringOrder
from stanine.api.result_presenter import iso
from stanine.api.web.auth import Scope
from stanine.api.web.deadlines import within
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import JSON, Answer, Request
from stanine.api.web.problems import (
    DRAINING,
    FULL,
    INVALID_REQUEST,
    NOT_FOUND,
    NOT_INDEXED,
    RESCORING_RUNNING,
    TOKEN_CONFLICT,
    TOO_LARGE,
    TOO_SLOW,
    UNSUPPORTED_CONTENT,
    Problem,
)
from stanine.api.web.routing import Content, Route
from stanine.domain.statistics.rescoring import decode_changes, report_of
from stanine.messages import RESCORE, RUN_ID_BYTES
from stanine.store.rescoring import Rescoring, RescoringRequests, StartOutcome
from stanine.telemetry.logs import get_log

#: Maximum bytes of a body.
MAX_ORDER = 4 * 1024


class RescoringRoutes:
    """The routes of re-scoring."""

    def __init__(
        self,
        rescorings: RescoringRequests,
        checker: Checker,
        intake: Intake,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`random` returns random bytes."""
        self._rescorings = rescorings
        self._checker = checker
        self._intake = intake
        self._random = random
        self._orders = BodyReader(RescoringOrder, INVALID_REQUEST)

    async def start(self, request: Request) -> Answer:
        """Start a re-scoring, unless the request was done before."""
        request.check_content(JSON)
        text = await request.body(MAX_ORDER)
        order = self._orders.read(text) if text else RescoringOrder()
        name = request.parameters["name"]
        number = (await self._checker.entry(name, None)).number
        self._intake.admit(RESCORE.queue)
        outcome = await within(
            self._rescorings.start(
                name,
                run=self._random(RUN_ID_BYTES),
                token=order.token or secrets.token_hex(16),
                dry_run=order.dry_run,
            )
        )
        if outcome in {StartOutcome.NOT_INDEXED, StartOutcome.CHANGED}:
            raise Problem(
                NOT_INDEXED, f"The newest scoring of instrument '{name}' is not indexed yet."
            )
        run = await self._read(number, name)
        if outcome is StartOutcome.RUNNING:
            raise Problem(
                RESCORING_RUNNING,
                f"The re-scoring {run.id.hex()} of instrument '{name}' has not finished:"
                f" {run.position} of {run.total}.",
            )
        if run.dry_run != order.dry_run:
            raise Problem(
                TOKEN_CONFLICT, "The token was used for a re-scoring with another `dryRun`."
            )
        if outcome is StartOutcome.STARTED:
            get_log().info(
                "rescoring.started",
                instrument=name,
                run=run.id.hex(),
                dry_run=run.dry_run,
                by=request.caller.name if request.caller else None,
            )
        return json_answer(
            _body(run), 202, ((b"location", f"/v1/instruments/{name}/rescoring".encode()),)
        )

    async def read(self, request: Request) -> Answer:
        """Return the last re-scoring of an instrument."""
        name = request.parameters["name"]
        entry = await self._checker.entry(name, None)
        return json_answer(_body(await self._read(entry.number, name)))

    async def _read(self, number: int, name: str) -> Rescoring:
        run = await within(self._rescorings.read(number))
        if run is None:
            raise Problem(NOT_FOUND, f"Instrument '{name}' was never re-scored.")
        return run

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        return (
            Route(
                method="POST",
                path="/v1/instruments/{name}:rescore",
                handler=self.start,
                name="rescoreInstrument",
                summary="Score all attempts again by the newest scoring of their form; a dry run only reports the changes",
                tag="results",
                scope=Scope.INSTRUMENTS_WRITE,
                body=Content({"application/json": RescoringOrder}, "May be empty."),
                answers={
                    202: Content(
                        {"application/json": RescoringBody},
                        "It has started, or was started before.",
                    )
                },
                problems=(
                    RESCORING_RUNNING,
                    TOKEN_CONFLICT,
                    INVALID_REQUEST,
                    NOT_INDEXED,
                    FULL,
                    DRAINING,
                    TOO_LARGE,
                    TOO_SLOW,
                    UNSUPPORTED_CONTENT,
                ),
            ),
            Route(
                method="GET",
                path="/v1/instruments/{name}/rescoring",
                handler=self.read,
                name="readRescoring",
                summary="Read the state and the report of an instrument's last re-scoring",
                tag="results",
                scope=Scope.INSTRUMENTS_WRITE,
                answers={200: Content({"application/json": RescoringBody})},
                problems=(NOT_INDEXED,),
            ),
        )


def _body(run: Rescoring) -> RescoringBody:
    return RescoringBody(
        instrument=run.name,
        rescoring=run.id.hex(),
        token=run.token,
        dry_run=run.dry_run,
        state=run.state,
        revision=run.revision,
        scorings=[
            FormScoring(form, each.revision, each.digest)
            for form, each in sorted(run.scorings.items())
        ],
        done=run.position,
        total=run.total,
        started_at=iso(run.started_at),
        report=report_of(decode_changes(run.report)),
        finished_at=iso(run.finished_at) if run.finished_at is not None else UNSET,
        reason=given(run.reason),
    )
