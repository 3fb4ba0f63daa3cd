"""Packs the rows of a file into the kernel's input. Used by `score`, `reliability` and `norms`."""

from typing import Any

from stanine.cli.io.cell_parsers import MISSING
from stanine.cli.io.forms import Form
from stanine.cli.io.responses import Response, Responses
from stanine.cli.io.sheet import RowFault
from stanine.domain.attempts.response import Attempt, Packer
from stanine.domain.errors import InvalidAttempt
from stanine.domain.scoring.index import IndexEntry


class RowPacker:
    """Packs rows of a form with conditions or other item types than Choice."""

    def __init__(self, entry: IndexEntry, form: Form, rows: Responses) -> None:
        self._packer = Packer(entry)
        self._choices = [item for item in form.items if item.cells is None]
        self._columns = {item.id: rows.column_of(item.id) for item in form.items}

    def __call__(self, row: Response) -> Response:
        """Return a row with its packed answers, or with a fault."""
        if row.fault is not None:
            return row
        answers: dict[str, Any] = {
            item.id: item.options[code]
            for item, code in zip(self._choices, row.codes, strict=True)
            if code != MISSING
        }
        try:
            packed = self._packer.pack(
                Attempt({**answers, **row.answers}, attributes=row.attributes)
            )
        except InvalidAttempt as error:
            fault = error.faults[0]
            item = fault.place.rpartition("/")[2]
            return row._replace(
                codes=b"",
                fault=RowFault(row.line, self._columns.get(item, 1), f"{item}: {fault.detail}"),
            )
        return row._replace(codes=packed)
