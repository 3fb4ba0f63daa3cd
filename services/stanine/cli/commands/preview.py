"""`stanine preview`: show a document as a participant would see it. Registered by `application`."""

import os
import sys
from typing import Annotated

import typer

from stanine.cli.commands.publish import read_document
from stanine.cli.commands.up import refuse_windows
from stanine.cli.io.terminal import note


def preview(
    file: Annotated[str, typer.Argument(metavar="FILE", help="An instrument document.")],
    port: Annotated[
        int, typer.Option(help="Port of the page; 0: any free port.", min=0, max=65535)
    ] = 0,
) -> None:
    """Show a document as a participant would see it, until Ctrl-C.

    Prints an address to open in a browser on this machine. Needs no server; nothing is stored. After a change of
    the file, start it again.
    """
    refuse_windows("preview")
    read_document(file)
    note("open this address; Ctrl-C ends the preview")
    sys.stderr.flush()
    # this process becomes the server: a parent would have to pass on signals and could leave the server behind
    command = [sys.executable, "-m", "stanine.pages.preview", file, "--port", str(port)]
    os.execv(command[0], command)  # noqa: S606 - the command is ours
