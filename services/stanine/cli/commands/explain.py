"""`stanine explain`: explain the scores of a stored attempt, or of one row of a file, step by step.

Registered by `application`.
"""

from typing import Annotated

import msgspec
import numpy as np
import typer

from stanine.cli.commands.publish import read_document
from stanine.cli.connection import connect
from stanine.cli.exits import FAILED, InvalidInputError, MissingError, TryAgainError
from stanine.cli.file_parameters import takes_file_options
from stanine.cli.io.explanation_text import lines_of
from stanine.cli.io.file_options import DEFAULTS, FileOptions
from stanine.cli.io.forms import form_of_entry
from stanine.cli.io.response_file import open_responses
from stanine.cli.io.responses import Response
from stanine.cli.io.row_names import check_keys
from stanine.cli.io.row_packer import RowPacker
from stanine.cli.io.terminal import View, emit, note, show
from stanine.cli.options import DEFAULT_SERVER, Server, Shown
from stanine.domain.scoring.explanation import Explainer, ReaderRights
from stanine.domain.scoring.explanation_records import Explanation
from stanine.domain.scoring.index import build_entry
from stanine.domain.scoring.kernel import Kernel


@takes_file_options
def explain(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="ATTEMPT|INSTRUMENT",
            help="The attempt's id; or, with RESPONSES, the instrument document.",
        ),
    ],
    responses: Annotated[
        str, typer.Argument(metavar="[RESPONSES]", help="A CSV; - is standard input.")
    ] = "",
    key: Annotated[
        str,
        typer.Option(
            "--key",
            envvar="STANINE_KEY",
            help="Key for the API; with RESPONSES, the row: its key, or its number if it has none.",
        ),
    ] = "",
    server: Server = DEFAULT_SERVER,
    view: Shown = View.TABLE,
    *,
    file: FileOptions,
) -> None:
    """Explain scores: `explain ATTEMPT`, or offline `explain INSTRUMENT RESPONSES --key ROW`.

    Prints per scale: its terms with answers and points, the sum, rounding, the norm group and why it matched,
    standard scores, lookup, error and band. A key without attempts:read gets no answers and attributes; a key
    without instruments:read gets no formulas. Exit status 4: the attempt or row does not exist. 5: it is not scored
    yet. 1: it cannot be scored.
    """
    if not responses:
        if file != DEFAULTS:
            raise InvalidInputError(
                "options of a file belong to INSTRUMENT RESPONSES, not to an attempt"
            )
        _explain_stored(what, server, key, view)
        return
    source = context.get_parameter_source("key")
    if source is None or source.name != "COMMANDLINE":  # STANINE_KEY is an API key, not a row
        raise InvalidInputError("--key ROW is missing: the key of a row, or its number")
    explained = _explain_row(what, responses, key, file)
    _show(explained, explained, view)


def _explain_stored(attempt: str, server: str, key: str, view: View) -> None:
    with connect(server, key) as client:
        found = client.results.explain(attempt)
    if found is None:
        raise TryAgainError(
            f"{attempt} is not scored yet; `stanine result {attempt} --wait SECONDS` waits"
        )
    if found.state == "Failed":
        if view is not View.TABLE:
            show(found, view, [])
        note(f"{attempt} cannot be scored: {found.reason}")
        raise typer.Exit(FAILED)
    _show(found, msgspec.convert(msgspec.to_builtins(found), Explanation), view)


def _show(found: object, explained: Explanation, view: View) -> None:
    if view is not View.TABLE:
        show(found, view, [])
        return
    for line in lines_of(explained):
        emit(line)


def _explain_row(instrument: str, responses: str, key: str, file: FileOptions) -> Explanation:
    document = read_document(instrument)
    entry = build_entry(document.instrument, number=0, revision=1, form=1, digest=document.digest)
    form = form_of_entry(entry)
    with open_responses(responses, file) as opened:
        name = opened.name
        names = check_keys(opened, form)
        rows = opened.responses(form)
        sought = (row for row in rows if (row.key or names.of(row.number)) == key)
        row: Response | None = next(sought, None)
    if row is None:
        raise MissingError(f"{name}: no row is called {key!r}; `stanine score` shows all names")
    if row.fault is None and not entry.is_plain:
        row = RowPacker(entry, form, rows)(row)
    if row.fault is not None:
        raise InvalidInputError(f"{name}:{row.fault.line}:{row.fault.column}: {row.fault.detail}")
    kernel, width = Kernel(entry.plan), entry.plan.row_bytes
    codes = np.frombuffer(row.codes[:width], dtype=np.uint8).reshape(1, width)
    body = kernel.score(codes, kernel.columns([row.attributes])).packed()[0]
    return Explainer(document.instrument).explain(
        row.codes, row.attributes, body, ReaderRights(answers=True, formulas=True)
    )
