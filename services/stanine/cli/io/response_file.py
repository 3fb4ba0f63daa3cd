"""Opens a file of responses: its encoding, separator, header and decimal mark. Called by the commands that read one.

What was detected and is not plain (UTF-8, commas, a decimal point) is noted on standard error.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from stanine.cli.io.decimals import detect_decimal
from stanine.cli.io.dialect import detect_dialect
from stanine.cli.io.encoding import as_utf8
from stanine.cli.io.file_options import DEFAULTS, FileOptions
from stanine.cli.io.forms import Form
from stanine.cli.io.locating import locate_columns
from stanine.cli.io.responses import Responses
from stanine.cli.io.sheet import Sheet
from stanine.cli.io.terminal import note, open_input, rewindable


class ResponseFile:
    """A file that can be read several times, as UTF-8."""

    def __init__(
        self, stream: IO[bytes], name: str, options: FileOptions = DEFAULTS, encoding: str = ""
    ) -> None:
        """`stream`: seekable UTF-8 at its start; `encoding`: what it was before, for the note."""
        self.stream, self.name, self.options = stream, name, options
        self._start, self._encoding, self._is_noted = stream.tell(), encoding, False

    def sheet(self) -> Sheet:
        """Return the table, at its first row.

        Raises InvalidInputError if it cannot be read, or its separator is not clear.
        """
        self.stream.seek(self._start)
        dialect, phrases = detect_dialect(self.stream, self.name, self.options)
        sheet = Sheet(self.stream, self.name, dialect)
        if not self._is_noted:
            self._is_noted = True
            if self._encoding:
                phrases = [f"as {self._encoding}", *phrases]
            if phrases:
                note(f"{self.name}: read {', '.join(phrases)}")
        return sheet

    def responses(self, form: Form) -> Responses:
        """Return the responses, at the first row. Raises InvalidInputError as `Sheet` and `Responses` do."""
        if not self.options.decimal:
            sheet = self.sheet()
            columns = locate_columns(sheet, form, self.options)
            decimal = detect_decimal(sheet, form, columns, self.options)
            if decimal == ",":
                note(f"{self.name}: read with decimal commas")
            for line in columns.notes:
                note(f"{self.name}: {line}")
            self.options = self.options._replace(decimal=decimal)
        return Responses(self.sheet(), form, self.options)


@contextmanager
def open_responses(file: str, options: FileOptions = DEFAULTS) -> Iterator[ResponseFile]:
    """Open a file, or standard input for `-`. Raises InvalidInputError if it cannot be opened or decoded."""
    with (
        open_input(file) as (opened, name),
        rewindable(opened) as stream,
        as_utf8(stream, name, options.encoding) as (text, encoding),
    ):
        yield ResponseFile(text, name, options, encoding)
