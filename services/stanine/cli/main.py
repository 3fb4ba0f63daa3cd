"""The entry point `stanine`: registers the commands, one module each, and turns what ends them badly into lines and an exit status.

Only the module of the command that is asked for is loaded: together they take half a second.
"""

import importlib
import importlib.metadata
import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from stanine.cli.exits import FAILED, CliError
from stanine.cli.terminal import emit, note

_HELP = """Publish instruments, submit responses, score them, read results.

Exit statuses: 0 done, 1 failed, 2 invalid command line or document, 3 some rows were faulty, 4 not found,
5 server unreachable or too slow, 6 key refused, 7 refused as things stand. docs/cli.md says more.
"""

#: Each is a function (or group) of the same name in a module of the same name, in the order of the help.
COMMANDS = (
    "up",
    "publish",
    "validate",
    "instruments",
    "submit",
    "result",
    "results",
    "queues",
    "config",
    "tokens",
    "score",
    "reliability",
    "norms",
    "check",
)
#: Of these, groups of commands; each is made by the function `make_…` of its module.
GROUPS = ("queues", "config", "tokens")


def make_app(wanted: Sequence[str] = COMMANDS) -> typer.Typer:
    """Return the application with some of the commands."""
    app = typer.Typer(
        name="stanine", help=_HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False
    )
    app.callback()(_hold_options)
    for name in wanted:
        module = importlib.import_module(f"stanine.cli.{name}")
        if name in GROUPS:
            app.add_typer(getattr(module, f"make_{name}")(), name=name)
        else:
            app.command(name)(getattr(module, name))
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        emit(importlib.metadata.version("stanine"))
        raise typer.Exit


def _hold_options(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")] = False,
) -> None:
    """Hold the options that come before the command."""


def main() -> None:
    """Run the command line and end the process. A traceback is shown only when STANINE_DEBUG is set."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # data are UTF-8, whatever the locale
    try:
        make_app(sys.argv[1:2] if sys.argv[1:2] and sys.argv[1] in COMMANDS else COMMANDS)()
    except CliError as error:
        note(*error.args)
        sys.exit(error.status)
    except Exception as error:
        if os.environ.get("STANINE_DEBUG"):
            raise
        note(f"stanine failed unexpectedly ({type(error).__name__}: {error}); STANINE_DEBUG=1 shows where. Please report it.")
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
