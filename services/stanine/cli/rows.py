"""Writes rows of scores, as CSV or NDJSON: the same columns offline (`score`) and from the server (`results`)."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, Protocol

import msgspec

from stanine.cli.cell_guard import guard
from stanine.cli.terminal import shortest
from stanine.domain.result import ScaleResult


class RowWriter(Protocol):
    """Takes rows of scores."""

    def write(self, about: Mapping[str, Any], scales: Mapping[str, ScaleResult] | None) -> None:
        """Write a row: what it is about, and its scales; None if it has no scores."""


class CsvWriter:
    """Writes CSV, the header first. An empty cell is no value; a number is the shortest decimal that reads back the same.

    Texts are guarded against spreadsheets that would run them.
    """

    def __init__(self, out: IO[str], about: Sequence[str], scales: Iterable[tuple[str, bool]]) -> None:
        """`scales` are the ids of the scales in order, and whether each has bands."""
        self._about, self._scales = about, list(scales)
        self._writer = csv.writer(out, lineterminator="\n")
        #: Before Python 3.13 `csv` does not quote a carriage return, which ends a line for many readers.
        self._quoting = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
        columns = [f"{scale}.{field}" for scale, has_bands in self._scales for field in ("raw", "valid", "status", *(["band"] * has_bands))]
        self._writer.writerow([*about, *columns])

    def write(self, about: Mapping[str, Any], scales: Mapping[str, ScaleResult] | None) -> None:
        """Write a row; a scale that it does not have is empty."""
        cells: list[Any] = [_cell(about.get(name)) for name in self._about]  # csv writes None as an empty cell
        for scale, has_bands in self._scales:
            scored = scales.get(scale) if scales else None
            if scored is None:
                cells += [None] * (3 + has_bands)
                continue
            cells += ["" if scored.raw is None else shortest(scored.raw), scored.valid, scored.status]
            if has_bands:
                cells.append(guard(scored.band) if scored.band else "")
        carries = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (self._quoting if carries else self._writer).writerow(cells)

    def close(self) -> None:
        """Do nothing: a CSV has no end of its own."""


class NdjsonWriter:
    """Writes an object a line: what the row is about, and its scales under `scales` (null if it has no scores)."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def write(self, about: Mapping[str, Any], scales: Mapping[str, ScaleResult] | None) -> None:
        """Write a row."""
        self._out.write(msgspec.json.encode({name: _plain(value) for name, value in about.items()} | {"scales": scales}).decode() + "\n")


def _cell(value: Any) -> Any:
    return guard(_plain(value)) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """Replace what was not UTF-8 in the file, which cannot be written either."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and not value.isascii() else value
