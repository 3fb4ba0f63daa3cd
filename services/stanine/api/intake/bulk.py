"""Bulk intake: NDJSON in, NDJSON out, in memory independent of the number of lines.

Called by its route. The steps run concurrently: `_read` splits the stream into lines; `_store` stores groups of at
most `bulkGroupLines` lines in one Redis call each; `_collect` orders the answers by line; `_write` sends them.
Clients should read answers while they send; others are served while their answers fit into BACKLOG_BYTES.

Revoking the key ends the request: no more lines are read or stored, the last line has the reason, and the
connection is aborted.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from opentelemetry.trace import Tracer

from stanine.api.admin.current_settings import CurrentSettings
from stanine.api.intake.attempt_tokens import Tokens
from stanine.api.intake.ndjson import Line, LineSplitter
from stanine.api.intake.storing import Intake
from stanine.api.intake.validation import Checker
from stanine.api.loops import IndexFollower
from stanine.api.web.auth import Caller, Keyring, Scope
from stanine.api.web.http import NDJSON, ClientGone, Request
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

#: Groups of lines waiting to be stored, so that reading continues while a group is stored.
MAX_WAITING = 2
#: Concurrent Redis calls of one request: the next group is prepared while the last one is stored.
MAX_UNDER_WAY = 2
#: Maximum bytes of answers that the client has not read: the answers of about 200,000 lines.
BACKLOG_BYTES = 32 << 20
#: Seconds without a byte from or to the client until the connection is aborted.
STALL_SECONDS = 60.0
#: Seconds between checks of the caller's key, and for the remaining answers after its revocation. With the one
#: second between reads of a changed keys file, the request of a revoked key ends within 5 s.
KEY_SECONDS, LAST_SECONDS = 0.5, 2.0

#: A line's number, its key, and its outcome if it is known before storing; None: the group's next submission.
Row = tuple[int, str | None, Problem | Submitted | None]

_encode = msgspec.json.Encoder().encode
_Key = msgspec.defstruct("_Key", [("key", str | None, None)])
_read_key = msgspec.json.Decoder(_Key).decode


class Stalled(ClientGone):
    """Raised for a client that neither sends nor reads."""


class Revoked(ClientGone):
    """Raised after the caller was informed that its key is revoked."""


class _Run:
    """The state that the steps of one bulk request share."""

    def __init__(self, name: str, key_space: bytes, live: CurrentSettings) -> None:
        self.name = name
        self.key_space = key_space
        self.live = live
        #: Maximum bytes of a line, fixed for the whole request.
        self.line_bytes = live.now.max_attempt_bytes
        self.lines: deque[Line] = deque()
        self.lines_size = 0
        self.read_all = False
        self.groups: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(MAX_UNDER_WAY)
        self.backlog: deque[bytes] = deque()
        self.backlog_size = 0
        self.collected_all = False
        #: Refuses all remaining lines: after a failure of Redis, trying each group would only take time.
        self.refusal: Problem | None = None
        #: Refuses further lines because the caller's key was revoked.
        self.revoked: Problem | None = None
        #: The number of the last line read.
        self.last_line = 0
        #: Time of the last byte from or to the client.
        self.moved = time.monotonic()
        self._waiters: list[asyncio.Future[None]] = []

    def add_lines(self, lines: Sequence[Line]) -> None:
        """Add lines that were read."""
        self.lines.extend(lines)
        self.last_line = lines[-1].number if lines else self.last_line
        self.lines_size += sum(len(line.text or b"") for line in lines)
        self.changed()

    def take_lines(self) -> list[Line]:
        """Remove and return the lines of the next group."""
        lines: list[Line] = []
        size = 0
        most, most_bytes = self.live.now.bulk_group_lines, self.live.now.bulk_group_bytes
        while self.lines and len(lines) < most and size < most_bytes:
            line = self.lines.popleft()
            size += len(line.text or b"")
            lines.append(line)
        self.lines_size -= size
        self.changed()
        return lines

    def has_room(self) -> bool:
        """Return whether more lines may be read."""
        settings = self.live.now
        return (
            len(self.lines) < MAX_WAITING * settings.bulk_group_lines
            and self.lines_size < MAX_WAITING * settings.bulk_group_bytes
        )

    def changed(self) -> None:
        """Wake the steps that wait for a change."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds; `changed` is called after each change of this record."""
        while not holds():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter


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
        run = _Run(name, request.caller.key_space, self._live)
        try:
            async with asyncio.TaskGroup() as steps:
                watch = steps.create_task(_watch(run))
                reading = steps.create_task(_read(run, request))
                watch_key = steps.create_task(self._watch_key(run, request.caller, reading))
                steps.create_task(self._store(run, request))
                steps.create_task(_collect(run))
                await _write(run, request)
                watch.cancel()
                watch_key.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _watch_key(self, run: _Run, caller: Caller, reading: "asyncio.Task[None]") -> None:
        """End the request when the caller's key is revoked; stored lines remain stored."""
        while True:
            await asyncio.sleep(KEY_SECONDS)
            problem = self._refusal(caller, run.name)
            if problem is not None:
                break
        reading.cancel()
        run.revoked = run.refusal = problem
        run.read_all = True
        run.changed()
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

    async def _store(self, run: _Run, request: Request) -> None:
        while True:
            await run.until(lambda: bool(run.lines) or run.read_all)
            if not run.lines:
                break
            lines = run.take_lines()
            rows, submissions = await self._prepare(run, lines)
            await run.groups.put(
                asyncio.create_task(self._commit(run, request, lines, rows, submissions))
            )
        await run.groups.put(None)

    async def _prepare(
        self, run: _Run, lines: Sequence[Line]
    ) -> tuple[list[Row], list[Submission]]:
        """Check the lines of a group."""
        rows: list[Row] = []
        submissions: list[Submission] = []
        for line in lines:
            checked: Submission | Submitted | Problem | None
            checked = (
                self._checker.check_usual(run.name, line.text, run.key_space)
                if line.text is not None
                else None
            )
            if checked is None or checked.key is None:
                try:
                    checked = await self._check(run, line)
                except Exception as error:  # noqa: BLE001 - the error becomes the line's answer; unexpected ones are re-raised
                    checked = _foreseen(error)
            if isinstance(checked, Submission):
                submissions.append(checked)
                rows.append((line.number, checked.key, None))
            else:
                rows.append((line.number, _key_of(line.text), checked))
        return rows, submissions

    async def _check(self, run: _Run, line: Line) -> Submission | Submitted:
        if line.text is None:
            raise Problem(TOO_LARGE, f"A line may have {run.line_bytes} bytes.")
        checked = await self._checker.check(run.name, line.text, run.key_space)
        if isinstance(checked, Submission) and checked.key is None:
            raise Problem(
                INVALID_ATTEMPT, "1 thing is wrong; see errors", errors=[_NO_KEY], error_count=1
            )
        return checked

    async def _commit(
        self,
        run: _Run,
        request: Request,
        lines: Sequence[Line],
        rows: Sequence[Row],
        submissions: Sequence[Submission],
    ) -> bytes:
        """Store a group and return its answer lines."""
        outcomes: Iterator[Submitted | Problem]
        if not submissions:
            outcomes = iter(())
        elif run.refusal is not None:
            outcomes = iter([run.refusal] * len(submissions))
        else:
            try:
                try:
                    outcomes = iter(await self._submit(request, submissions))
                except (
                    StaleViewError
                ):  # the server's data were replaced after the lines were checked
                    await self._index.refresh()
                    rows, submissions = await self._prepare(run, lines)
                    outcomes = iter(await self._submit(request, submissions) if submissions else ())
            except Exception as error:  # noqa: BLE001 - as above
                run.refusal = _foreseen(error)
                outcomes = iter([run.refusal] * len(submissions))
        return self._answers(run.name, rows, outcomes)

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


async def _read(run: _Run, request: Request) -> None:
    splitter = LineSplitter(run.line_bytes)
    more = True
    while more:
        await run.until(run.has_room)
        run.moved = time.monotonic()  # waiting for room is no stall of the client
        chunk, more = await request.chunk()
        run.moved = time.monotonic()
        run.add_lines(splitter.feed(chunk))
    run.read_all = True
    run.add_lines(splitter.finish())


async def _collect(run: _Run) -> None:
    while (group := await run.groups.get()) is not None:
        answers = await group
        await run.until(lambda: run.backlog_size < BACKLOG_BYTES)
        run.backlog.append(answers)
        run.backlog_size += len(answers)
        run.changed()
    run.collected_all = True
    run.changed()


async def _write(run: _Run, request: Request) -> None:
    while True:
        await run.until(lambda: bool(run.backlog) or run.collected_all)
        if not run.backlog and run.revoked is not None:
            if not request.started:
                raise run.revoked
            refusal = {
                "line": run.last_line + 1,
                "status": run.revoked.kind.status,
                "problem": run.revoked.document,
            }
            await request.write(_encode(refusal) + b"\n")
            raise Revoked
        if not request.started:
            await request.begin(200, NDJSON)
        if not run.backlog:
            await request.write(b"", more=False)
            return
        answers = run.backlog.popleft()
        await request.write(answers)
        run.moved = time.monotonic()
        run.backlog_size -= len(answers)
        run.changed()


async def _watch(run: _Run) -> None:
    while True:
        await asyncio.sleep(STALL_SECONDS / 12)
        if time.monotonic() - run.moved > STALL_SECONDS:
            raise Stalled


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
