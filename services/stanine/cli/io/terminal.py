"""What a command says: data on standard output as table, JSON or YAML; notes and progress on standard error. Called by every command."""

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

#: Text that needs no quotes in YAML, and what looks like it but is a boolean or null.
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,}", re.ASCII)
_NO_WORDS = frozenset({"yes", "off", "true", "false", "null"})


class View(StrEnum):
    """How a command shows records."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def note(*lines: str) -> None:
    """Say something about the work, which is not its result."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the one place that does


def emit(text: str) -> None:
    """Print a line of the result."""
    sys.stdout.write(text + "\n")


def show(record: object, view: View, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a record as JSON or YAML, or `rows`, its most telling part, as a table."""
    if view is View.JSON:
        emit(msgspec.json.format(msgspec.json.encode(record), indent=2).decode())
    elif view is View.YAML:
        sys.stdout.write(_as_yaml(record))
    else:
        show_table(rows)


def _as_yaml(record: object) -> str:
    """Return YAML that every reader takes alike: text is in quotes unless no version of YAML sees anything else in it."""
    import yaml  # noqa: PLC0415 - slow to load, and seldom asked for

    class Dumper(yaml.SafeDumper):
        """Quotes whatever is not plainly a word: a bare `N` is a boolean to kubectl, `1e3` a number to some."""

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
    """Print rows in aligned columns, numbers to the right; None as an empty cell. Plain text, for people and `awk` alike."""
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


def shortest(number: float) -> str:
    """Return the shortest decimal that reads back as the same float: `3`, `0.1`, `1e+22`."""
    text = repr(number)
    return text.removesuffix(".0")


class Bar(Protocol):
    """A progress bar."""

    def advance(self, steps: int) -> None:
        """Say that so many more are done."""


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
    """Show a progress bar if standard error is a terminal, unless the rows written meanwhile (`beside`) go to one too."""
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
    """Open a file, or standard input for `-`; yields it and the name to use in messages. Raises InvalidInputError if it cannot be had."""
    if file == "-":
        yield sys.stdin.buffer, "<stdin>"
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 - closed below; only the opening may be reported as this file's fault
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise InvalidInputError(f"{file}: {_say(error)}") from None
    with stream:
        yield stream, file


@contextmanager
def rewindable(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield the stream if it can be read twice, else a nameless temporary file with all that it held (standard input, a pipe)."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as kept:
        shutil.copyfileobj(stream, kept)
        kept.seek(0)
        yield kept


def read_file(file: str) -> bytes:
    """Return a file's bytes. Raises InvalidInputError if it cannot be opened, CliError if it cannot be read."""
    with open_input(file) as (stream, _):
        try:
            return stream.read()
        except OSError as error:
            raise CliError(f"{file}: {error.strerror}") from None


def _say(error: OSError | ValueError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else str(error)


@contextmanager
def open_output(file: Path | None) -> Iterator[IO[str]]:
    """Open what a command writes its data to: standard output, or a file that appears only when it is complete.

    The file is written beside its place and renamed into it on a normal end; on an exception nothing is left.
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
