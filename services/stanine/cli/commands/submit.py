"""`stanine submit`: submit a file of responses; a repeated run adds nothing.

Registered by `application`.
"""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Annotated

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.exits import FAULTY_ROWS, MissingError, TryAgainError
from stanine.cli.file_parameters import takes_file_options
from stanine.cli.io.file_options import FileOptions
from stanine.cli.io.forms import Form, form_of_answer
from stanine.cli.io.submissions import Place, Source, SubmissionLine, open_source
from stanine.cli.io.terminal import View, note, open_input, progress, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown
from stanine.client import AttemptOutcome, ProblemInfo, Stanine, errors


class Accepted(msgspec.Struct, gc=False):
    """An accepted attempt: its line in the file, its id, and the token that reads its result."""

    line: int
    attempt: str | None
    token: str | None


class Counts(msgspec.Struct):
    """Counts of a file's rows: accepted by the server, of these repeated, and faulty.

    With `--wait` also scored and failed. Blank rows count as `blank`, not as `rows`.
    """

    instrument: str
    rows: int = 0
    taken: int = 0
    repeated: int = 0
    faulty: int = 0
    scored: int | None = None
    failed: int | None = None
    blank: int | None = None


@takes_file_options
def submit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The instrument's name.")],
    responses: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="CSV or NDJSON (one attempt a line); - is standard input."
        ),
    ],
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until every attempt is scored.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait for an attempt to be scored.", min=0)
    ] = 120.0,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
    *,
    file: FileOptions,
) -> None:
    """Submit the responses in a file. Submitting it again adds nothing.

    A CSV has the item ids as columns; `key`, `participant`, `revision`, `attempt.language` and declared attributes
    are optional. A row without a key gets one derived from the file's digest and its row number. Blank rows are
    skipped. Invalid rows are reported as FILE:LINE:COLUMN; the exit status is then 3.
    """
    counts = Counts(name)
    with (
        connect(server, key) as client,
        open_input(responses) as (stream, named),
        open_source(stream, named, file) as source,
    ):
        accepted = send(client, source, counts)
        if counts.repeated:
            note(f"{named}: {counts.taken:,} submitted, {counts.repeated:,} of them repeated")
        if wait:
            _await(client, accepted, named, counts, timeout)
        show(
            counts,
            view,
            [
                {
                    name: value
                    for name, value in msgspec.structs.asdict(counts).items()
                    if value is not None
                }
            ],
        )
    if counts.faulty or counts.failed:
        raise typer.Exit(FAULTY_ROWS)


def send(client: Stanine, source: Source, counts: Counts) -> list[Accepted]:
    """Submit a file, report invalid rows and return the accepted attempts; updates `counts`."""
    accepted: list[Accepted] = []

    def on_ignored(columns: Sequence[str]) -> None:
        if columns:
            note(
                f"{source.name}: these columns are not part of {counts.instrument} and are ignored: {', '.join(columns)}"
            )

    submissions = source.submissions(
        lambda: _form(client, counts.instrument),
        on_ignored,
    )
    with (
        progress(f"submitting to {counts.instrument}") as bar,
        closing(send_all(client, counts.instrument, submissions)) as answered,
    ):
        for submission, answer in answered:
            counts.rows += 1
            bar.advance(1)
            if answer is None:
                counts.faulty += 1
                _report(source, submission.place, submission.fault or "")
            elif answer.problem is not None:
                counts.faulty += 1
                _report_problem(source, submission.place, answer.problem)
            else:
                counts.taken += 1
                counts.repeated += answer.repeated
                accepted.append(Accepted(submission.place.line, answer.attempt, answer.token))
    if source.blank_rows:
        counts.blank = source.blank_rows
        note(f"{source.name}: {_name_lines(source)} skipped: all cells are blank")
    if not counts.rows:
        note(
            f"{source.name}: no row below the header has answers"
            if source.is_csv()
            else f"{source.name}: no attempts in this file"
        )
    return accepted


def _form(client: Stanine, instrument: str) -> Form:
    """Return the form with the labels of all its languages."""
    form = client.instruments.form(instrument)
    others = [language for language in form.languages or () if language != form.language]
    translated = [client.instruments.form(instrument, language=language) for language in others]
    return form_of_answer(*(msgspec.to_builtins(one) for one in (form, *translated)))


def send_all(
    client: Stanine, instrument: str, submissions: Iterator[SubmissionLine]
) -> Generator[tuple[SubmissionLine, AttemptOutcome | None], None, None]:
    """Yield every submission in order with its answer; None: invalid and not sent."""
    #: Submissions without an answer yet, with their line number in the request; None: not sent.
    pending: deque[tuple[int | None, SubmissionLine]] = deque()

    def lines() -> Iterator[bytes]:
        number = 0
        for submission in submissions:
            if submission.fault is not None:
                pending.append((None, submission))
                continue
            number += 1
            pending.append((number, submission))
            yield submission.body

    with closing(client.attempts.submit_many(instrument, lines())) as answers:
        for answer in answers:
            number = None
            while number != answer.line:
                number, submission = pending.popleft()
                if number is None:
                    yield submission, None
            yield submission, answer
    for _, submission in pending:
        yield submission, None


def _name_lines(source: Source) -> str:
    more = source.blank_rows - len(source.blank_lines)
    return f"line{'s' if source.blank_rows > 1 else ''} {', '.join(map(str, source.blank_lines))}{f' and {more:,} more' if more else ''}"


def _report(source: Source, place: Place, fault: str) -> None:
    note(f"{source.name}:{place.line}:{place.column or 1}: {fault}")


def _report_problem(source: Source, place: Place, problem: ProblemInfo) -> None:
    column = source.column_of(problem.errors[0].pointer) if problem.errors else 0
    _report(source, Place(place.line, column), "; ".join(problem.lines()))


def _await(
    client: Stanine, accepted: list[Accepted], named: str, counts: Counts, timeout: float
) -> None:
    counts.scored = counts.failed = 0
    try:
        with (
            progress("scoring", total=len(accepted)) as bar,
            closing(
                client.attempts.wait_for(counts.instrument, accepted, timeout=timeout)
            ) as scored,
        ):
            for one, result in scored:
                bar.advance(1)
                if result.state == "Scored":
                    counts.scored += 1
                else:
                    counts.failed += 1
                    note(f"{named}:{one.line}:1: {result.state}: {result.reason}")
    except errors.NotFoundError as error:
        raise MissingError(
            *error.problem.lines(), "the server's data were replaced: submit the file again"
        ) from None
    except errors.NotScoredError as error:
        raise TryAgainError(
            f"{error}; submit the file again to wait longer, which adds nothing"
        ) from None
