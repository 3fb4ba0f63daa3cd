"""Writes exported attempts as lines or as a table. Used by `answers` and `results`."""

import tempfile
from collections.abc import Callable, Iterable
from typing import IO

import msgspec

from stanine.cli.exits import CliError
from stanine.cli.io.tables import AttemptTable, ExportedAttempt, TableWriter, scores_of
from stanine.client.records import CodebookInfo
from stanine.domain.scoring.result import fields_of_result, merged_fields
from stanine.domain.tables.score_columns import ScoreColumns

#: Makes the writer of a table.
MakeWriter = Callable[[AttemptTable], TableWriter]


def write_lines(
    found: Iterable[ExportedAttempt], codebook: CodebookInfo, parts: Iterable[str], out: IO[str]
) -> AttemptTable:
    """Write NDJSON, a line per attempt; return the table of the same, for a codebook."""
    for each in found:
        out.write(msgspec.json.encode(each).decode() + "\n")
    return AttemptTable(codebook, parts, None)


def write_table(
    found: Iterable[ExportedAttempt], codebook: CodebookInfo, parts: Iterable[str], make: MakeWriter
) -> AttemptTable:
    """Write a table and return it; `parts` may have `results`.

    Raises CliError if an attempt has a form that the codebook lacks.
    """
    if "results" in parts:
        return _write_with_results(found, codebook, parts, make)
    table = AttemptTable(codebook, parts, None)
    _write_rows(found, table, make(table))
    return table


def _write_with_results(
    found: Iterable[ExportedAttempt], codebook: CodebookInfo, parts: Iterable[str], make: MakeWriter
) -> AttemptTable:
    """Keep the attempts in a file until all scales are known: revisions differ in them."""
    fields: dict[str, tuple[str, ...]] = {}
    profiles: dict[str, None] = {}
    with tempfile.TemporaryFile() as kept:
        kind: type[ExportedAttempt] | None = None
        for each in found:
            kind = type(each)
            scales, its = scores_of(each)
            for scale, scored in scales.items():
                fields[scale] = merged_fields(fields.get(scale, ()), fields_of_result(scored))
            profiles |= dict.fromkeys(its)
            kept.write(msgspec.json.encode(each) + b"\n")
        kept.seek(0)
        table = AttemptTable(codebook, parts, ScoreColumns(fields.items(), tuple(profiles)))
        rows = () if kind is None else map(msgspec.json.Decoder(kind).decode, kept)
        _write_rows(rows, table, make(table))
    return table


def _write_rows(found: Iterable[ExportedAttempt], table: AttemptTable, writer: TableWriter) -> None:
    for each in found:
        try:
            row = table.row(each)
        except KeyError:
            raise CliError(
                "a new form was published during the export, and its columns are not in the table; run it again"
            ) from None
        writer.write(row)
    writer.close()
