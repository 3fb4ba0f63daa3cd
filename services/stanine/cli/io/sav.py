"""Writes tables as SPSS files (.sav), with labels and missing codes. Used by `answers` and `results`. Needs `spss`.

The format has the number of rows and the widths of texts before the data, so the whole table is held in memory.

Numbers stay numbers. A Choice with texts gets the numbers 1, 2, … in the order of its options, labelled. Where an item was
not shown, and a missing option that is a text has a negative code that is declared as missing.
"""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from stanine.cli.exits import CliError
from stanine.cli.io.parquet import typed
from stanine.cli.io.tables import TableColumn, Value
from stanine.domain.tables.attempt_columns import NOT_SHOWN_COLUMN
from stanine.domain.tables.variables import Variable

#: The first code for what was not shown; further codes are below it. Lower if a number can have it.
FIRST_CODE = -997
#: Missing values that SPSS declares one by one; more are a range.
_MAX_DISCRETE = 3
#: Bytes of a name and of a value's label.
_MAX_NAME, _MAX_LABEL = 64, 120
#: Words of the SPSS language, which name no variable.
_RESERVED = frozenset(
    ["all", "and", "by", "eq", "ge", "gt", "le", "lt", "ne", "not", "or", "to", "with"]
)
_NO_NAME = re.compile(r"[^A-Za-z0-9._$#@]")


class SavVariable:
    """The numbers of a variable in the file: by value, that of `not shown`, the labels, and those that are missing."""

    def __init__(self, variable: Variable) -> None:
        numeric = all(
            isinstance(each.value, int | float) for each in variable.values if not each.missing
        )
        lowest = min(
            [0.0, variable.min or 0.0]
            + [each.value for each in variable.values if not isinstance(each.value, str)]
        )
        code = FIRST_CODE if lowest > FIRST_CODE else int(lowest) + FIRST_CODE
        self.not_shown: float | None = float(code) if variable.item else None
        # Missing values beyond three are a range, which must not contain valid values: then all get codes.
        recoded = sum(each.missing for each in variable.values) >= _MAX_DISCRETE
        self.codes: dict[Any, float] = {}
        self.labels: dict[float, str] = {}
        self.missing: list[float] = []
        for place, each in enumerate(variable.values, start=1):
            if each.missing and (recoded or isinstance(each.value, str)):
                code -= 1
                number = float(code)
            else:
                number = (
                    float(each.value)
                    if numeric and not isinstance(each.value, str)
                    else float(place)
                )
            self.codes[each.value] = number
            self.labels[number] = (each.label or str(each.value))[:_MAX_LABEL]
            if each.missing:
                self.missing.append(number)
        if self.not_shown is not None:
            self.labels[self.not_shown] = "not shown"
            self.missing.append(self.not_shown)

    @property
    def ranges(self) -> list[Any]:
        """The missing values as SPSS declares them."""
        if len(self.missing) <= _MAX_DISCRETE:
            return self.missing
        return [{"lo": min(self.missing), "hi": max(self.missing)}]

    def number(self, value: Value) -> float | None:
        """Return the number of a value."""
        if value is None:
            return None
        return self.codes.get(value, None if isinstance(value, str) else float(value))


class SavTable:
    """Collects rows; `close` writes the file."""

    def __init__(self, out: IO[bytes], columns: Sequence[TableColumn], title: str) -> None:
        """Raise CliError if pyreadstat is not installed."""
        try:
            import pandas  # noqa: PLC0415 - an optional package, and a slow one to load
            import pyreadstat  # noqa: PLC0415
        except ImportError:
            raise CliError(
                "-o sav needs pyreadstat and pandas, which are not installed: pip install 'stanine[spss]'"
            ) from None
        self._pandas: Any = pandas
        self._pyreadstat: Any = pyreadstat
        self._out, self._columns, self._title = out, columns, title
        self._names = sav_names([column.name for column in columns])
        self._coded = [_coded(column) for column in columns]
        self._values: list[list[Any]] = [[] for _ in columns]
        self._hidden_at = next(
            (place for place, each in enumerate(columns) if each.name == NOT_SHOWN_COLUMN), None
        )

    def write(self, row: Sequence[Value]) -> None:
        """Add a row."""
        hidden = (
            set(str(row[self._hidden_at] or "").split()) if self._hidden_at is not None else set()
        )
        for column, coded, values, value in zip(
            self._columns, self._coded, self._values, row, strict=True
        ):
            if coded is None:
                values.append(_plain(column, value))
            elif value is None and column.variable is not None and column.variable.item in hidden:
                values.append(coded.not_shown)
            else:
                values.append(coded.number(value))

    def close(self) -> None:
        """Write the file."""
        frame = self._pandas.DataFrame(
            {
                name: self._pandas.Series(
                    values, dtype=_DTYPES.get(column.kind, object) if coded is None else float
                )
                for name, column, coded, values in zip(
                    self._names, self._columns, self._coded, self._values, strict=True
                )
            }
        )
        coded_columns = {
            name: coded for name, coded in zip(self._names, self._coded, strict=True) if coded
        }
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "table.sav"
            self._pyreadstat.write_sav(
                frame,
                str(file),
                file_label=self._title[:64],
                column_labels={
                    name: column.label or column.name
                    for name, column in zip(self._names, self._columns, strict=True)
                },
                variable_value_labels={
                    name: coded.labels for name, coded in coded_columns.items() if coded.labels
                },
                missing_ranges={
                    name: coded.ranges for name, coded in coded_columns.items() if coded.missing
                },
                variable_measure={
                    name: _measure(column)
                    for name, column in zip(self._names, self._columns, strict=True)
                    if column.variable is not None
                },
                row_compress=True,
            )
            with file.open("rb") as written:
                while part := written.read(1 << 20):
                    self._out.write(part)


_DTYPES = {"Number": float, "Integer": float, "Boolean": float, "Time": "datetime64[ms]"}


def sav_names(names: Sequence[str]) -> list[str]:
    """Return names that SPSS accepts, each different from the others without regard to case."""
    found: list[str] = []
    known: set[str] = set()
    for name in names:
        plain = _NO_NAME.sub("_", name).rstrip(".")
        if not plain[:1].isalpha() or plain.lower() in _RESERVED:
            plain = f"v_{plain}"
        plain = base = plain[:_MAX_NAME].rstrip(".")
        number = 2
        while plain.lower() in known:
            plain = f"{base[: _MAX_NAME - 5]}_{number}"
            number += 1
        known.add(plain.lower())
        found.append(plain)
    return found


def _coded(column: TableColumn) -> SavVariable | None:
    variable = column.variable
    if variable is None or variable.type in ("Text", "Date"):
        return None
    return SavVariable(variable)


def _measure(column: TableColumn) -> str:
    assert column.variable is not None
    return {"Number": "scale", "Integer": "scale", "Place": "ordinal"}.get(
        column.variable.type, "nominal"
    )


def _plain(column: TableColumn, value: Value) -> Any:
    if column.kind == "Time" and value is not None:
        return typed(column, value).replace(tzinfo=None)
    if column.kind in ("Number", "Integer", "Boolean"):
        return None if value is None else float(value)
    return typed(column, value)
