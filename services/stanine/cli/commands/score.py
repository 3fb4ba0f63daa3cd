"""`stanine score`: score a file of responses locally. Registered by `application`.

Rows are processed in chunks; memory grows with the file only if it has keys, by eight bytes per row.
"""

from itertools import islice
from typing import IO, Annotated

import numpy as np
import typer

from stanine.cli.commands.publish import read_document
from stanine.cli.exits import FAULTY_ROWS
from stanine.cli.file_parameters import takes_file_options
from stanine.cli.io.file_options import FileOptions
from stanine.cli.io.forms import Form, form_of_entry
from stanine.cli.io.response_file import open_responses
from stanine.cli.io.responses import Responses
from stanine.cli.io.row_names import RowNames, check_keys
from stanine.cli.io.row_packer import RowPacker
from stanine.cli.io.rows import CsvWriter, NdjsonWriter, RowWriter
from stanine.cli.io.terminal import Bar, note, open_output, progress
from stanine.cli.options import Format, Output, RowFormat
from stanine.domain.scoring.index import IndexEntry, build_entry
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import Result, decode_result, fields_of

#: Rows per chunk.
CHUNK = 1024


@takes_file_options
def score(
    instrument: Annotated[
        str, typer.Argument(metavar="INSTRUMENT", help="The instrument document, YAML or JSON.")
    ],
    responses: Annotated[
        str,
        typer.Argument(
            metavar="RESPONSES", help="CSV with the item ids as columns; - is standard input."
        ),
    ],
    view: RowFormat = Format.CSV,
    output: Output = None,
    *,
    file: FileOptions,
) -> None:
    """Score responses offline.

    Writes `key` (or the row's number), then per scale `ID.raw`, `ID.valid`, `ID.status` and the instrument's other
    fields, such as `ID.t` or `ID.band`; per profile `ID.code`, `ID.tied`, `ID.status`. An invalid row is reported
    as FILE:LINE:COLUMN and written with its key and empty scores; the exit status is then 3. A duplicate key is an
    error: exit status 2, nothing is written.
    """
    document = read_document(instrument)
    entry = build_entry(document.instrument, number=0, revision=1, form=1, digest=document.digest)
    form = form_of_entry(entry)
    with open_responses(responses, file) as opened:
        name = opened.name
        names = check_keys(opened, form)
        rows = opened.responses(form)
        if rows.ignored:
            note(
                f"{name}: these columns are not part of {entry.name} and are ignored: {', '.join(rows.ignored)}"
            )
        with open_output(output) as out, progress(f"scoring {name}", beside=out) as bar:
            faulty = _score_all(entry, form, rows, name, names, _writer(out, view, entry), bar)
    if faulty:
        note(f"{name}: {faulty} faulty row{'s' if faulty != 1 else ''}")
        raise typer.Exit(FAULTY_ROWS)


def _writer(out: IO[str], view: Format, entry: IndexEntry) -> RowWriter:
    if view is Format.NDJSON:
        return NdjsonWriter(out)
    scales = [(scale.id, fields_of(scale)) for scale in entry.plan.scales if not scale.internal]
    return CsvWriter(out, ["key"], scales, [profile.id for profile in entry.plan.profiles])


def _score_all(
    entry: IndexEntry,
    form: Form,
    rows: Responses,
    name: str,
    names: RowNames,
    writer: RowWriter,
    bar: Bar,
) -> int:
    kernel = Kernel(entry.plan)
    pack = None if entry.is_plain else RowPacker(entry, form, rows)
    width = entry.plan.row_bytes
    faulty = 0
    source = iter(rows)
    while chunk := list(islice(source, CHUNK)):
        if pack is not None:
            chunk = [pack(row) for row in chunk]
        sound = [row for row in chunk if row.fault is None]
        codes = np.frombuffer(b"".join(row.codes[:width] for row in sound), dtype=np.uint8).reshape(
            -1, width
        )
        people = (
            kernel.columns([row.attributes for row in sound])
            if entry.plan.needs_attributes
            else None
        )
        scored = iter(kernel.score(codes, people).packed())
        for row in chunk:
            result = Result({})
            if row.fault is None:
                result = decode_result(next(scored), entry)
            else:
                faulty += 1
                note(f"{name}:{row.fault.line}:{row.fault.column}: {row.fault.detail}")
            writer.write(
                {"key": row.key or names.of(row.number)}, result.scales or None, result.profiles
            )
        bar.advance(len(chunk))
    return faulty
