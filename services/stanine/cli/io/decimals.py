"""Detects the decimal mark of a file of responses. Called by `response_file`.

Only cells of the form's numeric columns are looked at. A file with both marks is refused; a cell with the other mark
after the rows that were looked at is a fault of its row.
"""

from collections.abc import Iterator
from itertools import islice

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.cell_rules import COMMA_NUMBER, NUMBER
from stanine.cli.io.column_map import ColumnSettings
from stanine.cli.io.file_options import FileOptions
from stanine.cli.io.forms import Form
from stanine.cli.io.locating import Columns
from stanine.cli.io.sheet import Sheet
from stanine.domain.tables.cell_guard import unguard

#: Rows that are looked at.
_ROWS = 2_000


def detect_decimal(sheet: Sheet, form: Form, columns: Columns, options: FileOptions) -> str:
    """Return the decimal mark: a comma if numeric columns have only such numbers, else a point.

    Raises InvalidInputError if they have both.
    """
    if options.decimal:
        return options.decimal
    seen: dict[str, str] = {}
    places = list(_numeric(form, columns, options))
    for row in islice(sheet.rows(), _ROWS):
        for place in places:
            text = unguard(row.cells[place].strip()) if place < len(row.cells) else ""
            if not text or text.isdecimal() or text in options.missing:
                continue
            mark = "," if COMMA_NUMBER.fullmatch(text) else "." if _has_point(text) else ""
            if mark:
                seen.setdefault(mark, f"{row.line}:{place + 1}")
        if len(seen) > 1:
            raise InvalidInputError(
                f"{sheet.name}:{seen[',']}: a decimal comma, but {seen['.']} has a decimal point: --decimal says which one is meant"
            )
    return "," if "," in seen else "."


def _has_point(text: str) -> bool:
    return "." in text and NUMBER.fullmatch(text) is not None


def _numeric(form: Form, columns: Columns, options: FileOptions) -> Iterator[int]:
    """Yield the places of columns whose cells are numbers as the document has them."""
    for item in form.items:
        settings = options.columns.get(item.id, ColumnSettings())
        kind = "Choice" if item.cells is None else item.cells.form.type
        texts = any(isinstance(option, str) for option in item.options) or options.labels
        if not settings.values and (kind == "Number" or (kind == "Choice" and not texts)):
            yield columns.places[item.id][0]
    for attribute in form.attributes:
        settings = options.columns.get(attribute.id, ColumnSettings())
        numbers = attribute.type in ("Integer", "Number") and not (
            any(isinstance(value, str) for value in attribute.values)
        )
        if attribute.id in columns.others and numbers and not settings.values:
            yield columns.others[attribute.id]
