"""The Typer application. Each command is a module, imported only when needed. Called by `main`."""

import importlib
import importlib.metadata
from collections.abc import Sequence
from typing import Annotated

import typer

from stanine.cli.io.terminal import emit

_HELP = """Publish instruments, submit responses, score them, read results.

Exit statuses: 0 done, 1 failed, 2 invalid command line or document, 3 some rows were faulty, 4 not found,
5 server unreachable or too slow, 6 key refused, 7 refused as things stand. docs/reference/cli.md says more.
"""

#: Groups of commands; each is made by the function `make_…` of its module.
GROUPS = frozenset({"import", "invitations", "queues", "config", "keys", "tokens"})

#: Modules of commands whose names are words of Python.
_MODULES = {"import": "importing"}


def make_app(names: Sequence[str]) -> typer.Typer:
    """Return the application with the given commands."""
    app = typer.Typer(
        name="stanine",
        help=_HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_hold_options)
    for name in names:
        module = importlib.import_module(f"stanine.cli.commands.{_MODULES.get(name, name)}")
        if name in GROUPS:
            app.add_typer(getattr(module, f"make_{name}")(), name=name)
        else:
            app.command(name)(getattr(module, name))
    return app


def _show_version(requested: bool) -> None:
    if requested:
        emit(importlib.metadata.version("stanine"))
        raise typer.Exit


def _hold_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Declare the options before the command."""
