"""Writes rows of scores as CSV or NDJSON. Used by `score` and `results`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, Protocol

import msgspec

from stanine.domain.scoring.result import ProfileResult, ScaleResult
from stanine.domain.tables.csv_lines import CsvLines
from stanine.domain.tables.score_columns import ScoreColumns


class RowWriter(Protocol):
    """Writes rows of scores."""

    def write(
        self,
        about: Mapping[str, Any],
        scales: Mapping[str, ScaleResult] | None,
        profiles: Mapping[str, ProfileResult] = {},
    ) -> None:
        """Write a row: its identifying columns, its scales (None: no scores) and its profiles."""


class CsvWriter:
    """Writes CSV with a header, as `CsvLines` does."""

    def __init__(
        self,
        out: IO[str],
        about: Sequence[str],
        scales: Iterable[tuple[str, Sequence[str]]],
        profiles: Sequence[str] = (),
    ) -> None:
        """`scales`: scale ids in order, each with its fields; `profiles`: profile ids."""
        self._about, self._columns = about, ScoreColumns(scales, profiles)
        self._lines = CsvLines(out, [*about, *self._columns.names])

    def write(
        self,
        about: Mapping[str, Any],
        scales: Mapping[str, ScaleResult] | None,
        profiles: Mapping[str, ProfileResult] = {},
    ) -> None:
        """Write a row; missing scales and profiles are empty."""
        own = [_plain(about.get(name)) for name in self._about]
        self._lines.write([*own, *self._columns.values(scales, profiles)])

    def close(self) -> None:
        """Do nothing: a CSV has no footer."""


class NdjsonWriter:
    """Writes one JSON object per line; `scales` is null without scores."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def write(
        self,
        about: Mapping[str, Any],
        scales: Mapping[str, ScaleResult] | None,
        profiles: Mapping[str, ProfileResult] = {},
    ) -> None:
        """Write a row."""
        row = {name: _plain(value) for name, value in about.items()} | {"scales": scales}
        if profiles:
            row["profiles"] = profiles
        self._out.write(msgspec.json.encode(row).decode() + "\n")


def _plain(value: Any) -> Any:
    """Replace characters that were not valid UTF-8 in the input."""
    return (
        value.encode("utf-8", "replace").decode()
        if isinstance(value, str) and not value.isascii()
        else value
    )
