"""`stanine import`: convert questionnaires in other formats to instrument documents. Registered by `application`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from stanine.cli.exits import FAULTY_ROWS, InvalidInputError
from stanine.cli.imports.draft import Draft, name_of
from stanine.cli.imports.fhir import import_fhir
from stanine.cli.imports.reproschema import import_reproschema
from stanine.cli.imports.settling import settle
from stanine.cli.io.fault_lines import locate_fault
from stanine.cli.io.terminal import as_yaml, note, open_output, read_file
from stanine.cli.options import Output
from stanine.domain.errors import InvalidDocument

Name = Annotated[
    str, typer.Option("--name", help="Name of the instrument. Default: made from the source.")
]

#: What an element of another type than the standard's raises where it is used.
_BADLY_BUILT = (AttributeError, KeyError, TypeError)


def make_import() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer(
        help="Convert questionnaires in other formats to instrument documents.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    app.command("fhir")(fhir)
    app.command("reproschema")(reproschema)
    return app


def fhir(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A Questionnaire in JSON; - is standard input.")
    ],
    name: Name = "",
    codes: Annotated[
        bool,
        typer.Option(
            "--codes", help="Values of options are their codes, also if they have weights."
        ),
    ] = False,
    output: Output = None,
) -> None:
    """Convert a FHIR Questionnaire (R4, R5) to an instrument document (YAML).

    What the document does not say is listed on standard error; the exit status is then 3. The document is valid.
    """
    resource = _read_json(file)
    try:
        draft = import_fhir(resource, codes)
    except ValueError as error:
        raise InvalidInputError(f"{file}: {error}") from None
    except _BADLY_BUILT as error:
        raise InvalidInputError(f"{file}: not built as FHIR says: {error!r}") from None
    made = name or name_of(resource.get("name"), resource.get("id"), resource.get("title"))
    _write(draft, made, file, output)


def reproschema(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|DIR", help="The schema of an activity, or the folder that has one."
        ),
    ],
    name: Name = "",
    output: Output = None,
) -> None:
    """Convert a ReproSchema activity with its items to an instrument document (YAML).

    Files are read from this machine only. What the document does not say is listed on standard error; the exit status
    is then 3. The document is valid.
    """
    try:
        draft, made = import_reproschema(path, _read_json)
    except ValueError as error:
        raise InvalidInputError(f"{path}: {error}") from None
    except _BADLY_BUILT as error:
        raise InvalidInputError(f"{path}: not built as ReproSchema says: {error!r}") from None
    _write(draft, name or made, str(path), output)


def _read_json(file: str | Path) -> Any:
    try:
        return json.loads(read_file(str(file)).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{file}: not JSON: {error}") from None


def _write(draft: Draft, name: str, source: str, output: Path | None) -> None:
    """Write the document if it is valid, and list what it does not say.

    Raises InvalidInputError if it is not.
    """
    if not draft.items:
        raise InvalidInputError(
            f"{source}: no item can be imported", *(f"{source}: {one}" for one in draft.left_out)
        )
    try:
        document = settle(draft, name)
    except InvalidDocument as error:
        raise InvalidInputError(
            f"{source}: what was read is no valid instrument:",
            *(locate_fault(source, fault) for fault in error.faults),
        ) from None
    with open_output(output) as out:
        out.write(as_yaml(document))
    for one in draft.notes:
        note(f"{source}: note: {one}")
    for one in draft.left_out:
        note(f"{source}: left out: {one}")
    if draft.left_out:
        raise typer.Exit(FAULTY_ROWS)
