"""Parses responses from a CSV file by an instrument's form. Called by `response_file`.

Columns are item ids and, optionally, `key`, `participant`, `revision`, `attempt.language` and declared attributes, or have
the names that `locating` finds. Other columns are ignored and reported once; a missing item column is an error. A cell
that is blank or NA is a missing answer. Every cell is unescaped by `cell_guard`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from stanine.cli.io.cell_parsers import MISSING, refuse_long
from stanine.cli.io.cell_rules import NO_VALUE, CellError
from stanine.cli.io.column_parsers import ColumnParsers
from stanine.cli.io.file_options import DEFAULTS, FileOptions
from stanine.cli.io.forms import Form
from stanine.cli.io.locating import LANGUAGE_COLUMN, locate_columns
from stanine.cli.io.sheet import Row, RowFault, Sheet
from stanine.domain.attempts.answer_codes import Answer
from stanine.domain.limits import MAX_KEY, MAX_PARTICIPANT
from stanine.domain.tables.cell_guard import unguard


class Response(NamedTuple):
    """A parsed row; with a fault only `number`, `line` and `key` are set.

    `codes` has one byte per Choice, in the order of the form; `answers` has the answers to other items. `key` is
    None if the row has none. `is_blank`: all its cells are blank.
    """

    number: int
    line: int
    key: str | None
    codes: bytes
    participant: str | None
    revision: int | None
    attributes: dict[str, int | float | str]
    fault: RowFault | None
    is_blank: bool = False
    answers: Mapping[str, Answer] = {}
    language: str | None = None

    @property
    def has_answers(self) -> bool:
        """Whether any item is answered."""
        return self.codes.count(MISSING) < len(self.codes) or bool(self.answers)


class Responses:
    """The responses of a sheet, read lazily. `ignored` has the names of unknown columns.

    Raises InvalidInputError if the header lacks an item or repeats a column.
    """

    def __init__(self, sheet: Sheet, form: Form, options: FileOptions = DEFAULTS) -> None:
        """`options`: those that concern columns and cells; an empty decimal mark is a point."""
        self._sheet = sheet
        self._columns = columns = locate_columns(sheet, form, options)
        self.ignored, self.notes = columns.ignored, columns.notes
        self._key, self._participant = (
            columns.others.get("key"),
            columns.others.get("participant"),
        )
        parsers = ColumnParsers(form, columns, options)
        self._items = [parsers.choice(item) for item in form.items if item.cells is None]
        #: Items of other types than Choice.
        self._others = [parsers.group(item) for item in form.items if item.cells is not None]
        self._about = list(parsers.about())

    @property
    def has_keys(self) -> bool:
        """Whether the sheet has a `key` column."""
        return self._key is not None

    @property
    def key_column(self) -> int:
        """The number of the `key` column, from 1; 0: no such column."""
        return 0 if self._key is None else self._key + 1

    def column_of(self, name: str) -> int:
        """Return the number of the first column of an item or attribute, from 1; 0: no such column."""
        places = self._columns.places.get(name)
        return (places[0] if places else self._columns.others.get(name, -1)) + 1

    def read_keys(self) -> Iterator[tuple[int, int, str | None]]:
        """Yield number, line and key (or None) of every row without parsing other cells."""
        for row in self._sheet.rows():
            yield row.number, row.line, self._key_of(row)

    def __iter__(self) -> Iterator[Response]:
        """Yield every row; invalid rows have their first fault."""
        items = [(column.known, column.place) for column in self._items]
        about = [(name, column.known, column.place) for name, column in self._about]
        for row in self._sheet.rows():
            cells, key = row.cells, self._key_of(row)
            if row.fault:
                yield Response(
                    row.number,
                    row.line,
                    key,
                    b"",
                    None,
                    None,
                    {},
                    row.fault,
                    is_blank=_is_blank(cells),
                )
                continue
            if self._others:
                yield self._read(row, key)
                continue
            try:  # fast path: all cells are cached
                codes = bytes([known[cells[place]] for known, place in items])
                attributes = {
                    name: value
                    for name, known, place in about
                    if (value := known[cells[place]]) is not None
                }
            except KeyError:
                yield self._read(row, key)
                continue
            if self._participant is not None or (
                key is not None and not (len(key) <= MAX_KEY and key.isascii())
            ):
                yield self._read(row, key)
            else:
                blank = codes.count(MISSING) == len(codes) and _is_blank(cells)
                language = attributes.pop(LANGUAGE_COLUMN, None)
                yield Response(
                    row.number,
                    row.line,
                    key,
                    codes,
                    None,
                    attributes.pop("revision", None),
                    attributes,
                    None,
                    blank,
                    language=language,
                )

    def _read(self, row: Row, key: str | None) -> Response:
        place = self._key or 0
        attributes: dict[str, Any] = {}
        participant = None
        try:
            refuse_long(key, MAX_KEY)
            if self._participant is not None:
                place = self._participant
                text = unguard(row.cells[place].strip())
                participant = None if text in NO_VALUE else text
                refuse_long(participant, MAX_PARTICIPANT)
            for name, column in self._about:
                place = column.place
                value = column.read(row.cells[place])
                if value is not None:
                    attributes[name] = value
            codes = bytearray()
            for column in self._items:
                place = column.place
                codes.append(column.read(row.cells[place]))
            answers: dict[str, Answer] = {}
            for group in self._others:
                place = group.places[0]
                answer = group.read(row.cells)
                if answer is not None:
                    answers[group.id] = answer
        except CellError as error:
            fault = RowFault(row.line, place + 1, f"{self._sheet.header[place]}: {error}")
            return Response(row.number, row.line, key, b"", None, None, {}, fault)
        revision = attributes.pop("revision", None)
        language = attributes.pop(LANGUAGE_COLUMN, None)
        return Response(
            row.number,
            row.line,
            key,
            bytes(codes),
            participant,
            revision,
            attributes,
            None,
            _is_blank(row.cells),
            answers,
            language,
        )

    def _key_of(self, row: Row) -> str | None:
        if self._key is None or self._key >= len(row.cells):
            return None
        text = unguard(row.cells[self._key].strip())
        return None if text in NO_VALUE else text


def _is_blank(cells: Sequence[str]) -> bool:
    return bool(cells) and not any(cell.strip() for cell in cells)
