"""Reads responses from a CSV file against a form: which column is what, and what each cell says. Called by `score` and `submit`.

Columns are item ids and, optionally, `key`, `participant`, `revision` and declared attributes. Other columns are ignored and named once;
a missing item column is refused. A cell that is blank or NA is a missing answer. The guard of `cell_guard` is undone in every cell.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from stanine.cli.cell_guard import unguard
from stanine.cli.exits import InvalidInputError
from stanine.cli.sheet import Row, RowFault, Sheet, is_text
from stanine.domain.index import IndexEntry
from stanine.domain.limits import MAX_ATTRIBUTE_TEXT, MAX_KEY, MAX_PARTICIPANT

#: The code of a missing answer; other codes are the option's index (as the domain packs answers).
MISSING = 255
#: What a cell of no value holds.
_NO_VALUE = frozenset({"", "NA"})
#: Cells remembered per item, so that a file of nonsense cannot fill the memory.
_REMEMBERED = 1_000
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,15}(\.0*)?", re.ASCII)


class ItemColumn(NamedTuple):
    """An item as a column: its id and its options' values in order."""

    id: str
    options: Sequence[int | float | str]


class AttributeColumn(NamedTuple):
    """A declared attribute as a column: its id, `Integer`, `Number` or `Text`, and the values it may take if they are listed."""

    id: str
    type: str
    values: Sequence[int | float | str]


class Form(NamedTuple):
    """What a file of responses is read against."""

    items: Sequence[ItemColumn]
    attributes: Sequence[AttributeColumn]


def form_of_entry(entry: IndexEntry) -> Form:
    """Return the form of an index entry."""
    items = [ItemColumn(item.id, [option.value for option in entry.option_sets[item.options]]) for item in entry.items]
    return Form(items, [AttributeColumn(each.id, each.type or "Text", each.values or ()) for each in entry.attributes])


def form_of_answer(form: Mapping[str, Any]) -> Form:
    """Return the form that the API describes (GET /v1/instruments/NAME/form)."""
    items = [ItemColumn(item["id"], [option["value"] for option in item["options"]]) for item in form["items"]]
    return Form(items, [AttributeColumn(each["id"], each.get("type") or "Text", each.get("values") or ()) for each in form["attributes"]])


class Response(NamedTuple):
    """A row as understood: `codes` has one byte an item; with a fault it is empty and only `number`, `line` and `key` stand.

    `key` is None where the row gives none.
    """

    number: int
    line: int
    key: str | None
    codes: bytes
    participant: str | None
    revision: int | None
    attributes: dict[str, int | float | str]
    fault: RowFault | None


class CellError(Exception):
    """A cell says nothing that the form knows."""


class Responses:
    """The responses in a sheet, read as they are asked for. `ignored` names the columns that mean nothing to the form.

    Raises InvalidInputError if the header lacks an item or names a column twice that is needed once.
    """

    def __init__(self, sheet: Sheet, form: Form) -> None:
        self._sheet = sheet
        named = {"key", "participant", "revision", *(attribute.id for attribute in form.attributes), *(item.id for item in form.items)}
        places: dict[str, int] = {}
        self.ignored: list[str] = []
        for place, title in enumerate(sheet.header):
            if title not in named:
                self.ignored.append(title if is_text(title) and title.strip() else f"(column {place + 1}, no name)")
            elif title in places:
                raise InvalidInputError(
                    f"{sheet.name}:1:{place + 1}: the column {title!r} is there twice, first as column {places[title] + 1}"
                )
            else:
                places[title] = place
        _refuse_missing(sheet, [item.id for item in form.items if item.id not in places])
        self._key, self._participant = places.get("key"), places.get("participant")
        self._items = [_Column(places[item.id], _Answers(item).read) for item in form.items]
        known = [(attribute.id, _Attribute(attribute).read) for attribute in form.attributes]
        self._about = [(name, _Column(places[name], read)) for name, read in [("revision", _read_revision), *known] if name in places]

    @property
    def has_keys(self) -> bool:
        """Whether there is a `key` column."""
        return self._key is not None

    def __iter__(self) -> Iterator[Response]:
        """Yield every row, faulty ones with their first fault."""
        items = [(column.known, column.place) for column in self._items]
        about = [(name, column.known, column.place) for name, column in self._about]
        for row in self._sheet.rows():
            cells, key = row.cells, self._key_of(row)
            if row.fault:
                yield Response(row.number, row.line, key, b"", None, None, {}, row.fault)
                continue
            try:  # the usual row: every cell was seen before
                codes = bytes([known[cells[place]] for known, place in items])
                attributes = {name: value for name, known, place in about if (value := known[cells[place]]) is not None}
            except KeyError:
                yield self._read(row, key)
                continue
            if self._participant is not None or (key is not None and not (len(key) <= MAX_KEY and key.isascii())):
                yield self._read(row, key)
            else:
                yield Response(row.number, row.line, key, codes, None, attributes.pop("revision", None), attributes, None)

    def _read(self, row: Row, key: str | None) -> Response:
        place = self._key or 0
        attributes: dict[str, Any] = {}
        participant = None
        try:
            _refuse_long(key, MAX_KEY)
            if self._participant is not None:
                place = self._participant
                text = unguard(row.cells[place].strip())
                participant = None if text in _NO_VALUE else text
                _refuse_long(participant, MAX_PARTICIPANT)
            for name, column in self._about:
                place = column.place
                value = column.read(row.cells[place])
                if value is not None:
                    attributes[name] = value
            codes = bytearray()
            for column in self._items:
                place = column.place
                codes.append(column.read(row.cells[place]))
        except CellError as error:
            fault = RowFault(row.line, place + 1, f"{self._sheet.header[place]}: {error}")
            return Response(row.number, row.line, key, b"", None, None, {}, fault)
        return Response(row.number, row.line, key, bytes(codes), participant, attributes.pop("revision", None), attributes, None)

    def _key_of(self, row: Row) -> str | None:
        if self._key is None or self._key >= len(row.cells):
            return None
        text = unguard(row.cells[self._key].strip())
        return None if text in _NO_VALUE else text


class _Column:
    """A column whose cells are read by a function; what was understood is remembered by the cell's text."""

    def __init__(self, place: int, understand: Callable[[str], Any]) -> None:
        self.place = place
        self._understand = understand
        self.known: dict[str, Any] = {}

    def read(self, cell: str) -> Any:
        if cell in self.known:
            return self.known[cell]
        value = self._understand(unguard(cell.strip()))
        if len(self.known) < _REMEMBERED:
            self.known[cell] = value
        return value


class _Answers:
    """How the cells of one item are read: by text, else by number. Returns the answer's code."""

    def __init__(self, item: ItemColumn) -> None:
        self._options = item.options
        self._texts = {option: code for code, option in enumerate(item.options) if isinstance(option, str)}
        self._numbers = {float(option): code for code, option in enumerate(item.options) if not isinstance(option, str)}

    def read(self, text: str) -> int:
        if text in _NO_VALUE:
            return MISSING
        code = self._texts.get(text)
        if code is None and _NUMBER.fullmatch(text):
            code = self._numbers.get(float(text))
        if code is None:
            _refuse_bytes(text)
            shown = ", ".join(str(option) for option in self._options[:12]) + (", …" if len(self._options) > 12 else "")
            raise CellError(f"not one of its options ({shown})")
        return code


def _refuse_missing(sheet: Sheet, missing: list[str]) -> None:
    if not missing:
        return
    shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
    lines = [f"{sheet.name}:1: there is no column for {shown}"]
    if len(sheet.header) == 1 and any(mark in sheet.header[0] for mark in ";\t"):
        lines.append("the header has one column only: columns must be separated by commas")
    raise InvalidInputError(*lines)


def _refuse_bytes(text: str) -> None:
    if not is_text(text):
        raise CellError("not UTF-8 text")


def _refuse_long(text: str | None, limit: int) -> None:
    if text is None:
        return
    _refuse_bytes(text)
    if len(text) > limit:
        raise CellError(f"longer than {limit} characters")


def _read_revision(text: str) -> int | None:
    if text in _NO_VALUE:
        return None
    if not _INTEGER.fullmatch(text) or float(text) < 1:
        raise CellError("not a revision (1, 2, …)")
    return int(float(text))


class _Attribute:
    """How the cells of an attribute are read: as one of its values, or by its type."""

    def __init__(self, attribute: AttributeColumn) -> None:
        self._attribute = attribute

    def read(self, text: str) -> int | float | str | None:
        if text in _NO_VALUE:
            return None
        _refuse_bytes(text)
        if self._attribute.values:
            return self._one_of(self._attribute.values, text)
        if self._attribute.type == "Text":
            _refuse_long(text, MAX_ATTRIBUTE_TEXT)
            return text
        if self._attribute.type == "Integer":
            if not _INTEGER.fullmatch(text):
                raise CellError("not a whole number")
            return int(float(text))
        if not _NUMBER.fullmatch(text):
            raise CellError("not a number")
        return float(text)

    def _one_of(self, values: Sequence[int | float | str], text: str) -> int | float | str:
        if text in values:
            return text
        for value in values:
            if not isinstance(value, str) and _NUMBER.fullmatch(text) and float(text) == value:
                return value
        raise CellError(f"not one of {', '.join(str(value) for value in values)}")
