"""Detects the separator and the header rows of a file of responses. Called by `response_file`."""

import csv
import re
from collections.abc import Sequence
from itertools import islice
from typing import IO, NamedTuple

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.file_options import FileOptions

#: Separators that are detected, and their names.
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
#: Bytes and rows by which the separator is detected.
_SAMPLE, _ROWS = 1 << 18, 25
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
#: A line that declares the separator for Excel.
_FOR_EXCEL = re.compile(r"[\"']?sep=([^\r\n])[\"']?\s*", re.IGNORECASE)
#: Qualtrics writes the questions' texts and these cells below the header.
_QUALTRICS = '{"ImportId":'


class Dialect(NamedTuple):
    """The separator, the line of the header (from 1), and the rows below it that are no responses."""

    separator: str = ","
    header_line: int = 1
    skipped: int = 0


#: Commas, and the header in the first line.
PLAIN = Dialect()


def detect_dialect(stream: IO[bytes], name: str, options: FileOptions) -> tuple[Dialect, list[str]]:
    """Return the dialect of a UTF-8 file at its start, and what was detected, as phrases for a note.

    Options have precedence. Raises InvalidInputError if several separators fit.
    """
    start = stream.tell()
    head = stream.read(_SAMPLE)
    stream.seek(start)
    if len(head) == _SAMPLE:  # the last line may be cut
        head = head[: head.rfind(b"\n") + 1] or head
    lines = _LINE.findall(head.decode("utf-8-sig", "surrogateescape"))
    phrases: list[str] = []
    separator, header = options.separator, options.header_row
    if lines and (declared := _FOR_EXCEL.fullmatch(lines[0])):
        if header is None:
            header = 2
        if not separator:
            separator = declared[1]
            phrases.append(f"separated by {_name(separator)} (as its line sep= says)")
    header = header or 1
    rest = lines[header - 1 :]
    if not separator:
        separator = _detect_separator(rest, f"{name}:{header}")
        if separator != ",":
            phrases.append(f"separated by {_name(separator)}")
    skipped = options.skip_rows
    if skipped is None:
        skipped = _rows_of_qualtrics(rest, separator)
        if skipped:
            phrases.append(f"without the {skipped} rows of Qualtrics below the header")
    return Dialect(separator, header, skipped), phrases


def _name(separator: str) -> str:
    return SEPARATORS.get(separator, repr(separator))


def _detect_separator(lines: Sequence[str], place: str) -> str:
    """Return the only separator that fits the first rows; a comma if none is in the header."""
    widths = {mark: _widths(lines, mark) for mark in SEPARATORS}
    viable = [mark for mark, its in widths.items() if its and its[0] > 1]
    even = [mark for mark in viable if len(set(widths[mark])) == 1]
    fitting = even or viable
    if len(fitting) > 1:
        columns = ", ".join(f"{_name(mark)} give {widths[mark][0]} columns" for mark in fitting)
        raise InvalidInputError(
            f"{place}: the separator is not clear: {columns}; name it with --separator"
        )
    return fitting[0] if fitting else ","


def _widths(lines: Sequence[str], separator: str) -> list[int]:
    """Return the numbers of cells of the header and of the first rows; 0: an unreadable row."""
    found: list[int] = []
    try:
        rows = islice(csv.reader(lines, delimiter=separator, strict=True), _ROWS)
        found.extend(len(cells) for cells in rows if cells)
    except csv.Error:
        found.append(0)
    return found


def _rows_of_qualtrics(lines: Sequence[str], separator: str) -> int:
    try:
        rows = list(islice(csv.reader(lines, delimiter=separator, strict=True), 3))
    except csv.Error:
        return 0
    if len(rows) < 3:
        return 0
    marked = [cell.startswith(_QUALTRICS) for cell in rows[2] if cell.strip()]
    return 2 if marked and all(marked) else 0
