"""Writes results to tables with typed columns: Parquet or SPSS. Used by `results`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from stanine.cli.io.tables import TableColumn, TableWriter
from stanine.domain.scoring.result import ProfileResult, ScaleResult
from stanine.domain.tables.attempt_columns import score_kind
from stanine.domain.tables.score_columns import ScoreColumns

#: Integer columns of a result; its other columns are texts.
_WHOLE = frozenset({"revision", "scoringRevision"})


class ResultTable:
    """Writes rows of results, with the columns of the CSV, to a table with typed columns."""

    def __init__(
        self,
        make_table: Callable[[Sequence[TableColumn]], TableWriter],
        about: Sequence[str],
        scales: Iterable[tuple[str, Sequence[str]]],
        profiles: Sequence[str] = (),
    ) -> None:
        """`make_table`: from the columns; `scales`: ids in order, each with its fields; `profiles`: profile ids."""
        self._about, self._scores = about, ScoreColumns(scales, profiles)
        columns = [TableColumn(name, "Integer" if name in _WHOLE else "Text") for name in about]
        columns += [
            TableColumn(name, score_kind(field))
            for name, (_, field) in zip(self._scores.names, self._scores.parts, strict=True)
        ]
        self._table = make_table(columns)

    def write(
        self,
        about: Mapping[str, Any],
        scales: Mapping[str, ScaleResult] | None,
        profiles: Mapping[str, ProfileResult] = {},
    ) -> None:
        """Write a row; missing scales and profiles are null."""
        own = [about.get(name) for name in self._about]
        self._table.write([*own, *self._scores.values(scales, profiles)])

    def close(self) -> None:
        """Complete the file."""
        self._table.close()
