"""Reads CSV in bounded memory and locates errors by line and field. Called by `responses`.

An error affects only its row: after an unclosed quote, reading continues on the next line.
"""

import csv
from collections.abc import Iterator
from typing import IO, NamedTuple

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.dialect import PLAIN, Dialect
from stanine.cli.io.other_formats import explain_row_names, explain_separator, recognise

#: Maximum bytes of a line or row. The largest header (2,000 items, ids of 64 characters) has 130 kB.
LINE_LIMIT = 1 << 20


class RowFault(NamedTuple):
    """An error in a row: line, field number (from 1) and a sentence."""

    line: int
    column: int
    detail: str


class Row(NamedTuple):
    """A record of the file: number (from 1, without header), first line, cells, error."""

    number: int
    line: int
    cells: list[str]
    fault: RowFault | None


class Sheet:
    """A CSV file with a header, read at construction; rows are read lazily.

    Text is UTF-8, with or without byte order mark (`encoding` makes it so). An invalid byte becomes a lone surrogate, so that only cells in
    use are rejected (`is_text`). Blank lines are skipped, except in a file of one column, where they are blank
    cells. Raises InvalidInputError for an unusable file: empty, UTF-16, a blank or unreadable header, a line over
    LINE_LIMIT.
    """

    def __init__(self, stream: IO[bytes], name: str, dialect: Dialect = PLAIN) -> None:
        self.name, self.separator = name, dialect.separator
        #: The header's line, from 1.
        self.header_line = dialect.header_line
        self._skipped = dialect.skipped
        self._lines = _Lines(stream, name, dialect.header_line)
        self._reader = csv.reader(self._lines, delimiter=dialect.separator, strict=True)
        try:
            self.header = next(self._reader, [])
        except csv.Error as error:
            lines = [
                f"{name}:{self.header_line}: the header cannot be read: {_say(error)}",
                explain_separator(self._lines.record[0], self.separator),
            ]
            raise InvalidInputError(*(line for line in lines if line)) from None
        if not any(cell.strip() for cell in self.header):
            raise InvalidInputError(
                f"{name}:{self.header_line}: missing header: this line must name the columns; --header-row names another"
            )
        self._lines.forget_record()

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order. A row with an error has the cells that could be read."""
        number, width = -self._skipped, len(self.header)
        while True:
            line = self._lines.number + 1
            try:
                cells = next(self._reader, None)
                fault = None
            except csv.Error as error:
                cells, fault = (
                    [],
                    RowFault(
                        line, _broken_field(self._lines.record[0], self.separator), _say(error)
                    ),
                )
                self._lines.read_again_after_first()
            self._lines.forget_record()
            if cells is None:
                return
            if not cells and fault is None:
                if width > 1:
                    continue
                cells = [""]
            number += 1
            if number <= 0:
                continue
            if fault is None and len(cells) != width:
                fault = RowFault(
                    line,
                    min(len(cells), width) + 1,
                    f"{len(cells)} fields, but the header has {width}"
                    + explain_row_names(len(cells), width, number),
                )
            yield Row(number, line, cells, fault)


def is_text(cell: str) -> bool:
    """Return whether the cell was valid UTF-8."""
    return cell.isascii() or not any("\ud800" <= character <= "\udfff" for character in cell)


class _Lines:
    """Numbered text lines of a file.

    Lines of the current record are kept, so that they can be read again.
    """

    def __init__(self, stream: IO[bytes], name: str, first: int) -> None:
        """Discard the lines before the line `first`."""
        self._stream, self._name, self._first = stream, name, first
        self._again: list[str] = []  # in reverse
        self.number = 0
        self.record: list[str] = []
        self._size = 0
        while self.number < first - 1 and self._stream.readline(LINE_LIMIT + 1):
            self.number += 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else self._read()
        self.number += 1
        self.record.append(line)
        self._size += len(line)
        if self._size > LINE_LIMIT:
            raise InvalidInputError(
                f"{self._name}:{self.number}: a row of more than {LINE_LIMIT:,} characters: this is not a file of responses"
            )
        return line

    def forget_record(self) -> None:
        self.record = []
        self._size = 0

    def read_again_after_first(self) -> None:
        rest = self.record[1:]
        self._again.extend(reversed(rest))
        self.number -= len(rest)

    def _read(self) -> str:
        raw = self._stream.readline(LINE_LIMIT + 1)
        if not raw:
            raise StopIteration
        is_first = self.number == self._first - 1 and not self.record
        if is_first and (
            kind := recognise(raw)
        ):  # before the length check: a binary file may be one line
            raise InvalidInputError(f"{self._name}:{self._first}: {kind}")
        if len(raw) > LINE_LIMIT:
            raise InvalidInputError(
                f"{self._name}:{self.number + 1}: a line of more than {LINE_LIMIT:,} bytes: this is not a file of responses"
            )
        return raw.decode("utf-8-sig" if is_first else "utf-8", "surrogateescape")


def _broken_field(line: str, separator: str) -> int:
    """Return the number of the field with invalid quoting, or 1."""
    field, quoted, start = 1, False, True
    position = 0
    while position < len(line):
        character = line[position]
        if quoted and character == '"':
            if line[position + 1 : position + 2] == '"':
                position += 1
            elif line[position + 1 : position + 2] in {separator, "\r", "\n", ""}:
                quoted = False
            else:
                return field
        elif not quoted and character == '"' and start:
            quoted = True
        elif not quoted and character == separator:
            field, start = field + 1, True
            position += 1
            continue
        start = False
        position += 1
    return field if quoted else 1


def _say(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text or "field larger" in text:
        return "a quote is opened and never closed"
    if "expected after" in text:
        return "a closing quote must be followed by a separator (a quote inside a quoted field is written twice)"
    if "new-line character" in text:
        return "a carriage return inside a line: lines must end in LF or CRLF"
    return text
