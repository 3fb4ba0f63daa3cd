"""Send many lines in requests of up to a thousand, with exactly one answer per line.

No I/O; run by the resources `attempts` and `invitations`. Lines without an answer are sent again: after lost connections, truncated
answers, or a rejection for lack of capacity. Their keys make this safe, and the server rejects a line without a key.
Answers are matched by line number, and by key where the server repeats it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import msgspec

from stanine.client.calls.lines import Answer, AnyLine, BulkRoute, encode_line
from stanine.client.errors import (
    LostAnswerError,
    StanineClientError,
    TemporaryError,
    UnexpectedAnswerError,
    error_of,
    redacted,
)
from stanine.client.flow import Flow, RequestContext, Send
from stanine.client.messages import Reply

#: Lines and bytes per request. An HTTP/1.1 request is sent completely before its answer is read; the server buffers 32
#: MiB of answers. The limit bounds the cost of sending a request again.
LINES_PER_REQUEST, BYTES_PER_REQUEST = 1_000, 512 << 10
#: Concurrent requests: the server works while the client prepares the next.
REQUESTS_AT_ONCE = 4


class _Keyed(msgspec.Struct):
    key: Any = None


class BulkBatch:
    """The lines of one request."""

    def __init__(self) -> None:
        #: Lines without an answer, by line number in the input.
        self.due: dict[int, bytes] = {}
        self.size = 0

    def add(self, number: int, line: bytes) -> None:
        """Add a line."""
        self.due[number] = line
        self.size += len(line) + 1

    @property
    def is_full(self) -> bool:
        """Whether the request has enough lines."""
        return len(self.due) >= LINES_PER_REQUEST or self.size >= BYTES_PER_REQUEST

    def body(self) -> bytes:
        """Return the lines to send."""
        return b"\n".join(self.due.values()) + b"\n"


class AnswerReader(Generic[Answer]):
    """Reads the answer to one request, part by part. An incomplete last line is ignored."""

    def __init__(
        self, route: BulkRoute[Answer], due: Mapping[int, bytes], secrets: Sequence[str] = ()
    ) -> None:
        """Initialise for the lines that were sent, by line number.

        `secrets` are removed from problems.
        """
        self._route: BulkRoute[Answer] = route
        self._secrets = secrets
        self._numbers, self._due = list(due), dict(due)
        self._rest = b""
        self._read = 0
        #: Final answers, and answers of lines that may be accepted later.
        self.settled: list[Answer] = []
        self.refused: list[Answer] = []
        #: Error in the answer.
        self.error: UnexpectedAnswerError | None = None

    def feed(self, part: bytes) -> None:
        """Parse a part. A line that does not match the request becomes `error`.

        It and the rest are ignored.
        """
        if self.error is not None:
            return
        *lines, self._rest = (self._rest + part).split(b"\n")
        try:
            for line in lines:
                if line.strip():
                    self._take(line)
        except UnexpectedAnswerError as error:
            self.error = error

    def _take(self, text: bytes) -> None:
        try:
            answer = self._route.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise UnexpectedAnswerError(
                "a line of the answer to a bulk request cannot be read"
            ) from None
        if self._read == len(self._numbers) and answer.problem is not None:
            return  # reason why the remaining lines were not read
        if answer.line != self._read + 1 or self._read == len(self._numbers):
            raise UnexpectedAnswerError(
                f"the answer to line {self._read + 1} of a bulk request is out of order"
            )
        number = self._numbers[self._read]
        self._read += 1
        if answer.key is not None and answer.key != _key_of(self._due[number]):
            raise UnexpectedAnswerError(f"the answer to line {number} has another line's key")
        if answer.problem is None and not self._route.is_complete(answer):
            raise UnexpectedAnswerError(
                f"the answer to line {number} is neither accepted nor a problem"
            )
        problem = answer.problem and redacted(answer.problem, self._secrets)
        answer = msgspec.structs.replace(answer, line=number, problem=problem)
        temporary = problem is not None and isinstance(error_of(problem), TemporaryError)
        (self.refused if temporary else self.settled).append(answer)


@dataclass(frozen=True, slots=True)
class Delivery(Generic[Answer]):
    """Result of a batch: answers in line order, and the error that prevented the remaining ones."""

    answers: list[Answer]
    error: StanineClientError | None


class Batcher:
    """Collects the lines of an input into batches. Blank lines are counted and skipped."""

    def __init__(self) -> None:
        self._number = 0
        self._batch = BulkBatch()

    def add(self, line: AnyLine) -> BulkBatch | None:
        """Add a line; return the batch if it is full.

        Raises TypeError for values that JSON cannot represent.
        """
        self._number += 1
        text = encode_line(line)
        if text:
            self._batch.add(self._number, text)
        return self.finish() if self._batch.is_full else None

    def finish(self) -> BulkBatch | None:
        """Return the last batch, if it has lines."""
        batch, self._batch = self._batch, BulkBatch()
        return batch if batch.due else None


def batches(lines: Iterable[AnyLine]) -> Iterator[BulkBatch]:
    """Yield an input's batches."""
    batcher = Batcher()
    for line in lines:
        if (batch := batcher.add(line)) is not None:
            yield batch
    if (last := batcher.finish()) is not None:
        yield last


def deliver(
    context: RequestContext, route: BulkRoute[Answer], instrument: str, batch: BulkBatch
) -> Flow[Delivery[Answer]]:
    """Send a batch until every line has its answer.

    If an error ends it, the delivery contains the error and the answers received before.
    """
    name = route.request(instrument, b"").name
    answers: list[Answer] = []
    series = context.series(name)
    error: StanineClientError | None = None
    while batch.due:
        try:
            outstanding = len(batch.due)
            error = yield from _send_once(context, route, instrument, batch, answers)
            if error is None:
                continue
            if len(batch.due) < outstanding:  # progress: restart the patience
                series = context.series(name)
            yield context.pause(series.after(error, repeatable=True))
        except StanineClientError as final:
            error = final
            break
    answers.sort(key=lambda each: each.line)
    return Delivery(answers, error if batch.due else None)


def _send_once(
    context: RequestContext,
    route: BulkRoute[Answer],
    instrument: str,
    batch: BulkBatch,
    answers: list[Answer],
) -> Flow[StanineClientError | None]:
    """Send the lines that are due and add their answers; return why some are still due, if any."""
    request = route.request(instrument, batch.body())
    reader = AnswerReader(route, batch.due, context.secrets)
    outcome = yield Send(request, reader.feed)
    for answer in reader.settled:
        del batch.due[answer.line]
        answers.append(answer)
    if reader.error is not None:
        raise reader.error
    if (error := context.error(request, outcome)) is not None or not batch.due:
        return error
    if reader.refused and reader.refused[0].problem is not None:
        return error_of(reader.refused[0].problem)
    assert isinstance(outcome, Reply)
    return LostAnswerError(f"{request.name}: the answer ended before the last line")


def _key_of(line: bytes) -> object:
    try:
        return msgspec.json.decode(line, type=_Keyed).key
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
