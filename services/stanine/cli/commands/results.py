"""`stanine results`: all results of an instrument, in the order in which they were stored. Registered by `application`."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.client import connect
from stanine.cli.io.parquet import ParquetWriter
from stanine.cli.io.rows import CsvWriter, NdjsonWriter
from stanine.cli.io.terminal import note, open_output, progress
from stanine.cli.options import DEFAULT_SERVER, Key, Output, Server
from stanine.cli.result_list import ResultList
from stanine.domain.scoring.result import (
    ProfileResult,
    ScaleResult,
    fields_of_result,
    merged_fields,
)

#: What stands before the scales.
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
        connect(server, key) as api,
        open_output(output) as out,
        progress(f"results of {name}", beside=out) as bar,
    ):
        listed = ResultList(api, name, after)
        found = _read(listed)
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
    if not listed.count:
        remedy = (
            f"`stanine submit {name} FILE --wait` brings some"
            if not after
            else "later ones will come after the same cursor"
        )
        note(f"{name} has no {'new ' if after else ''}results yet; {remedy}")
    note(f"cursor: {listed.cursor}")


def _read(listed: ResultList) -> Iterator[_Result]:
    while not listed.at_end:
        for item in listed.read():
            scales = item.get("scales")
            yield _Result(
                {each: item.get(each) for each in _ABOUT},
                msgspec.convert(scales, dict[str, ScaleResult]) if scales else None,
                msgspec.convert(item.get("profiles") or {}, dict[str, ProfileResult]),
            )


def _write_table(
    found: Iterator[_Result],
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
