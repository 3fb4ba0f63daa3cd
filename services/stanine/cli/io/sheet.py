"""Reads CSV in bounded memory and locates errors by line and field. Called by `responses`.

An error affects only its row: after an unclosed quote, reading continues on the next line.
"""

import csv
from collections.abc import Iterator
from typing import IO, NamedTuple

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.other_formats import explain_separator, recognise

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

    Text is UTF-8, with or without byte order mark. An invalid byte becomes a lone surrogate, so that only cells in
    use are rejected (`is_text`). Blank lines are skipped, except in a file of one column, where they are blank
    cells. Raises InvalidInputError for an unusable file: empty, UTF-16, a blank or unreadable header, a line over
    LINE_LIMIT.
    """

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self.name = name
        self._lines = _Lines(stream, name)
        self._reader = csv.reader(self._lines, strict=True)
        try:
            self.header = next(self._reader, [])
        except csv.Error as error:
            lines = [
                f"{name}:1: the header cannot be read: {_say(error)}",
                explain_separator(self._lines.record[0]),
            ]
            raise InvalidInputError(*(line for line in lines if line)) from None
        if not any(cell.strip() for cell in self.header):
            raise InvalidInputError(
                f"{name}:1: missing header: the first line must name the columns"
            )
        self._lines.forget_record()

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order. A row with an error has the cells that could be read."""
        number, width = 0, len(self.header)
        while True:
            line = self._lines.number + 1
            try:
                cells = next(self._reader, None)
                fault = None
            except csv.Error as error:
                cells, fault = [], RowFault(line, _broken_field(self._lines.record[0]), _say(error))
                self._lines.read_again_after_first()
            self._lines.forget_record()
            if cells is None:
                return
            if not cells and fault is None:
                if width > 1:
                    continue
                cells = [""]
            number += 1
            if fault is None and len(cells) != width:
                fault = RowFault(
                    line,
                    min(len(cells), width) + 1,
                    f"{len(cells)} fields, but the header has {width}",
                )
            yield Row(number, line, cells, fault)


def is_text(cell: str) -> bool:
    """Return whether the cell was valid UTF-8."""
    return cell.isascii() or not any("\ud800" <= character <= "\udfff" for character in cell)


class _Lines:
    """Numbered text lines of a file.

    Lines of the current record are kept, so that they can be read again.
    """

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream, self._name = stream, name
        self._again: list[str] = []  # in reverse
        self.number = 0
        self.record: list[str] = []
        self._size = 0

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
        is_first = self.number == 0 and not self.record
        if is_first and (
            kind := recognise(raw)
        ):  # before the length check: a binary file may be one line
            raise InvalidInputError(f"{self._name}:1: {kind}")
        if len(raw) > LINE_LIMIT:
            raise InvalidInputError(
                f"{self._name}:{self.number + 1}: a line of more than {LINE_LIMIT:,} bytes: this is not a file of responses"
            )
        return raw.decode("utf-8-sig" if is_first else "utf-8", "surrogateescape")


def _broken_field(line: str) -> int:
    """Return the number of the field with invalid quoting, or 1."""
    field, quoted, start = 1, False, True
    position = 0
    while position < len(line):
        character = line[position]
        if quoted and character == '"':
            if line[position + 1 : position + 2] == '"':
                position += 1
            elif line[position + 1 : position + 2] in {",", "\r", "\n", ""}:
                quoted = False
            else:
                return field
        elif not quoted and character == '"' and start:
            quoted = True
        elif not quoted and character == ",":
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
        return "a closing quote must be followed by a comma (a quote inside a quoted field is written twice)"
    if "new-line character" in text:
        return "a carriage return inside a line: lines must end in LF or CRLF"
    return text
