"""Output of commands: data on standard output, notes and progress on standard error.

Called by every command.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec

from stanine.cli.exits import CliError, InvalidInputError
from stanine.domain.tables.csv_lines import shortest

#: Text that needs no quotes in YAML, and its exceptions: booleans and null.
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,}", re.ASCII)
_NO_WORDS = frozenset({"yes", "off", "true", "false", "null"})


class View(StrEnum):
    """Output formats for records."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def note(*lines: str) -> None:
    """Print lines to standard error."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - the only place that prints


def emit(text: str) -> None:
    """Print a line of data."""
    sys.stdout.write(text + "\n")


def show(record: object, view: View, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a record as JSON or YAML, or its `rows` as a table."""
    if view is View.JSON:
        emit(msgspec.json.format(msgspec.json.encode(record), indent=2).decode())
    elif view is View.YAML:
        sys.stdout.write(as_yaml(record))
    else:
        show_table(rows)


def as_yaml(record: object) -> str:
    """Return YAML that all versions of YAML read alike: ambiguous texts are quoted."""
    import yaml  # noqa: PLC0415 - slow to load, rarely used

    class Dumper(yaml.SafeDumper):
        """Quotes ambiguous texts: a bare `N` is a boolean in YAML 1.1, `1e3` a number in some versions."""

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        is_word = _WORD.fullmatch(text) is not None and text.lower() not in _NO_WORDS
        return dumper.represent_scalar(
            "tag:yaml.org,2002:str", text, style=None if is_word else '"'
        )

    Dumper.add_representer(str, represent)
    return yaml.dump(
        msgspec.to_builtins(record), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=140
    )


def show_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows in aligned plain-text columns, numbers right-aligned; None is an empty cell."""
    if not rows:
        return
    names = list(rows[0])
    cells = [[_cell(row[name]) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(names)]
    numeric = [all(isinstance(row[name], int | float | None) for row in rows) for name in names]
    for line in [[name.upper() for name in names], *cells]:
        padded = (
            text.rjust(w) if right else text.ljust(w)
            for text, w, right in zip(line, widths, numeric, strict=True)
        )
        emit("  ".join(padded).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return ""
    return shortest(value) if isinstance(value, float) else str(value)


class Bar(Protocol):
    """A progress bar."""

    def advance(self, steps: int) -> None:
        """Advance by some steps."""


class _NoBar:
    def advance(self, steps: int) -> None:
        pass


class _RichBar:
    def __init__(self, progress: Any, task: Any) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: int) -> None:
        self._progress.advance(self._task, steps)


@contextmanager
def progress(
    what: str, total: int | None = None, *, beside: IO[str] | None = None
) -> Iterator[Bar]:
    """Show a progress bar on a terminal, unless the rows (`beside`) are written to one too."""
    if not sys.stderr.isatty() or (beside is not None and beside.isatty()):
        yield _NoBar()
        return
    from rich import progress as bars  # noqa: PLC0415 - slow to load, and only a terminal needs it
    from rich.console import Console  # noqa: PLC0415

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
    )
    with bars.Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=False
    ) as shown:
        yield _RichBar(shown, shown.add_task(what, total=total))


@contextmanager
def open_input(file: str) -> Iterator[tuple[IO[bytes], str]]:
    """Open a file, or standard input for `-`; yields it and its name for messages.

    Raises InvalidInputError if it cannot be opened.
    """
    if file == "-":
        yield sys.stdin.buffer, "<stdin>"
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 - closed below; only errors of opening are reported here
    except (OSError, ValueError) as error:  # ValueError: an invalid file name
        raise InvalidInputError(f"{file}: {_say(error)}") from None
    with stream:
        # A name that is not UTF-8 has surrogates, which no output may contain.
        yield stream, file.encode("utf-8", "replace").decode()


@contextmanager
def rewindable(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield the stream if it is seekable, otherwise a temporary file with its content."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as kept:
        shutil.copyfileobj(stream, kept)
        kept.seek(0)
        yield kept


def read_file(file: str) -> bytes:
    """Return a file's bytes.

    Raises InvalidInputError or CliError if it cannot be opened or read.
    """
    with open_input(file) as (stream, _):
        try:
            return stream.read()
        except OSError as error:
            raise CliError(f"{file}: {error.strerror}") from None


def _say(error: OSError | ValueError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else str(error)


@contextmanager
def open_output(file: Path | None) -> Iterator[IO[str]]:
    """Open the output of a command: standard output, or a file that is replaced atomically.

    The file is written under a temporary name and renamed at the end; an exception leaves nothing.
    """
    if file is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    file = file.resolve()
    if file.is_dir():
        raise CliError(f"{file}: a directory; name a file in it")
    if file.exists() and not file.is_file():  # a pipe or device cannot be replaced
        with file.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        return
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
