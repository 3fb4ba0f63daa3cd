"""Columns and rows of exported attempts, and their writers by format. Used by `answers` and `results`."""

from collections.abc import Iterable, Sequence
from typing import IO, Any, NamedTuple, Protocol

import msgspec

from stanine.client.records import CodebookInfo, ExportedResultInfo, ListedAttemptInfo
from stanine.domain.scoring.result import ProfileResult, ScaleResult
from stanine.domain.tables.answer_columns import AnswerColumns, label_cells, labels_of
from stanine.domain.tables.attempt_columns import (
    ATTEMPT_COLUMNS,
    NOT_SHOWN_COLUMN,
    RESULT_COLUMNS,
    ColumnKind,
    score_kind,
)
from stanine.domain.tables.csv_lines import CsvLines
from stanine.domain.tables.score_columns import ScoreColumns
from stanine.domain.tables.variables import Variable

Value = float | str | bool | None
ExportedAttempt = ListedAttemptInfo | ExportedResultInfo


class TableColumn(NamedTuple):
    """A column: its name, what it contains, its label, and the variable that it is of."""

    name: str
    kind: ColumnKind
    label: str = ""
    variable: Variable | None = None


class TableWriter(Protocol):
    """Writes a table row by row."""

    def write(self, row: Sequence[Value]) -> None:
        """Write a row."""

    def close(self) -> None:
        """Complete the table."""


class CsvTable:
    """Writes a table as CSV."""

    def __init__(self, out: IO[str], columns: Sequence[TableColumn]) -> None:
        self._lines = CsvLines(out, [column.name for column in columns])

    def write(self, row: Sequence[Value]) -> None:
        """Write a row."""
        self._lines.write(row)

    def close(self) -> None:
        """Do nothing: a CSV has no footer."""


class AttemptTable:
    """The columns of an export and the rows of its attempts."""

    def __init__(
        self, codebook: CodebookInfo, parts: Iterable[str], scores: ScoreColumns | None
    ) -> None:
        """`scores`: the columns of results, if they are exported."""
        variables = msgspec.convert(msgspec.to_builtins(codebook.variables), list[Variable])
        parts = set(parts)
        self._answers = AnswerColumns(variables)
        self._kept = [
            place
            for place, each in enumerate(variables)
            if ("answers" if each.item else "attributes") in parts
        ]
        labels = labels_of(variables) if "labels" in parts else {}
        self._labels = [
            (place, labels[variables[place].name])
            for place in self._kept
            if variables[place].name in labels
        ]
        self._scores, self._has_answers = scores, "answers" in parts
        self.columns = [TableColumn(name, kind) for name, kind in ATTEMPT_COLUMNS.items()]
        self.columns += [
            TableColumn(
                variables[place].name,
                kind_of(variables[place]),
                variables[place].label,
                variables[place],
            )
            for place in self._kept
        ]
        self.columns += [
            TableColumn(f"{variables[place].name}.label", "Text") for place, _ in self._labels
        ]
        if self._has_answers:
            self.columns.append(TableColumn(NOT_SHOWN_COLUMN, "Text"))
        if scores is not None:
            self.columns += [TableColumn(name, kind) for name, kind in RESULT_COLUMNS.items()]
            self.columns += [
                TableColumn(name, score_kind(field))
                for name, (_, field) in zip(scores.names, scores.parts, strict=True)
            ]

    def row(self, attempt: ExportedAttempt) -> list[Value]:
        """Return the values of a row. Raises KeyError for a form that the codebook does not have."""
        values = self._answers.values(attempt.form, attempt.answers or {}, attempt.attributes or {})
        row: list[Value] = [
            attempt.key,
            attempt.attempt,
            attempt.participant,
            attempt.revision,
            attempt.state,
            attempt.submitted_at,
            attempt.language,
            attempt.seconds,
            *(values[place] for place in self._kept),
            *label_cells(values, self._labels),
        ]
        if self._has_answers:
            row.append(" ".join(attempt.not_shown) or None)
        if self._scores is not None:
            scales, profiles = scores_of(attempt)
            row += [attempt.scoring_revision, attempt.reason]
            row += self._scores.values(scales, profiles)
        return row


def scores_of(
    attempt: ExportedAttempt,
) -> tuple[dict[str, ScaleResult], dict[str, ProfileResult]]:
    """Return an attempt's scales and profiles as records of the domain."""
    return (
        msgspec.convert(msgspec.to_builtins(attempt.scales or {}), dict[str, ScaleResult]),
        msgspec.convert(msgspec.to_builtins(attempt.profiles or {}), dict[str, ProfileResult]),
    )


def kind_of(variable: Variable) -> ColumnKind:
    """Return what the column of a variable contains: numbers where all values are numbers."""
    match variable.type:
        case "Chosen" | "Place" | "Integer":
            return "Integer"
        case "Number" | "Date":
            return variable.type
        case "Choice":
            values: list[Any] = [each.value for each in variable.values]
            if all(isinstance(value, int) for value in values):
                return "Integer"
            if all(isinstance(value, int | float) for value in values):
                return "Number"
    return "Text"
