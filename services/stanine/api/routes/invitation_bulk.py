"""Invitations in bulk: one per line, answered as NDJSON or CSV."""

import asyncio
import csv
import io
from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from stanine.api.bodies import given
from stanine.api.intake.bulk_stream import STALL_SECONDS
from stanine.api.intake.idempotency import refuse_idempotency_key
from stanine.api.intake.ndjson import Line, LineSplitter
from stanine.api.intake.storing import Intake
from stanine.api.intake.validation import Checker
from stanine.api.people.invitation_outcomes import MAX_ORDER, count_outcomes, refusal
from stanine.api.people.inviting import InvitationDesk
from stanine.api.people.session_bodies import InvitationLine, InvitationOrder
from stanine.api.web.auth import Scope
from stanine.api.web.http import NDJSON, Answer, Request
from stanine.api.web.problem_mapping import problem_of
from stanine.api.web.problems import (
    FULL,
    INVALID_REQUEST,
    NOT_INDEXED,
    TOO_LARGE,
    TOO_SLOW,
    UNSUPPORTED_CONTENT,
    Problem,
    ProblemError,
)
from stanine.api.web.routing import Content, Route
from stanine.store.invitations import MAX_INVITATIONS, Invited, NewInvitation
from stanine.telemetry.api_metrics import ApiMetrics

#: Maximum lines per request, because answers are held until all lines are read.
MAX_LINES = 100_000

_CSV = b"text/csv"
_BULK_TYPES = (NDJSON, b"application/ndjson", b"application/jsonl", b"application/x-jsonlines")
_COLUMNS = ("line", "status", "key", "invitation", "code", "url", "problem")
_NO_KEY = ProblemError(
    "/key",
    "MissingField",
    "in bulk every invitation needs a key, so that sending the lines again adds nothing",
)
_encode = msgspec.json.Encoder().encode


class InvitationBulkRoutes:
    """The route that creates many invitations."""

    def __init__(
        self, desk: InvitationDesk, checker: Checker, intake: Intake, metrics: ApiMetrics
    ) -> None:
        self._desk = desk
        self._checker = checker
        self._intake = intake
        self._metrics = metrics

    async def create_many(self, request: Request) -> Answer:
        """Create invitations line by line.

        All lines are read before the first is answered, so that a client need not read while it sends.
        """
        request.check_content(*_BULK_TYPES)
        refuse_idempotency_key(request.headers.get(b"idempotency-key"))
        name = request.parameters["name"]
        self._intake.admit()
        await self._checker.entry(
            name, None
        )  # unknown or not indexed: refused before any line is read
        splitter, more, read = LineSplitter(MAX_ORDER), True, 0
        waiting: list[Line] = []
        answers: list[InvitationLine] = []
        while more and read < MAX_LINES:
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    chunk, more = await request.chunk()
            except TimeoutError:
                raise Problem(TOO_SLOW, f"Nothing came for {STALL_SECONDS:g} s.") from None
            lines = splitter.feed(chunk) + ([] if more else splitter.finish())
            waiting += lines[: MAX_LINES - read]
            read += len(lines)
            while len(waiting) >= MAX_INVITATIONS or (waiting and not more):
                answers += await self._take(request, name, waiting[:MAX_INVITATIONS])
                del waiting[:MAX_INVITATIONS]
        if waiting:
            answers += await self._take(request, name, waiting)
        if read > MAX_LINES or more:
            too_many = Problem(
                TOO_LARGE,
                f"A request may have {MAX_LINES} lines; this one and all after it were not taken.",
            )
            answers.append(
                InvitationLine(
                    answers[-1].line + 1 if answers else 1, 413, problem=too_many.document
                )
            )
        if request.text(b"accept").partition(";")[0].strip().lower() == _CSV.decode():
            return Answer(200, _as_csv(answers), _CSV)
        return Answer(200, b"".join(_encode(each) + b"\n" for each in answers), NDJSON)

    async def _take(
        self, request: Request, name: str, lines: Sequence[Line]
    ) -> list[InvitationLine]:
        """Create the invitations of a group of lines; return their answers."""
        assert request.caller is not None
        answers: dict[int, InvitationLine] = {}
        good: list[tuple[int, NewInvitation]] = []
        number = 0
        for line in lines:
            key = None
            try:
                if line.text is None:
                    raise Problem(TOO_LARGE, f"A line may have {MAX_ORDER} bytes.")  # noqa: TRY301 - the error becomes the line's answer
                order = self._desk.reader.read(line.text)
                key = order.key
                if key is None:
                    raise Problem(  # noqa: TRY301 - as above
                        INVALID_REQUEST,
                        "1 thing is wrong; see errors",
                        errors=[_NO_KEY],
                        error_count=1,
                    )
                number, new = await self._desk.prepare(name, order, request.caller.key_space)
                good.append((line.number, new))
            except Problem as problem:
                answers[line.number] = InvitationLine(
                    line.number, problem.kind.status, given(key), problem=problem.document
                )
                self._metrics.invitations["refused"].inc()
        if good:
            try:
                self._intake.admit()
                done: Sequence[Invited | Problem] = await self._desk.create(
                    number, [new for _, new in good]
                )
            except Exception as error:
                found = problem_of(error)
                if found is None:
                    raise
                done = [found] * len(good)
            count_outcomes(request, self._metrics, done)
            for (place, new), outcome in zip(good, done, strict=True):
                answers[place] = self._line(name, place, new, outcome)
        return [answers[line.number] for line in lines]

    def _line(
        self, name: str, place: int, new: NewInvitation, outcome: Invited | Problem
    ) -> InvitationLine:
        problem = outcome if isinstance(outcome, Problem) else refusal(outcome, name)
        if problem is not None or isinstance(outcome, Problem):
            assert problem is not None
            return InvitationLine(
                place, problem.kind.status, given(new.key), problem=problem.document
            )
        status = 200 if outcome.outcome == "repeated" else 201
        code, url = self._desk.code(outcome.id), self._desk.url(outcome.id)
        return InvitationLine(place, status, given(new.key), outcome.id.hex(), code, given(url))

    def routes(self) -> tuple[Route, ...]:
        """Return the declaration."""
        return (
            Route(
                method="POST",
                path="/v1/instruments/{name}/invitations:bulk",
                handler=self.create_many,
                name="createInvitations",
                summary="Create many invitations, one per line; answers one line each, as NDJSON or CSV (Accept: text/csv)",
                tag="invitations",
                scope=Scope.INVITATIONS_WRITE,
                headers={"Accept": "text/csv: a table of links; otherwise NDJSON."},
                body=Content(
                    {"application/x-ndjson": InvitationOrder},
                    "One invitation per line, each with a key.",
                ),
                answers={
                    200: Content(
                        {"application/x-ndjson": InvitationLine, "text/csv": {"type": "string"}},
                        "One answer per line.",
                    )
                },
                problems=(NOT_INDEXED, FULL, TOO_SLOW, UNSUPPORTED_CONTENT),
            ),
        )


def _as_csv(answers: Sequence[InvitationLine]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for each in answers:
        problem = "" if each.problem is UNSET else each.problem.detail
        texts = [
            "" if value is UNSET else value
            for value in (each.key, each.invitation, each.code, each.url)
        ]
        writer.writerow([each.line, each.status, *texts, problem])
    return file.getvalue().encode()
