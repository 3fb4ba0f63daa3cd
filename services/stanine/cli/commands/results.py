"""`stanine results`: export the results of an instrument in commit order.

Registered by `application`.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.io.parquet import ParquetWriter
from stanine.cli.io.rows import CsvWriter, NdjsonWriter
from stanine.cli.io.terminal import note, open_output, progress
from stanine.cli.options import DEFAULT_SERVER, Key, Output, Server
from stanine.client import AttemptResult, Listing
from stanine.domain.scoring.result import (
    ProfileResult,
    ScaleResult,
    fields_of_result,
    merged_fields,
)

#: The columns before those of the scales.
_ABOUT = ("key", "attempt", "participant", "revision", "scoringRevision", "state")


class ResultFormat(StrEnum):
    """Output formats for results."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class _Result(msgspec.Struct, frozen=True):
    about: dict[str, Any]
    scales: dict[str, ScaleResult] | None
    profiles: dict[str, ProfileResult] = {}


def results(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The instrument's name.")],
    view: Annotated[
        ResultFormat, typer.Option("-o", "--format", help="Output format.")
    ] = ResultFormat.CSV,
    after: Annotated[
        str,
        typer.Option(metavar="CURSOR", help="Start after this cursor from an earlier export."),
    ] = "",
    output: Output = None,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
) -> None:
    """Export the results of an instrument: `key`, `attempt`, …, then the scales as in `score`.

    Failed attempts have no scores. The last line on standard error is the cursor to continue from. If the server's
    data were replaced, the export starts at the last common result: results of an earlier export may repeat, none
    is missing.
    """
    with (
        connect(server, key) as client,
        open_output(output) as out,
        progress(f"results of {name}", beside=out) as bar,
    ):
        listed = client.results.list(name, after=after, on_history_change="continue")
        found = _Results(listed)
        if view is ResultFormat.NDJSON:
            writer = NdjsonWriter(out)
            for each in found:
                writer.write(each.about, each.scales, each.profiles)
                bar.advance(1)
        elif view is ResultFormat.CSV:
            _write_table(found, lambda scales, profiles: CsvWriter(out, _ABOUT, scales, profiles))
        else:
            _write_table(
                found,
                lambda scales, profiles: ParquetWriter(out.buffer, _ABOUT, scales, profiles),  # type: ignore[attr-defined] # a text stream over bytes
            )
    if not found.count:
        remedy = (
            f"`stanine submit {name} FILE --wait` adds some"
            if not after
            else "the same cursor is valid for later results"
        )
        note(f"{name} has no {'new ' if after else ''}results yet; {remedy}")
    note(f"cursor: {listed.cursor}")


class _Results:
    """Iterates over results, counts them, and notes when the server's data were replaced."""

    def __init__(self, listed: Listing[AttemptResult]) -> None:
        self._listed = listed
        self.count = 0

    def __iter__(self) -> Iterator[_Result]:
        changes = 0
        while not self._listed.at_end:
            page = self._listed.read()
            if self._listed.history_changes > changes:
                changes = self._listed.history_changes
                note("the server's data were replaced; continuing from the last common result")
            for each in page:
                self.count += 1
                yield _convert(each)


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
        [Iterable[tuple[str, Sequence[str]]], Sequence[str]], CsvWriter | ParquetWriter
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
