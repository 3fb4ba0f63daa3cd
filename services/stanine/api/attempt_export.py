"""Streams an instrument's attempts as NDJSON or CSV, in bounded memory. Used by the route `listAttempts`.

An answer is made page by page while the client reads. Between pages the caller's key is checked again. An answer that
cannot be completed is aborted, so that the client notices; it continues after the last line that it has.
"""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

import msgspec
from msgspec import UNSET

from stanine.api.attempt_parts import AttemptParts, PerForm, read_answers
from stanine.api.attempt_reader import AttemptReader, Found, FoundAttempts
from stanine.api.bodies import ResultBody, given
from stanine.api.export_bodies import ListedAttempt, ListPosition
from stanine.api.intake.bulk_stream import STALL_SECONDS
from stanine.api.result_presenter import ResultPresenter, iso
from stanine.api.web.http import NDJSON, ClientGone, Request
from stanine.domain.attempts.unpacking import Unpacker
from stanine.domain.scoring.index import IndexEntry
from stanine.domain.tables.answer_columns import AnswerColumns, label_cells, labels_of
from stanine.domain.tables.attempt_columns import (
    ATTEMPT_COLUMNS,
    NOT_SHOWN_COLUMN,
    RESULT_COLUMNS,
)
from stanine.domain.tables.csv_lines import CsvLines
from stanine.domain.tables.score_columns import score_columns_of
from stanine.domain.tables.variables import variables_of
from stanine.store.attempt_lists import AttemptFilter
from stanine.store.cursors import Cursor

CSV = b"text/csv"
#: Attempts between two cursors in NDJSON; seconds after which a cursor is sent even if no attempt was found.
_CURSOR_EVERY, _CURSOR_SECONDS = 1000, 5.0
#: Attempts that are converted at once: with 50 items they occupy the process for about 2 ms.
_AT_ONCE = 50
_encode = msgspec.json.Encoder().encode


class ExportEndedError(ClientGone):
    """Raised to abort an answer that was begun: the key was revoked, or a new form has other columns."""


class ExportOrder(msgspec.Struct, frozen=True):
    """What is exported: the instrument, which attempts, which parts, and the language of labels."""

    name: str
    after: Cursor | bytes
    limit: int | None
    wanted: AttemptFilter
    parts: Collection[str]
    language: str | None


class AttemptExport:
    """Exports attempts. `may_go_on` returns whether the key of a request still allows it."""

    def __init__(
        self,
        reader: AttemptReader,
        scorings: ResultPresenter,
        may_go_on: Callable[[Request, ExportOrder], bool],
    ) -> None:
        self._reader = reader
        self._scorings = scorings
        self._may_go_on = may_go_on

    async def send_ndjson(self, request: Request, order: ExportOrder) -> None:
        """Answer with a line per attempt, and lines with the cursor to continue from, also at the end."""
        lines = _Lines(order)
        since, sent_at = 0, time.monotonic()
        cursor = ""
        async for page in self._pages(request, order, NDJSON):
            for start in range(0, len(page.items), _AT_ONCE):
                part = page.items[start : start + _AT_ONCE]
                results = [await self._result(each, order) for each in part]
                written = [
                    _encode(lines.line(each, result))
                    for each, result in zip(part, results, strict=True)
                ]
                await _write(request, b"\n".join([*written, b""]))
            since += len(page.items)
            cursor = page.next.encode()
            if since >= _CURSOR_EVERY or time.monotonic() - sent_at > _CURSOR_SECONDS:
                since, sent_at = 0, time.monotonic()
                await _write(request, _encode(ListPosition(cursor)) + b"\n")
                cursor = ""
        last = _encode(ListPosition(cursor)) + b"\n" if cursor else b""
        await _write(request, last, more=False)

    async def send_csv(self, request: Request, order: ExportOrder) -> None:
        """Answer with a table. A client continues after the id in its last row."""
        table: _Table | None = None
        async for page in self._pages(request, order, CSV):
            if table is None:
                table = _Table(page.forms, order)
                await _write(request, table.take())
            for start in range(0, len(page.items), _AT_ONCE):
                for each in page.items[start : start + _AT_ONCE]:
                    table.add(each, await self._result(each, order))
                await _write(request, table.take())
        await _write(request, b"", more=False)

    async def _pages(
        self, request: Request, order: ExportOrder, media_type: bytes
    ) -> AsyncIterator[FoundAttempts]:
        """Read the pages; begin the answer with the first, whose errors are answered as problems."""
        after, left = order.after, order.limit
        while True:
            page = await self._reader.attempts(order.name, after, left, order.wanted)
            if not request.started:
                await request.begin(200, media_type)
            elif not self._may_go_on(request, order):
                raise ExportEndedError
            if request.method != "HEAD":
                yield page
            after = page.next
            left = None if left is None else left - len(page.items)
            if page.at_end or left == 0 or request.method == "HEAD":
                return

    async def _result(self, found: Found, order: ExportOrder) -> ResultBody | None:
        if found.result is None or "results" not in order.parts:
            return None
        return await self._scorings.body(found.view, found.entry, found.attempt, found.result)


class _Lines:
    """Makes the records of NDJSON."""

    def __init__(self, order: ExportOrder) -> None:
        self._parts = AttemptParts(order.parts, order.language)

    def line(self, found: Found, result: ResultBody | None) -> ListedAttempt:
        attempt, parts = found.attempt, self._parts.of(found)
        return ListedAttempt(
            attempt=attempt.id.hex(),
            revision=attempt.revision,
            form=found.entry.form,
            state=state_of(found),
            submitted_at=iso(attempt.submitted_at),
            key=given(attempt.key),
            participant=given(attempt.participant),
            language=given(attempt.language),
            seconds=given(attempt.seconds),
            attributes=parts.attributes,
            answers=parts.answers,
            not_shown=parts.not_shown,
            labels=parts.labels,
            scoring_revision=UNSET if result is None else result.scoring_revision,
            engine=UNSET if result is None else result.engine,
            scales=UNSET if result is None else result.scales,
            profiles=UNSET if result is None else result.profiles,
            reason=UNSET if result is None else result.reason,
        )


class _Table:
    """Makes the rows of a CSV with the columns of some forms; those of the answer's first page."""

    def __init__(self, forms: Collection[IndexEntry], order: ExportOrder) -> None:
        wanted = {"item": "answers" in order.parts, "attribute": "attributes" in order.parts}
        self._variables = variables_of(forms, order.language)
        self._kept = [
            place
            for place, each in enumerate(self._variables)
            if wanted["item" if each.item else "attribute"]
        ]
        labels = labels_of(self._variables) if "labels" in order.parts else {}
        self._labels = [
            (place, labels[self._variables[place].name])
            for place in self._kept
            if self._variables[place].name in labels
        ]
        self._unpackers = PerForm(Unpacker)
        self._columns = AnswerColumns(self._variables)
        self._scores = score_columns_of(forms) if "results" in order.parts else None
        self._has_answers = wanted["item"]
        self._out = io.StringIO()
        header = [
            *ATTEMPT_COLUMNS,
            *(self._variables[place].name for place in self._kept),
            *(f"{self._variables[place].name}.label" for place, _ in self._labels),
            *([NOT_SHOWN_COLUMN] if self._has_answers else []),
        ]
        if self._scores is not None:
            header += [*RESULT_COLUMNS, *self._scores.names]
        self._lines = CsvLines(self._out, header)

    def add(self, found: Found, result: ResultBody | None) -> None:
        """Add a row. Raises ExportEndedError for a form whose columns the header lacks."""
        attempt = found.attempt
        answers, hidden = read_answers(self._unpackers.of(found.entry), found)
        try:
            values = self._columns.values(found.entry.form, answers, attempt.attributes)
        except KeyError:
            raise ExportEndedError from None
        row = [
            attempt.key,
            attempt.id.hex(),
            attempt.participant,
            attempt.revision,
            state_of(found),
            iso(attempt.submitted_at),
            attempt.language,
            attempt.seconds,
            *(values[place] for place in self._kept),
            *label_cells(values, self._labels),
        ]
        if self._has_answers:
            row.append(" ".join(hidden) or None)
        if self._scores is not None:
            row += (
                (None, None)
                if result is None
                else (_plain(result.scoring_revision), _plain(result.reason))
            )
            row += self._scores.values(
                None if result is None else _plain(result.scales),
                None if result is None else _plain(result.profiles),
            )
        self._lines.write(row)

    def take(self) -> bytes:
        """Return the text that was written since the last call."""
        text = self._out.getvalue().encode()
        self._out.seek(0)
        self._out.truncate()
        return text


def state_of(found: Found) -> Any:
    """Return an attempt's state."""
    if found.result is None:
        return "Submitted"
    return "Scored" if found.result.failure is None else "Failed"


async def _write(request: Request, part: bytes, *, more: bool = True) -> None:
    """Write a part of the answer, and let other requests proceed. Raises TimeoutError if the client does not read."""
    async with asyncio.timeout(STALL_SECONDS):
        await request.write(part, more=more)
    await asyncio.sleep(0)


def _plain(value: Any) -> Any:
    return None if value is UNSET else value
