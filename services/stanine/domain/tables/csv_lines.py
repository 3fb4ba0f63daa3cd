"""Writes rows as CSV lines. Used by the exports of API and CLI."""

import csv
from collections.abc import Sequence
from typing import Any, Protocol

from stanine.domain.tables.cell_guard import guard


class _TextSink(Protocol):
    def write(self, text: str, /) -> Any: ...


class CsvLines:
    """Writes CSV lines that end in a line feed.

    None is an empty cell, a number its shortest decimal, true and false are words. Texts are escaped against formula
    injection.
    """

    def __init__(self, out: _TextSink, header: Sequence[str]) -> None:
        self._writer = csv.writer(out, lineterminator="\n")
        #: Before Python 3.13 `csv` does not quote a carriage return, which many readers treat as a line end.
        self._quoting = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self._writer.writerow(header)

    def write(self, values: Sequence[float | str | bool | None]) -> None:
        """Write a row."""
        cells = [_cell(value) for value in values]
        carries = any("\r" in cell for cell in cells if cell)
        (self._quoting if carries else self._writer).writerow(cells)


def shortest(number: float) -> str:
    """Return the shortest decimal that reads back as the same float: `3`, `0.1`, `1e+22`."""
    return repr(number).removesuffix(".0")


def _cell(value: float | str | bool | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return guard(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return shortest(value) if isinstance(value, float) else str(value)
