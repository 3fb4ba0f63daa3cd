"""`stanine score`: a file of responses scored on this machine without a server. Registered by `application`.

Rows are read, scored and written in chunks; only a file with keys takes memory by its length, eight bytes a row.
"""

from collections.abc import Iterator
from itertools import islice
from typing import IO, Annotated

import numpy as np
import typer

from stanine.cli.exits import FAULTY_ROWS
from stanine.cli.options import Format, Output, RowFormat
from stanine.cli.publish import read_document
from stanine.cli.responses import Response, Responses, form_of_entry
from stanine.cli.row_names import RowNames, look_through
from stanine.cli.rows import CsvWriter, NdjsonWriter, RowWriter
from stanine.cli.sheet import Sheet
from stanine.cli.terminal import Bar, note, open_input, open_output, progress, rewindable
from stanine.domain.index import IndexEntry, build_entry
from stanine.domain.kernel import Kernel
from stanine.domain.result import ScaleResult, decode_result

#: Rows read, scored and written at a time.
CHUNK = 1024


def score(
    instrument: Annotated[str, typer.Argument(metavar="INSTRUMENT", help="The instrument document, YAML or JSON.")],
    responses: Annotated[str, typer.Argument(metavar="RESPONSES", help="CSV with the item ids as columns; - is standard input.")],
    view: RowFormat = Format.CSV,
    output: Output = None,
) -> None:
    """Score responses offline.

    Writes `key` (as given, else the row's number), then of each scale `ID.raw`, `ID.valid`, `ID.status` and, if it has bands, `ID.band`.
    A faulty row is reported as FILE:LINE:COLUMN, appears with its key and empty scores, and makes the exit status 3. A key that is there
    twice refuses the file: exit status 2.
    """
    document = read_document(instrument)
    entry = build_entry(document.instrument, number=0, revision=1, form=1, digest=document.digest)
    form = form_of_entry(entry)
    with open_input(responses) as (opened, name), rewindable(opened) as stream:
        names = look_through(stream, name, form)
        rows = Responses(Sheet(stream, name), form)
        if rows.ignored:
            note(f"{name}: these columns mean nothing to {entry.name} and are ignored: {', '.join(rows.ignored)}")
        with open_output(output) as out, progress(f"scoring {name}", beside=out) as bar:
            faulty = _score_all(entry, iter(rows), name, names, _writer(out, view, entry), bar)
    if faulty:
        note(f"{name}: {faulty} faulty row{'s' if faulty != 1 else ''}")
        raise typer.Exit(FAULTY_ROWS)


def _writer(out: IO[str], view: Format, entry: IndexEntry) -> RowWriter:
    if view is Format.NDJSON:
        return NdjsonWriter(out)
    return CsvWriter(out, ["key"], [(scale.id, bool(scale.bands)) for scale in entry.plan.scales])


def _score_all(entry: IndexEntry, rows: Iterator[Response], name: str, names: RowNames, writer: RowWriter, bar: Bar) -> int:
    kernel = Kernel(entry.plan)
    items = len(entry.items)
    faulty = 0
    while chunk := list(islice(rows, CHUNK)):
        codes = b"".join(row.codes for row in chunk)
        scored = iter(kernel.score(np.frombuffer(codes, dtype=np.uint8).reshape(-1, items)).packed())
        for row in chunk:
            scales: dict[str, ScaleResult] | None = None
            if row.fault is None:
                scales = decode_result(next(scored), entry).scales
            else:
                faulty += 1
                note(f"{name}:{row.fault.line}:{row.fault.column}: {row.fault.detail}")
            writer.write({"key": row.key or names.of(row.number)}, scales)
        bar.advance(len(chunk))
    return faulty
