"""Writes tables as Parquet. Used by `results` and `answers`. Needs the extra `parquet` (pyarrow)."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import IO, Any

from stanine.cli.exits import CliError
from stanine.cli.io.tables import TableColumn, Value

#: Rows per row group, which is buffered in memory.
ROW_GROUP = 10_000


class ParquetTable:
    """Writes rows; `close` completes the file. A missing value is null. A column's label is in its metadata."""

    def __init__(self, out: IO[bytes], columns: Sequence[TableColumn]) -> None:
        """Raise CliError if pyarrow is not installed."""
        try:
            import pyarrow  # noqa: PLC0415 - an optional package, and a slow one to load
            import pyarrow.parquet  # noqa: PLC0415
        except ImportError:
            raise CliError(
                "-o parquet needs pyarrow, which is not installed: pip install 'stanine[parquet]'"
            ) from None
        kinds = {
            "Text": pyarrow.string(),
            "Integer": pyarrow.int64(),
            "Number": pyarrow.float64(),
            "Boolean": pyarrow.bool_(),
            "Date": pyarrow.date32(),
            "Time": pyarrow.timestamp("ms", tz="UTC"),
        }
        self._pyarrow: Any = pyarrow
        self._columns = columns
        self._schema = pyarrow.schema(
            [
                pyarrow.field(
                    column.name,
                    kinds[column.kind],
                    metadata={"label": column.label} if column.label else None,
                )
                for column in columns
            ]
        )
        self._rows: list[Sequence[Value]] = []
        self._writer: Any = pyarrow.parquet.ParquetWriter(out, self._schema)

    def write(self, row: Sequence[Value]) -> None:
        """Write a row."""
        self._rows.append(row)
        if len(self._rows) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write the remaining rows and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            arrays = [
                self._pyarrow.array([typed(column, value) for value in values], field.type)
                for column, field, values in zip(
                    self._columns, self._schema, zip(*self._rows, strict=True), strict=True
                )
            ]
            self._writer.write_table(self._pyarrow.Table.from_arrays(arrays, schema=self._schema))
            self._rows = []


def typed(column: TableColumn, value: Value) -> Any:
    """Return a value as the type of its column: dates and times parsed, values of a text column as texts."""
    if value is None:
        return None
    match column.kind:
        case "Date":
            return date.fromisoformat(str(value))
        case "Time":
            return datetime.fromisoformat(str(value)).astimezone(UTC)
        case "Text":
            return str(value)
    return value
