"""`stanine answers`: export an instrument's attempts with their answers.

Registered by `application`.
"""

from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import typer

from stanine.cli.connection import connect
from stanine.cli.exits import CliError
from stanine.cli.io.attempt_files import MakeWriter, write_lines, write_table
from stanine.cli.io.codebook_file import write_codebook
from stanine.cli.io.counted_listing import CountedListing
from stanine.cli.io.parquet import ParquetTable
from stanine.cli.io.sav import SavTable
from stanine.cli.io.tables import CsvTable
from stanine.cli.io.terminal import note, open_output, progress
from stanine.cli.options import DEFAULT_SERVER, Key, Output, Server


class AnswerFormat(StrEnum):
    """Output formats for answers."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    SAV = "sav"


class AttemptState(StrEnum):
    """State of a stored attempt."""

    SUBMITTED = "Submitted"
    SCORED = "Scored"
    FAILED = "Failed"


#: Exported always, and on request.
_USUAL, _MORE = ("answers", "attributes"), ("results", "labels")


def answers(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The instrument's name.")],
    view: Annotated[
        AnswerFormat, typer.Option("-o", "--format", help="Output format.")
    ] = AnswerFormat.CSV,
    more: Annotated[
        str,
        typer.Option(
            "--with", metavar="PARTS", help="Further columns: results, labels, or results,labels."
        ),
    ] = "",
    codebook: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write the codebook (CSV): labels, values and missing codes of each column.",
        ),
    ] = None,
    since: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Submitted at or after this time.")
    ] = "",
    until: Annotated[
        str, typer.Option("--to", metavar="TIME", help="Submitted before this time.")
    ] = "",
    state: Annotated[AttemptState | None, typer.Option(help="Only attempts in this state.")] = None,
    participant: Annotated[str, typer.Option(help="Only attempts of this participant.")] = "",
    language: Annotated[str, typer.Option(help="The language of labels.")] = "",
    after: Annotated[
        str, typer.Option(metavar="CURSOR", help="Start after this cursor from an earlier export.")
    ] = "",
    output: Output = None,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
) -> None:
    """Export attempts with their answers, in order of arrival, scored or not.

    Columns are those of response files. The last line on standard error is the cursor to continue from. CSV, NDJSON
    and Parquet need memory for a page only; SAV holds the whole table (`pip install 'stanine[spss]'`).
    """
    parts = _parts(more)
    with (
        connect(server, key) as client,
        open_output(output) as out,
        progress(f"attempts of {name}", beside=out) as bar,
    ):
        described = client.attempts.codebook(name, language=language or None)
        listed = client.attempts.list(
            name,
            after=after,
            since=since or None,
            until=until or None,
            state=state.value if state else None,
            participant=participant or None,
            include=parts,
            language=language or None,
            on_history_change="continue",
        )
        found = CountedListing(listed, bar, "attempt")
        if view is AnswerFormat.NDJSON:
            table = write_lines(found, described, parts, out)
        else:
            table = write_table(found, described, parts, _writer(view, out, described.title))
    if codebook is not None:
        with open_output(codebook) as file:
            write_codebook(file, table.columns)
    if not found.count:
        note(f"{name} has no {'new ' if after else ''}attempts here; later ones follow this cursor")
    note(f"cursor: {found.cursor}")


def _parts(more: str) -> tuple[str, ...]:
    """Return the parts to export. Raises CliError."""
    chosen = tuple(part for part in more.split(",") if part)
    if unknown := [part for part in chosen if part not in _MORE]:
        raise CliError(
            f"--with takes {' and '.join(_MORE)}, separated by a comma; not {unknown[0]!r}"
        )
    return (*_USUAL, *chosen)


def _writer(view: AnswerFormat, out: IO[str], title: str) -> MakeWriter:
    """Return a function that makes the writer of a table."""
    binary: IO[bytes] = out.buffer  # type: ignore[attr-defined] # a text stream over bytes
    match view:
        case AnswerFormat.PARQUET:
            return lambda table: ParquetTable(binary, table.columns)
        case AnswerFormat.SAV:
            return lambda table: SavTable(binary, table.columns, title)
    return lambda table: CsvTable(out, table.columns)
