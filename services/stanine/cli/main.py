"""The entry point `stanine`: runs the application and turns what ends a command badly into lines and an exit status.

It imports the standard library only, so that an installation without the command line's packages is told what to install.
"""

import io
import os
import sys

from stanine.cli.exits import FAILED, INTERRUPTED, CliError

#: Each is a function (or group) of the same name in a module of the same name, in the order of the help.
COMMANDS = (
    "init", "demo", "up", "publish", "validate", "instruments", "invitations", "submit", "result", "results", "explain", "erase",
    "queues", "config", "keys", "tokens", "score", "reliability", "norms", "check",
)  # fmt: skip
#: The commands that start processes on this machine; the extra `local` has what these need, `cli` what all others do.
LOCAL = frozenset({"demo", "up"})


def main() -> None:
    """Run the command line and end the process. A traceback is shown only when STANINE_DEBUG is set."""
    try:
        _run()
    except KeyboardInterrupt:  # before a command has begun, or again while one ended
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
        sys.stdout.reconfigure(
            encoding="utf-8", newline="\n"
        )  # data are UTF-8, whatever the locale
    from stanine.cli.application import make_app  # noqa: PLC0415 - its packages may be missing, and Ctrl-C may come while they load

    make_app(_wanted())()


def _wanted() -> tuple[str, ...]:
    """Return the commands to load: the one that is asked for (or completed) if that is plain, for together they take half a second."""
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
    """Return the line for a package that is not installed; nothing if the missing module is our own."""
    package = (error.name or "").partition(".")[0]
    if package in {"", "stanine"}:
        return ""
    command = sys.argv[1] if sys.argv[1:] and sys.argv[1] in COMMANDS else ""
    extra = "local" if command in LOCAL else "cli"
    return f"{f'stanine {command}'.strip()} needs the package {package}, which is not installed: pip install 'stanine[{extra}]'"


def _end_interrupted() -> None:
    """Say that Ctrl-C ended the command, and end at once: what had begun is undone by now, and threads may wait for a server."""
    _say(
        "\ninterrupted" if sys.stderr.isatty() else "interrupted"
    )  # a terminal shows ^C, without the end of a line
    os._exit(INTERRUPTED)


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - as `terminal.note`, which needs packages that may be missing


if __name__ == "__main__":
    main()
