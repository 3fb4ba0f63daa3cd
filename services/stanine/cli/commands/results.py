"""`stanine results`: export the results of an instrument in commit order.

Registered by `application`.
"""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.exits import CliError
from stanine.cli.io.attempt_files import write_lines, write_table
from stanine.cli.io.codebook_file import write_codebook
from stanine.cli.io.counted_listing import CountedListing
from stanine.cli.io.parquet import ParquetTable
from stanine.cli.io.result_table import ResultTable
from stanine.cli.io.rows import CsvWriter, NdjsonWriter
from stanine.cli.io.sav import SavTable
from stanine.cli.io.tables import AttemptTable, CsvTable, TableColumn, TableWriter
from stanine.cli.io.terminal import note, open_output, progress
from stanine.cli.options import DEFAULT_SERVER, Key, Output, Server
from stanine.client import AttemptResult
from stanine.client.records import CodebookInfo, ExportedResultInfo
from stanine.domain.scoring.result import (
    ProfileResult,
    ScaleResult,
    fields_of_result,
    merged_fields,
)

#: The columns before those of the scales.
_ABOUT = ("key", "attempt", "participant", "revision", "scoringRevision", "state")
#: Parts of attempts that `--with` takes.
_PARTS = ("answers", "attributes", "labels")


class ResultFormat(StrEnum):
    """Output formats for results."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    SAV = "sav"


class _Result(msgspec.Struct, frozen=True):
    about: dict[str, Any]
    scales: dict[str, ScaleResult] | None
    profiles: dict[str, ProfileResult] = {}


def results(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The instrument's name.")],
    view: Annotated[
        ResultFormat, typer.Option("-o", "--format", help="Output format.")
    ] = ResultFormat.CSV,
    more: Annotated[
        str,
        typer.Option(
            "--with",
            metavar="PARTS",
            help="Also the attempts: answers, attributes, labels, separated by commas. Columns are those of `answers`.",
        ),
    ] = "",
    codebook: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --with: also write the codebook (CSV), labels, values and missing codes of each column.",
        ),
    ] = None,
    language: Annotated[str, typer.Option(help="With --with: the language of labels.")] = "",
    after: Annotated[
        str,
        typer.Option(metavar="CURSOR", help="Start after this cursor from an earlier export."),
    ] = "",
    output: Output = None,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
) -> None:
    """Export the results of an instrument: `key`, `attempt`, …, then the scales as in `score`.

    Failed attempts have no scores. With `--with` the columns are those of `stanine answers --with results`. The last
    line on standard error is the cursor to continue from. If the server's data were replaced, the export starts at
    the last common result: results of an earlier export may repeat, none is missing.
    """
    parts = _parts(more)
    if not parts and (codebook is not None or language):
        raise CliError("--codebook and --language are about the attempts: add --with answers")
    with (
        connect(server, key) as client,
        open_output(output) as out,
        progress(f"results of {name}", beside=out) as bar,
    ):
        found: CountedListing[AttemptResult]
        if parts:
            described = client.attempts.codebook(name, language=language or None)
            exported = CountedListing(
                client.results.export(
                    name,
                    after=after,
                    include=parts,
                    language=language or None,
                    on_history_change="continue",
                ),
                bar,
                "result",
            )
            table = _write_with_attempts(exported, described, parts, view, out)
            found = exported
        else:
            listed = client.results.list(name, after=after, on_history_change="continue")
            found = CountedListing(listed, bar, "result")
            _write_results(map(_convert, found), name, view, out)
    if codebook is not None:
        with open_output(codebook) as file:
            write_codebook(file, table.columns)
    if not found.count:
        remedy = (
            f"`stanine submit {name} FILE --wait` adds some"
            if not after
            else "the same cursor is valid for later results"
        )
        note(f"{name} has no {'new ' if after else ''}results yet; {remedy}")
    note(f"cursor: {found.cursor}")


def _parts(more: str) -> tuple[str, ...]:
    """Return the parts of attempts to export. Raises CliError."""
    chosen = tuple(dict.fromkeys(part for part in more.split(",") if part))
    if unknown := [part for part in chosen if part not in _PARTS]:
        raise CliError(f"--with takes {', '.join(_PARTS)}, separated by commas; not {unknown[0]!r}")
    if chosen == ("labels",):
        raise CliError("--with labels is about answers and attributes: add one of them")
    return chosen


def _write_with_attempts(
    found: Iterable[ExportedResultInfo],
    described: CodebookInfo,
    parts: tuple[str, ...],
    view: ResultFormat,
    out: IO[str],
) -> AttemptTable:
    """Write results with parts of their attempts, as `answers` does."""
    parts = (*parts, "results")
    match view:
        case ResultFormat.NDJSON:
            return write_lines(found, described, parts, out)
        case ResultFormat.PARQUET:
            return write_table(
                found,
                described,
                parts,
                lambda table: ParquetTable(_binary(out), table.columns),
            )
        case ResultFormat.SAV:
            return write_table(
                found,
                described,
                parts,
                lambda table: SavTable(_binary(out), table.columns, described.title),
            )
    return write_table(found, described, parts, lambda table: CsvTable(out, table.columns))


def _write_results(found: Iterable[_Result], name: str, view: ResultFormat, out: IO[str]) -> None:
    """Write results without their attempts. `name`: the instrument's, the title of an SPSS file."""
    match view:
        case ResultFormat.NDJSON:
            writer = NdjsonWriter(out)
            for each in found:
                writer.write(each.about, each.scales, each.profiles)
        case ResultFormat.CSV:
            _write_table(found, lambda scales, profiles: CsvWriter(out, _ABOUT, scales, profiles))
        case ResultFormat.PARQUET:
            _write_typed(found, lambda columns: ParquetTable(_binary(out), columns))
        case ResultFormat.SAV:
            _write_typed(found, lambda columns: SavTable(_binary(out), columns, name))


def _write_typed(
    found: Iterable[_Result], make_table: Callable[[Sequence[TableColumn]], TableWriter]
) -> None:
    _write_table(found, lambda scales, profiles: ResultTable(make_table, _ABOUT, scales, profiles))


def _binary(out: IO[str]) -> IO[bytes]:
    """Return the bytes below a text stream."""
    return out.buffer  # type: ignore[attr-defined,no-any-return]


def _convert(result: AttemptResult) -> _Result:
    plain = msgspec.to_builtins(result)
    return _Result(
        {name: plain.get(name) for name in _ABOUT},
        msgspec.convert(plain["scales"], dict[str, ScaleResult]) if result.scales else None,
        msgspec.convert(plain.get("profiles", {}), dict[str, ProfileResult]),
    )


def _write_table(
    found: Iterable[_Result],
    make_writer: Callable[
        [Iterable[tuple[str, Sequence[str]]], Sequence[str]], CsvWriter | ResultTable
    ],
) -> None:
    """Write a table when all scales are known.

    Revisions differ in scales, so rows are buffered in a file.
    """
    columns: dict[str, tuple[str, ...]] = {}
    profiles: dict[str, None] = {}
    with tempfile.TemporaryFile() as kept:
        for each in found:
            for scale, scored in (each.scales or {}).items():
                columns[scale] = merged_fields(columns.get(scale, ()), fields_of_result(scored))
            profiles |= dict.fromkeys(each.profiles)
            kept.write(msgspec.json.encode(each) + b"\n")
        kept.seek(0)
        writer = make_writer(columns.items(), tuple(profiles))
        for line in kept:
            each = msgspec.json.decode(line, type=_Result)
            writer.write(each.about, each.scales, each.profiles)
        writer.close()
