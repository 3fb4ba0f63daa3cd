"""Writes rows of scores, as CSV or NDJSON: the same columns offline (`score`) and from the server (`results`)."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, Protocol

import msgspec

from stanine.cli.terminal import shortest
from stanine.domain.result import ScaleResult

#: A column of a scale: the scale's id, and which of its fields.
Column = tuple[str, str]
_FIELDS = ("raw", "valid", "status")


class RowWriter(Protocol):
    """Takes rows of scores."""

    def write(self, about: Mapping[str, Any], scales: Mapping[str, ScaleResult] | None) -> None:
        """Write a row: what it is about, and its scales; None if it has no scores."""


class CsvWriter:
    """Writes CSV, the header first. An empty cell is no value; a number is the shortest decimal that reads back the same."""

    def __init__(self, out: IO[str], about: Sequence[str], columns: Sequence[Column]) -> None:
        self._about, self._columns = about, columns
        self._writer = csv.writer(out, lineterminator="\n")
        self._writer.writerow([*about, *(f"{scale}.{field}" for scale, field in columns)])

    def write(self, about: Mapping[str, Any], scales: Mapping[str, ScaleResult] | None) -> None:
        """Write a row; a scale that it does not have is empty."""
        cells = [_text(about.get(name)) for name in self._about]
        if scales:
            cells += [_text(getattr(scales[scale], field)) if scale in scales else "" for scale, field in self._columns]
        else:
            cells += [""] * len(self._columns)
        self._writer.writerow(cells)


class NdjsonWriter:
    """Writes an object a line: what the row is about, and its scales under `scales` (null if it has no scores)."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def write(self, about: Mapping[str, Any], scales: Mapping[str, ScaleResult] | None) -> None:
        """Write a row."""
        self._out.write(msgspec.json.encode({name: _plain(value) for name, value in about.items()} | {"scales": scales}).decode() + "\n")


def scale_columns(scales: Iterable[tuple[str, bool]]) -> list[Column]:
    """Return the columns of scales, each given by its id and whether it has bands."""
    return [(scale, field) for scale, has_bands in scales for field in (*_FIELDS, *(("band",) if has_bands else ()))]


def _text(value: object) -> str:
    if value is None or value is msgspec.UNSET:
        return ""
    if isinstance(value, float):
        return shortest(value)
    return str(_plain(str(value)))


def _plain(value: Any) -> Any:
    """Replace what was not UTF-8 in the file, which cannot be written either."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and not value.isascii() else value
