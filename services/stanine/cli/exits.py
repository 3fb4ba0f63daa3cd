"""Errors that end a command, each with its exit status. Printed by `main`.

docs/reference/cli.md lists the same statuses for the user.
"""

#: Done.
OK = 0
#: Failed for any other reason.
FAILED = 1
#: The command line, an instrument or a file of responses is invalid; nothing was done.
INVALID = 2
#: Done, but some rows were invalid; each was reported with its place.
FAULTY_ROWS = 3
#: The resource does not exist, or is not visible to the key.
NOT_FOUND = 4
#: The server was unreachable, not ready or too slow. The command can be run again.
UNAVAILABLE = 5
#: The server rejected the key, or the key lacks the scope.
REFUSED = 6
#: Conflict: a custom resource owns the target, or a key or token was used for another request.
CONFLICT = 7
#: Ctrl-C (128 + SIGINT).
INTERRUPTED = 130


class CliError(Exception):
    """Base of the errors that end a command: lines for standard error and an exit status."""

    status = FAILED

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))


class InvalidInputError(CliError):
    """The command line or a document is invalid; nothing was done."""

    status = INVALID


class MissingError(CliError):
    """The resource does not exist, or is not visible to the key."""

    status = NOT_FOUND


class TryAgainError(CliError):
    """The server is unreachable, busy or too slow; the command can be run again."""

    status = UNAVAILABLE


class RefusedError(CliError):
    """The server rejected the key."""

    status = REFUSED


class ConflictError(CliError):
    """The request conflicts with the state of the server; the message names the reason."""

    status = CONFLICT


class StoppedError(CliError):
    """Ctrl-C ended the command; the message says what state is left."""

    status = INTERRUPTED
