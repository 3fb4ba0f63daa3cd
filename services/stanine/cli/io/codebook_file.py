"""Writes the codebook of an export: a CSV with a line per variable and value. Used by `answers` and `results`."""

from typing import IO, Any

from stanine.cli.io.sav import SavVariable, sav_names
from stanine.cli.io.tables import TableColumn
from stanine.domain.tables.csv_lines import CsvLines

_HEADER = (
    "variable", "type", "label", "item", "option", "attribute", "unit", "value", "valueLabel", "missing",
    "spssVariable", "spssValue",
)  # fmt: skip


def write_codebook(out: IO[str], columns: list[TableColumn]) -> None:
    """Write the variables of a table with their values; `missing`: the value counts as a missing answer.

    `spssVariable` and `spssValue` are the name and the number of the same in a file made with `-o sav`.
    """
    lines = CsvLines(out, _HEADER)
    for column, name in zip(columns, sav_names([each.name for each in columns]), strict=True):
        variable = column.variable
        if variable is None:
            lines.write([column.name, column.kind, *[None] * 8, name, None])
            continue
        about: list[Any] = [
            variable.name,
            variable.type,
            variable.label,
            variable.item or None,
            variable.option,
            variable.attribute or None,
            variable.unit or None,
        ]
        coded = None if variable.type in ("Text", "Date") else SavVariable(variable)
        if not variable.values:
            lines.write([*about, None, None, None, name, None])
        for each in variable.values:
            number = None if coded is None else coded.number(each.value)
            lines.write([*about, each.value, each.label or None, each.missing, name, number])
        if coded is not None and coded.not_shown is not None:
            lines.write([*about, None, "not shown", True, name, coded.not_shown])
