"""The options that several commands share, so that they are named and explained alike."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stanine.cli.io.terminal import View


class Format(StrEnum):
    """How many rows of data are written."""

    CSV = "csv"
    NDJSON = "ndjson"


Server = Annotated[
    str, typer.Option("--server", envvar="STANINE_API_URL", help="Address of the API.")
]
Key = Annotated[
    str, typer.Option("--key", envvar="STANINE_KEY", help="Key for the API.", show_envvar=True)
]
Shown = Annotated[View, typer.Option("-o", "--format", help="How the answer is shown.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="Write here instead of standard output; it appears whole or not at all.",
    ),
]
RowFormat = Annotated[Format, typer.Option("-o", "--format", help="How the rows are written.")]

#: Where `stanine up` serves.
DEFAULT_SERVER = "http://127.0.0.1:8420"
