"""The entry point `stanine`: runs the application and prints the error that ends a command.

It imports only the standard library, so that it can name missing packages.
"""

import io
import os
import sys

from stanine.cli.exits import FAILED, INTERRUPTED, CliError

#: The commands in the order of the help. Function (or group) and module have the same name.
COMMANDS = (
    "init",
    "demo",
    "up",
    "preview",
    "publish",
    "validate",
    "import",
    "instruments",
    "invitations",
    "submit",
    "result",
    "results",
    "answers",
    "statistics",
    "rescore",
    "explain",
    "erase",
    "queues",
    "config",
    "keys",
    "tokens",
    "audit",
    "status",
    "score",
    "reliability",
    "norms",
    "check",
    "backup",
    "restore",
)
#: Commands that start processes on this machine. They need the extra `local`, all others `cli`.
LOCAL = frozenset({"backup", "demo", "preview", "restore", "up"})


def main() -> None:
    """Run the command line and exit. Show a traceback only if STANINE_DEBUG is set."""
    try:
        _run()
    except KeyboardInterrupt:  # before a command has started, or a second time
        _end_interrupted()
    except SystemExit as ending:
        if ending.code == INTERRUPTED:
            _end_interrupted()
        raise
    except CliError as error:
        _say(*error.args)
        sys.exit(error.status)
    except Exception as error:
        if os.environ.get("STANINE_DEBUG"):
            raise
        if isinstance(error, ModuleNotFoundError) and (lines := _what_to_install(error)):
            _say(lines)
        else:
            _say(
                f"stanine failed unexpectedly ({type(error).__name__}: {error}); STANINE_DEBUG=1 shows where. Please report it."
            )
        sys.exit(FAILED)


def _run() -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # independent of the locale
    from stanine.cli.application import make_app  # noqa: PLC0415 - its packages may be missing, and Ctrl-C may arrive during the import

    make_app(_commands_to_load())()


def _commands_to_load() -> tuple[str, ...]:
    """Return the commands to load.

    Loading all takes half a second, so it is the requested one if that is certain.
    """
    completed = (
        os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS") or ""
        if "_STANINE_COMPLETE" in os.environ
        else ""
    )
    words = completed.split()[1:] or sys.argv[1:]
    if not words or words[0] not in COMMANDS:
        return COMMANDS
    is_whole = (
        not completed or len(words) > 1 or sum(name.startswith(words[0]) for name in COMMANDS) == 1
    )
    return (words[0],) if is_whole else COMMANDS


def _what_to_install(error: ModuleNotFoundError) -> str:
    """Return the hint for a missing package; empty if the module belongs to Stanine."""
    package = (error.name or "").partition(".")[0]
    if package in {"", "stanine"}:
        return ""
    command = sys.argv[1] if sys.argv[1:] and sys.argv[1] in COMMANDS else ""
    extra = "local" if command in LOCAL else "cli"
    return f"{f'stanine {command}'.strip()} needs the package {package}, which is not installed: pip install 'stanine[{extra}]'"


def _end_interrupted() -> None:
    """Report the interruption and exit at once, because threads may wait for a server."""
    _say(
        "\ninterrupted" if sys.stderr.isatty() else "interrupted"
    )  # a terminal shows ^C without a line break
    os._exit(INTERRUPTED)


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - like `terminal.note`, whose packages may be missing


if __name__ == "__main__":
    main()
