"""Options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stanine.cli.io.terminal import View


class Format(StrEnum):
    """Output formats for rows."""

    CSV = "csv"
    NDJSON = "ndjson"


Server = Annotated[
    str, typer.Option("--server", envvar="STANINE_API_URL", help="Address of the API.")
]
Key = Annotated[
    str, typer.Option("--key", envvar="STANINE_KEY", help="Key for the API.", show_envvar=True)
]
Shown = Annotated[View, typer.Option("-o", "--format", help="Output format.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="Write to this file instead of standard output; it is replaced atomically.",
    ),
]
RowFormat = Annotated[Format, typer.Option("-o", "--format", help="Output format.")]

InstrumentOrName = Annotated[
    str,
    typer.Argument(
        metavar="INSTRUMENT|NAME",
        help="The instrument document, YAML or JSON; without RESPONSES, the name of a published instrument.",
    ),
]
OptionalResponses = Annotated[
    str,
    typer.Argument(
        metavar="[RESPONSES]",
        help="CSV with the item ids as columns; - is standard input. Without it: the attempts on the server.",
    ),
]

#: The address of `stanine up`.
DEFAULT_SERVER = "http://127.0.0.1:8420"
