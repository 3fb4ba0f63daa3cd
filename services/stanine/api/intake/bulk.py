"""Bulk intake: NDJSON in, NDJSON out, in memory independent of the number of lines.

Called by its route. The steps run concurrently: `read_lines` splits the stream into lines; `_store` stores groups of at
most `bulkGroupLines` lines in one Redis call each; `collect_answers` orders the answers by line; `write_answers` sends
them (`bulk_stream`).
Clients should read answers while they send; others are served while their answers fit into BACKLOG_BYTES.

Revoking the key ends the request: no more lines are read or stored, the last line has the reason, and the
connection is aborted.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from opentelemetry.trace import Tracer

from stanine.api.admin.current_settings import CurrentSettings
from stanine.api.intake.attempt_tokens import Tokens
from stanine.api.intake.bulk_stream import (
    BulkStream,
    Revoked,
    collect_answers,
    read_lines,
    watch_progress,
    write_answers,
)
from stanine.api.intake.ndjson import Line
from stanine.api.intake.storing import Intake
from stanine.api.intake.validation import Checker
from stanine.api.loops import IndexFollower
from stanine.api.web.auth import Caller, Keyring, Scope
from stanine.api.web.http import Request
from stanine.api.web.problem_mapping import problem_of
from stanine.api.web.problems import (
    ERASED,
    INVALID_ATTEMPT,
    KEY_CONFLICT,
    MISSING_SCOPE,
    TOO_LARGE,
    UNAUTHENTICATED,
    NotFound,
    Problem,
    ProblemError,
)
from stanine.messages import SCORE_ATTEMPTS
from stanine.store.attempts import Submission, Submitted
from stanine.store.errors import StaleViewError
from stanine.telemetry.api_metrics import ApiMetrics
from stanine.telemetry.traces import sending

#: Seconds between checks of the caller's key, and for the remaining answers after its revocation. With the one
#: second between reads of a changed keys file, the request of a revoked key ends within 5 s.
KEY_SECONDS, LAST_SECONDS = 0.5, 2.0

#: A line's number, its key, and its outcome if it is known before storing; None: the group's next submission.
Row = tuple[int, str | None, Problem | Submitted | None]

_encode = msgspec.json.Encoder().encode
_Key = msgspec.defstruct("_Key", [("key", str | None, None)])
_read_key = msgspec.json.Decoder(_Key).decode


class BulkIntake:
    """Handles bulk submissions; one per process."""

    def __init__(
        self,
        checker: Checker,
        intake: Intake,
        index: IndexFollower,
        tokens: Tokens,
        metrics: ApiMetrics,
        tracer: Tracer,
        live: CurrentSettings,
        keyring: Keyring,
    ) -> None:
        self._checker = checker
        self._index = index
        self._intake = intake
        self._tokens = tokens
        self._metrics = metrics
        self._tracer = tracer
        self._live = live
        self._keyring = keyring

    async def serve(self, request: Request, name: str) -> None:
        """Process the lines of one request and answer each of them.

        Raises ClientGone, Stalled or Revoked; lines that were stored before remain stored.
        """
        assert request.caller is not None
        stream = BulkStream(name, request.caller.key_space, self._live)
        try:
            async with asyncio.TaskGroup() as steps:
                watch = steps.create_task(watch_progress(stream))
                reading = steps.create_task(read_lines(stream, request))
                watch_key = steps.create_task(self._watch_key(stream, request.caller, reading))
                steps.create_task(self._store(stream, request))
                steps.create_task(collect_answers(stream))
                await write_answers(stream, request)
                watch.cancel()
                watch_key.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _watch_key(
        self, stream: BulkStream, caller: Caller, reading: "asyncio.Task[None]"
    ) -> None:
        """End the request when the caller's key is revoked; stored lines remain stored."""
        while True:
            await asyncio.sleep(KEY_SECONDS)
            problem = self._refusal(caller, stream.name)
            if problem is not None:
                break
        reading.cancel()
        stream.revoked = stream.refusal = problem
        stream.read_all = True
        stream.changed()
        await asyncio.sleep(LAST_SECONDS)
        raise Revoked

    def _refusal(self, caller: Caller, name: str) -> Problem | None:
        now = self._keyring.renew(caller)
        if now is None:
            return Problem(
                UNAUTHENTICATED, "The key was revoked. This line and all after it were not taken."
            )
        if refusal := now.refusal(Scope.ATTEMPTS_WRITE):
            return Problem(MISSING_SCOPE, f"{refusal} This line and all after it were not taken.")
        return None if now.sees(name) else NotFound("Instrument", name)

    async def _store(self, stream: BulkStream, request: Request) -> None:
        while True:
            await stream.until(lambda: bool(stream.lines) or stream.read_all)
            if not stream.lines:
                break
            lines = stream.take_lines()
            rows, submissions = await self._prepare(stream, lines)
            await stream.groups.put(
                asyncio.create_task(self._commit(stream, request, lines, rows, submissions))
            )
        await stream.groups.put(None)

    async def _prepare(
        self, stream: BulkStream, lines: Sequence[Line]
    ) -> tuple[list[Row], list[Submission]]:
        """Check the lines of a group."""
        rows: list[Row] = []
        submissions: list[Submission] = []
        for line in lines:
            checked: Submission | Submitted | Problem | None
            checked = (
                self._checker.check_usual(stream.name, line.text, stream.key_space)
                if line.text is not None
                else None
            )
            if checked is None or checked.key is None:
                try:
                    checked = await self._check(stream, line)
                except Exception as error:  # noqa: BLE001 - the error becomes the line's answer; unexpected ones are re-raised
                    checked = _foreseen(error)
            if isinstance(checked, Submission):
                submissions.append(checked)
                rows.append((line.number, checked.key, None))
            else:
                rows.append((line.number, _key_of(line.text), checked))
        return rows, submissions

    async def _check(self, stream: BulkStream, line: Line) -> Submission | Submitted:
        if line.text is None:
            raise Problem(TOO_LARGE, f"A line may have {stream.line_bytes} bytes.")
        checked = await self._checker.check(stream.name, line.text, stream.key_space)
        if isinstance(checked, Submission) and checked.key is None:
            raise Problem(
                INVALID_ATTEMPT, "1 thing is wrong; see errors", errors=[_NO_KEY], error_count=1
            )
        return checked

    async def _commit(
        self,
        stream: BulkStream,
        request: Request,
        lines: Sequence[Line],
        rows: Sequence[Row],
        submissions: Sequence[Submission],
    ) -> bytes:
        """Store a group and return its answer lines."""
        outcomes: Iterator[Submitted | Problem]
        if not submissions:
            outcomes = iter(())
        elif stream.refusal is not None:
            outcomes = iter([stream.refusal] * len(submissions))
        else:
            try:
                try:
                    outcomes = iter(await self._submit(request, submissions))
                except (
                    StaleViewError
                ):  # the server's data were replaced after the lines were checked
                    await self._index.refresh()
                    rows, submissions = await self._prepare(stream, lines)
                    outcomes = iter(await self._submit(request, submissions) if submissions else ())
            except Exception as error:  # noqa: BLE001 - as above
                stream.refusal = _foreseen(error)
                outcomes = iter([stream.refusal] * len(submissions))
        return self._answers(stream.name, rows, outcomes)

    async def _submit(self, request: Request, submissions: Sequence[Submission]) -> list[Submitted]:
        with sending(self._tracer, SCORE_ATTEMPTS.queue, request.span, len(submissions)) as trace:
            return await self._intake.submit_many(submissions, trace)

    def _answers(
        self, instrument: str, rows: Sequence[Row], stored: Iterator[Submitted | Problem]
    ) -> bytes:
        """Return the answer lines of a group, and count the outcomes."""
        accepted = repeated = 0
        lines = []
        token_of = self._tokens.of
        for line, key, known in rows:
            outcome = next(stored) if known is None else known
            if isinstance(outcome, Submitted) and outcome.outcome in _REFUSALS:
                outcome = _REFUSALS[outcome.outcome](instrument)
            if isinstance(outcome, Submitted):
                accepted += outcome.outcome == "new"
                repeated += outcome.outcome == "repeated"
                name, access = outcome.id.hex().encode(), token_of(outcome.id).encode()
                mark = b',"repeated":true' if outcome.outcome == "repeated" else b""
                lines.append(
                    b'{"line":%d,"status":202,"key":%b,"attempt":"%b","token":"%b"%b}\n'
                    % (line, _encode(key), name, access, mark)
                )
            else:
                named = b"" if key is None else b'"key":%b,' % _encode(key)
                lines.append(
                    b'{"line":%d,"status":%d,%b"problem":%b}\n'
                    % (line, outcome.kind.status, named, _encode(outcome.document))
                )
        self._metrics.attempts_accepted.inc(accepted)
        self._metrics.attempts_repeated.inc(repeated)
        self._metrics.attempts_refused.inc(len(rows) - accepted - repeated)
        return b"".join(lines)


def conflict() -> Problem:
    """Return the problem for a key that another attempt has."""
    return Problem(
        KEY_CONFLICT,
        "An attempt with this key and another content was accepted before. Give a new attempt a new key.",
    )


def erased() -> Problem:
    """Return the problem for a key whose attempt was erased."""
    return Problem(
        ERASED,
        "An attempt with this key was erased; the key is refused so that nothing brings it back. Give a new attempt a new key.",
    )


#: Problems by the outcome of a refused submission.
_REFUSALS: Mapping[str, Callable[[str], Problem]] = {
    "conflict": lambda _: conflict(),
    "gone": lambda instrument: NotFound("Instrument", instrument),
    "erased": lambda _: erased(),
}

_NO_KEY = ProblemError(
    "/key",
    "MissingField",
    "in bulk every attempt needs a key, so that sending the lines again adds nothing",
)


def _foreseen(error: Exception) -> Problem:
    """Return the problem of an error; re-raise an unexpected error, which ends the request."""
    problem = problem_of(error)
    if problem is None:
        raise error
    return problem


def _key_of(text: bytes | None) -> str | None:
    """Return the key of an invalid line if it is readable; it locates the line for the caller."""
    try:
        return _read_key(text).key if text else None  # type: ignore[attr-defined]
    except msgspec.MsgspecError:
        return None
