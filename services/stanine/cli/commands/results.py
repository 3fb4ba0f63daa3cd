"""`stanine results`: all results of an instrument, in the order in which they were stored. Registered by `application`."""

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
from stanine.client import Listing
from stanine.client import Result as AttemptResult
from stanine.domain.scoring.result import (
    ProfileResult,
    ScaleResult,
    fields_of_result,
    merged_fields,
)

#: The columns before those of the scales.
_ABOUT = ("key", "attempt", "participant", "revision", "scoringRevision", "state")


class ResultFormat(StrEnum):
    """How results are written."""

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
        ResultFormat, typer.Option("-o", "--format", help="How the rows are written.")
    ] = ResultFormat.CSV,
    after: Annotated[
        str,
        typer.Option(
            metavar="CURSOR", help="Begin after this cursor, as an earlier run named it at its end."
        ),
    ] = "",
    output: Output = None,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
) -> None:
    """Write the results of an instrument: `key`, `attempt`, …, then the scales as `score` writes them.

    Failed attempts are there without scores. The last line on standard error names the cursor to continue from. Where the server came back
    with other data, it begins at the last result that is still in its place: results of an earlier run may come again, none is left out.
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
            f"`stanine submit {name} FILE --wait` brings some"
            if not after
            else "later ones will come after the same cursor"
        )
        note(f"{name} has no {'new ' if after else ''}results yet; {remedy}")
    note(f"cursor: {listed.cursor}")


class _Results:
    """Iterates over a list of results to its end, counts them, and notes when the server came back with other data."""

    def __init__(self, listed: Listing[AttemptResult]) -> None:
        self._listed = listed
        self.count = 0

    def __iter__(self) -> Iterator[_Result]:
        changes = 0
        while not self._listed.at_end:
            page = self._listed.read()
            if self._listed.history_changes > changes:
                changes = self._listed.history_changes
                note(
                    "the server came back with other data; continuing from the last result that it still has in its place"
                )
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
    """Write a table once all scales are known: revisions may differ in them, so the rows wait in a nameless temporary file."""
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
