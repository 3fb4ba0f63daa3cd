"""`stanine submit`: a file of responses through the API, each row once however often the command is run. Registered by `application`."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.bulk import send_all
from stanine.cli.client import Api, connect, explain_problem, segment
from stanine.cli.exits import FAULTY_ROWS
from stanine.cli.io.responses import Form, form_of_answer
from stanine.cli.io.submissions import Place, Source, open_source
from stanine.cli.io.terminal import View, note, open_input, progress, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown
from stanine.cli.waiting import Taken, Waiter


class Counts(msgspec.Struct):
    """What became of a file's rows: how many the server has, of these how many it had before, and how many it refused.

    With `--wait` also how many are scored or failed. Rows of blank cells are `blank` and none of the `rows`.
    """

    instrument: str
    rows: int = 0
    taken: int = 0
    repeated: int = 0
    faulty: int = 0
    scored: int | None = None
    failed: int | None = None
    blank: int | None = None


def submit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The instrument's name.")],
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="CSV or NDJSON (one attempt a line); - is standard input."
        ),
    ],
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until every attempt is scored.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait without any attempt being scored.", min=0)
    ] = 120.0,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Submit the responses in a file. Running it again adds nothing: what the server has already counts as repeated.

    A CSV has the item ids as columns; `key`, `participant`, `revision`, `attempt.language` and declared attributes may follow. Rows without
    a key get one made of the file's digest and the row. Rows of blank cells are skipped. A row that cannot be taken is reported as
    FILE:LINE:COLUMN; the exit status is 3.
    """
    counts = Counts(name)
    with (
        connect(server, key) as api,
        open_input(file) as (stream, named),
        open_source(stream, named) as source,
    ):
        taken = send(api, source, counts)
        if counts.repeated:
            note(f"{named}: {counts.taken:,} submitted, {counts.repeated:,} of them repeated")
        if wait:
            _await(Waiter(api, name), taken, named, counts, timeout)
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


def send(api: Api, source: Source, counts: Counts) -> list[Taken]:
    """Submit all of a file, report what is faulty, and return what was taken; `counts` is kept up to date."""
    taken: list[Taken] = []

    def ignoring(columns: Sequence[str]) -> None:
        if columns:
            note(
                f"{source.name}: these columns mean nothing to {counts.instrument} and are ignored: {', '.join(columns)}"
            )

    submissions = source.submissions(lambda: _read_form(api, counts.instrument), ignoring)
    with progress(f"submitting to {counts.instrument}") as bar:
        for submission, answer in send_all(api, counts.instrument, submissions):
            counts.rows += 1
            bar.advance(1)
            if answer is None or answer.problem is not None or answer.attempt is None:
                counts.faulty += 1
                _report(
                    source,
                    submission.place,
                    submission.fault or "",
                    answer.problem if answer else None,
                    answer.status if answer else 0,
                )
                continue
            counts.taken += 1
            counts.repeated += answer.repeated
            taken.append(Taken(submission.place.line, answer.attempt, answer.token or ""))
    if source.blank_rows:
        counts.blank = source.blank_rows
        note(f"{source.name}: {_name_lines(source)} skipped: all cells are blank")
    if not counts.rows:
        note(
            f"{source.name}: there is no row with answers below the header"
            if source.is_csv()
            else f"{source.name}: there is no attempt"
        )
    return taken


def _name_lines(source: Source) -> str:
    more = source.blank_rows - len(source.blank_lines)
    return f"line{'s' if source.blank_rows > 1 else ''} {', '.join(map(str, source.blank_lines))}{f' and {more:,} more' if more else ''}"


def _read_form(api: Api, name: str) -> Form:
    return form_of_answer(
        msgspec.json.decode(api.get(f"/v1/instruments/{segment(name)}/form").content)
    )


def _report(
    source: Source, place: Place, fault: str, problem: dict[str, Any] | None, status: int
) -> None:
    if problem is None:
        note(f"{source.name}:{place.line}:{place.column or 1}: {fault}")
        return
    errors = problem.get("errors") or []
    column = source.column_of(str(errors[0].get("pointer", ""))) if errors else 0
    note(f"{source.name}:{place.line}:{column or 1}: {'; '.join(explain_problem(problem, status))}")


def _await(waiter: Waiter, taken: list[Taken], named: str, counts: Counts, timeout: float) -> None:
    counts.scored = counts.failed = 0
    with progress("scoring", total=len(taken)) as bar:
        for outcome in waiter.outcomes(taken, timeout):
            bar.advance(1)
            if outcome.state == "Scored":
                counts.scored += 1
            else:
                counts.failed += 1
                note(f"{named}:{outcome.taken.line}:1: {outcome.state}: {outcome.reason}")
