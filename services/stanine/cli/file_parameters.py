"""The options of commands that read a file of responses, declared once. Used by those commands."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from stanine.cli.io.file_options import parse_options

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "separator": (
        Annotated[
            str,
            typer.Option(
                "--separator", help="What separates columns: a character or tab. Default: detected."
            ),
        ],
        "",
    ),
    "decimal": (
        Annotated[str, typer.Option("--decimal", help="Decimal mark: . or , (default: detected).")],
        "",
    ),
    "encoding": (
        Annotated[
            str,
            typer.Option("--encoding", help="Such as utf-8, windows-1252. Default: detected."),
        ],
        "",
    ),
    "missing": (
        Annotated[
            list[str],
            typer.Option(
                "--missing",
                metavar="CODES",
                help="Codes of missing answers, separated by commas: -99,99,. (blank and NA always are).",
            ),
        ],
        (),
    ),
    "labels": (
        Annotated[
            bool, typer.Option("--labels", help="Cells may have an option's label for its value.")
        ],
        False,
    ),
    "key_column": (
        Annotated[
            str, typer.Option("--key-column", metavar="TITLE", help="The column of the rows' keys.")
        ],
        "",
    ),
    "header_row": (
        Annotated[
            int | None,
            typer.Option(
                "--header-row", min=1, help="The line that names the columns. Default: 1."
            ),
        ],
        None,
    ),
    "skip_rows": (
        Annotated[
            int | None,
            typer.Option("--skip-rows", min=0, help="Rows below the header that are no responses."),
        ],
        None,
    ),
    "columns": (
        Annotated[
            str,
            typer.Option(
                "--columns", metavar="MAP", help="YAML file: names and codes of the columns."
            ),
        ],
        "",
    ),
}


def takes_file_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with these options; its parameter `file` gets the FileOptions."""

    @functools.wraps(command)
    def run(*given: Any, **named: Any) -> None:
        options = parse_options(**{name: named.pop(name) for name in _OPTIONS})
        command(*given, **named, file=options)

    own = inspect.signature(command)
    parameters = [one for one in own.parameters.values() if one.name != "file"]
    for name, (kind, default) in _OPTIONS.items():
        parameters.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind
            )
        )
    run.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": None}
    vars(run)["__signature__"] = own.replace(parameters=parameters)
    return run
