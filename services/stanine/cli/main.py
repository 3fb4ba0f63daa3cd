"""The entry point `stanine`: registers the commands, one module each, and turns what ends them badly into lines and an exit status."""

import os
import sys
from typing import Annotated

import typer

import stanine
from stanine.cli.exits import FAILED, CliError
from stanine.cli.terminal import emit, note

app = typer.Typer(
    name="stanine",
    help="Publish instruments, submit responses, score them, read results.\n\nExit statuses: 0 done, 1 failed, 2 invalid command line or "
    "document, 3 some rows were faulty, 4 not found, 5 server unreachable or too slow, 6 key refused.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
