"""The ways a command can end badly, each with its exit status. `main` prints them; nothing else ends the process.

docs/reference/cli.md lists the same statuses for the user.
"""

#: Done.
OK = 0
#: Failed for a reason that has no status of its own.
FAILED = 1
#: The command line, an instrument or a whole file of responses is not valid: nothing was done.
INVALID = 2
#: Done, but some rows were faulty; each was reported with its place.
FAULTY_ROWS = 3
#: The server has no such thing, or the key may not see it.
NOT_FOUND = 4
#: The server could not be reached, was not ready, or did not finish in time. The command may be run again.
UNAVAILABLE = 5
#: The server refused the key, or the key lacks the scope.
REFUSED = 6
#: The server refused it as things stand: a custom resource manages it, or a token or key stands for something else.
CONFLICT = 7
#: Ctrl-C, as shells count it.
INTERRUPTED = 130


class CliError(Exception):
    """What ends a command: lines for standard error and the exit status."""

    status = FAILED

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))


class InvalidInputError(CliError):
    """The user's words or documents are at fault; nothing was done."""

    status = INVALID


class NotFoundError(CliError):
    """The server has no such thing, or the key may not see it."""

    status = NOT_FOUND


class UnavailableError(CliError):
    """The server is out of reach, busy or too slow; the same command may be run again."""

    status = UNAVAILABLE


class RefusedError(CliError):
    """The server refused the key."""

    status = REFUSED


class ConflictError(CliError):
    """The server refused it as things stand; the message names what stands against it."""

    status = CONFLICT


class StoppedError(CliError):
    """Ctrl-C ended the command; the message says how things are left."""

    status = INTERRUPTED
