"""The bulk intake: NDJSON in, NDJSON out, line by line, in memory that does not grow with the number of lines. Called by its route.

Its steps run side by side: `_read` splits the stream into lines; `_store` takes what has come, at most GROUP lines, for one call of
Redis; `_collect` puts the answers in the order of the lines; `_write` sends them. A client should read answers while it sends; one that
does not is served as long as its answers fit into BACKLOG_BYTES.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import msgspec
from opentelemetry.trace import Tracer

from stanine.api.failures import problem_of
from stanine.api.http import NDJSON, Request
from stanine.api.intake import Intake
from stanine.api.lines import Line, LineSplitter
from stanine.api.problems import INVALID_ATTEMPT, KEY_CONFLICT, TOO_LARGE, Problem, from_faults
from stanine.api.tokens import Tokens
from stanine.domain.errors import Fault, InvalidAttempt
from stanine.domain.index import IndexEntry
from stanine.domain.limits import MAX_ATTEMPT_BYTES
from stanine.domain.response import Attempt, decode_attempt
from stanine.messages import SCORE_ATTEMPTS
from stanine.store.attempts import Submission, Submitted
from stanine.telemetry.api_metrics import ApiMetrics
from stanine.telemetry.logs import get_log
from stanine.telemetry.traces import sending

#: Lines stored by one call: they take Redis about two milliseconds, in which nobody else is served.
GROUP = 500
#: Lines that wait to be stored: reading goes on while a group is stored.
MAX_WAITING_LINES = 2 * GROUP
#: Calls of Redis under way for one request: the next group is prepared while the last is stored.
MAX_UNDER_WAY = 2
#: Bytes of answers that wait for the client to read: those of some 200,000 lines.
BACKLOG_BYTES = 32 << 20
#: Seconds without anything sent or taken by the client, after which the connection is broken off.
STALL_SECONDS = 60.0

#: A line's number, its key, and its outcome where that is known before storing; None: it is the group's next submission.
Row = tuple[int, str | None, Problem | Submitted | None]

_encode = msgspec.json.Encoder().encode
_Key = msgspec.defstruct("_Key", [("key", str | None, None)])
_read_key = msgspec.json.Decoder(_Key).decode

log = get_log()


class Stalled(Exception):  # noqa: N818 - the client's doing, not an error of ours
    """Raised when a client neither sends nor reads."""


class _Run:
    """One bulk request: what its steps hand to each other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: deque[Line] = deque()
        self.read_all = False
        #: The entries that the group's lines belong to, by the revision they name.
        self.entries: dict[int | None, IndexEntry] = {}
        self.groups: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(MAX_UNDER_WAY)
        self.backlog: deque[bytes] = deque()
        self.backlog_size = 0
        self.collected_all = False
        #: Why all lines that are left are refused: once Redis is away, trying each group would take long and change nothing.
        self.refusal: Problem | None = None
        #: When the client last sent or took something.
        self.moved = time.monotonic()
        self._waiters: list[asyncio.Future[None]] = []

    def changed(self) -> None:
        """Wake the steps that wait for another."""
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
    """Takes bulk submissions; one for the process."""

    def __init__(self, intake: Intake, tokens: Tokens, metrics: ApiMetrics, tracer: Tracer) -> None:
        self._intake = intake
        self._tokens = tokens
        self._metrics = metrics
        self._tracer = tracer

    async def serve(self, request: Request, name: str) -> None:
        """Take the lines of one request and answer each. Raises ClientGone or Stalled; lines stored by then stay stored."""
        run = _Run(name)
        try:
            async with asyncio.TaskGroup() as steps:
                watch = steps.create_task(_watch(run))
                steps.create_task(_read(run, request))
                steps.create_task(self._store(run, request))
                steps.create_task(_collect(run))
                await _write(run, request)
                watch.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _store(self, run: _Run, request: Request) -> None:
        while True:
            await run.until(lambda: bool(run.lines) or run.read_all)
            if not run.lines:
                break
            lines = [run.lines.popleft() for _ in range(min(len(run.lines), GROUP))]
            run.changed()
            rows, submissions = await self._prepare(run, lines)
            await run.groups.put(asyncio.create_task(self._commit(run, request, rows, submissions)))
        await run.groups.put(None)

    async def _prepare(self, run: _Run, lines: Sequence[Line]) -> tuple[list[Row], list[Submission]]:
        """Read and check the lines of a group."""
        rows: list[Row] = []
        submissions: list[Submission] = []
        for line in lines:
            known: Problem | Submitted | None = None
            attempt = None
            try:
                attempt = self._read_line(line)
                entry = run.entries.get(attempt.revision) or await self._find_entry(run, attempt.revision)
                submissions.append(self._intake.prepare(attempt, entry))
            except InvalidAttempt as error:
                before = await self._intake.answered_before(attempt, entry) if attempt else None
                known = before or from_faults(INVALID_ATTEMPT, error)
            except Exception as error:  # noqa: BLE001 - a line's trouble is its answer; what nobody foresaw goes on
                known = _foreseen(error)
            rows.append((line.number, attempt.key if attempt else _key_of(line.text), known))
        run.entries.clear()  # by the next group there may be a newer revision
        return rows, submissions

    def _read_line(self, line: Line) -> Attempt:
        if line.text is None:
            raise Problem(TOO_LARGE, f"A line may have {MAX_ATTEMPT_BYTES} bytes.")
        attempt = decode_attempt(line.text)
        if attempt.key is None:
            raise InvalidAttempt([_NO_KEY])
        return attempt

    async def _find_entry(self, run: _Run, revision: int | None) -> IndexEntry:
        run.entries[revision] = entry = await self._intake.entry(run.name, revision)
        return entry

    async def _commit(self, run: _Run, request: Request, rows: Sequence[Row], submissions: Sequence[Submission]) -> bytes:
        """Store a group and return its answer lines."""
        outcomes: Iterator[Submitted | Problem]
        if not submissions:
            outcomes = iter(())
        elif run.refusal is not None:
            outcomes = iter([run.refusal] * len(submissions))
        else:
            try:
                self._intake.admit()
                outcomes = iter(await self._submit(request, submissions))
            except Exception as error:  # noqa: BLE001 - as above
                run.refusal = _foreseen(error)
                outcomes = iter([run.refusal] * len(submissions))
        return b"".join([self._answer(number, key, next(outcomes) if known is None else known) for number, key, known in rows])

    async def _submit(self, request: Request, submissions: Sequence[Submission]) -> list[Submitted]:
        with sending(self._tracer, SCORE_ATTEMPTS.queue, request.span, len(submissions)) as trace:
            return await self._intake.submit_many(submissions, trace)

    def _answer(self, line: int, key: str | None, outcome: Submitted | Problem) -> bytes:
        if isinstance(outcome, Submitted):
            if outcome.outcome != "conflict":
                (self._metrics.attempts_accepted if outcome.outcome == "new" else self._metrics.attempts_repeated).inc()
                name, secret = outcome.id.hex().encode(), self._tokens.of(outcome.id).encode()
                return b'{"line":%d,"status":202,"key":%b,"attempt":"%b","token":"%b"}\n' % (line, _encode(key), name, secret)
            outcome = conflict()
        self._metrics.attempts_refused.inc()
        status, problem = outcome.kind.status, _encode(outcome.document)
        if key is None:
            return b'{"line":%d,"status":%d,"problem":%b}\n' % (line, status, problem)
        return b'{"line":%d,"status":%d,"key":%b,"problem":%b}\n' % (line, status, _encode(key), problem)


def conflict() -> Problem:
    """Return the problem of a key that stands for another meaning."""
    return Problem(KEY_CONFLICT, "An attempt with this key and another content was accepted before. Give a new attempt a new key.")


_NO_KEY = Fault("/key", "MissingField", "in bulk every attempt needs a key, so that sending the lines again adds nothing")


async def _read(run: _Run, request: Request) -> None:
    splitter = LineSplitter(MAX_ATTEMPT_BYTES)
    more = True
    while more:
        await run.until(lambda: len(run.lines) < MAX_WAITING_LINES)
        run.moved = time.monotonic()  # until now it was we who did not read
        chunk, more = await request.chunk()
        run.moved = time.monotonic()
        run.lines.extend(splitter.feed(chunk))
        run.changed()
    run.lines.extend(splitter.finish())
    run.read_all = True
    run.changed()


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
    """Return the problem that an error stands for; what nobody foresaw ends the whole request."""
    problem = problem_of(error)
    if problem is None:
        raise error
    return problem


def _key_of(text: bytes | None) -> str | None:
    """Return the key of a line that is no valid attempt, where it can be told, so that the caller finds the line again."""
    try:
        return _read_key(text).key if text else None  # type: ignore[attr-defined]
    except msgspec.MsgspecError:
        return None
