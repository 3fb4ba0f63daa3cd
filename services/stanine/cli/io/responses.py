"""Parses responses from a CSV file by an instrument's form. Called by `score` and `submit`.

Columns are item ids and, optionally, `key`, `participant`, `revision`, `attempt.language` and declared attributes.
Other columns are ignored and reported once; a missing item column is an error. A cell that is blank or NA is a
missing answer. Every cell is unescaped by `cell_guard`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.cell_guard import unguard
from stanine.cli.io.other_formats import explain_one_column
from stanine.cli.io.sheet import Row, RowFault, Sheet, is_text
from stanine.domain.attempts.answer_codes import Answer
from stanine.domain.attempts.cells import ItemCells, form_of_public
from stanine.domain.attempts.explain import LANGUAGE
from stanine.domain.limits import MAX_ATTRIBUTE_TEXT, MAX_KEY, MAX_LANGUAGE, MAX_PARTICIPANT
from stanine.domain.scoring.index import IndexEntry, item_forms

#: Code of a missing answer; other codes are option indexes, as in the domain.
MISSING = 255
#: Texts of a cell without a value.
_NO_VALUE = frozenset({"", "NA"})
#: The column of the row's language.
_LANGUAGE = "attempt.language"
#: Maximum cached cells per item: bounds the memory for invalid files.
_REMEMBERED = 1_000
#: Columns listed in a message.
_NAMED = 10
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,15}(\.0*)?", re.ASCII)


class ItemColumn(NamedTuple):
    """Columns of an item: id and option values in order; `cells` parses all types but Choice."""

    id: str
    options: Sequence[int | float | str]
    column: str | None = None
    cells: ItemCells | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The column names."""
        return (self.column or self.id,) if self.cells is None else self.cells.columns


class AttributeColumn(NamedTuple):
    """Column of an attribute: id, `Integer`, `Number` or `Text`, and its values if listed."""

    id: str
    type: str
    values: Sequence[int | float | str]


class Form(NamedTuple):
    """The form by which responses are parsed."""

    items: Sequence[ItemColumn]
    attributes: Sequence[AttributeColumn]


def form_of_entry(entry: IndexEntry) -> Form:
    """Return the form of an index entry."""
    items = [
        ItemColumn(
            item.id,
            [option.value for option in entry.option_sets[item.options]],
            item.column,
            None if item.type == "Choice" else ItemCells(form, item.column),
        )
        for item, form in zip(entry.items, item_forms(entry), strict=True)
    ]
    return Form(
        items,
        [
            AttributeColumn(each.id, each.type or "Text", each.values or ())
            for each in entry.attributes
        ],
    )


def form_of_answer(form: Mapping[str, Any]) -> Form:
    """Return the form from the API's answer (GET /v1/instruments/NAME/form)."""
    items = [
        ItemColumn(
            item["id"],
            [option["value"] for option in item.get("options", ())],
            item.get("column"),
            None
            if item["type"] == "Choice"
            else ItemCells(form_of_public(item), item.get("column")),
        )
        for item in form["items"]
    ]
    return Form(
        items,
        [
            AttributeColumn(each["id"], each.get("type") or "Text", each.get("values") or ())
            for each in form["attributes"]
        ],
    )


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


class CellError(Exception):
    """A cell is invalid."""


class Responses:
    """The responses of a sheet, read lazily. `ignored` has the names of unknown columns.

    Raises InvalidInputError if the header lacks an item or repeats a column.
    """

    def __init__(self, sheet: Sheet, form: Form) -> None:
        self._sheet = sheet
        named = {
            "key",
            "participant",
            "revision",
            _LANGUAGE,
            *(attribute.id for attribute in form.attributes),
            *_columns(form),
        }
        places: dict[str, int] = {}
        self.ignored: list[str] = []
        absent = {plain: name for name in named.difference(sheet.header) if (plain := _plain(name))}
        for place, title in enumerate(sheet.header):
            if title not in named:
                self.ignored.append(_describe(title, place, absent))
            elif title in places:
                raise InvalidInputError(
                    f"{sheet.name}:1:{place + 1}: duplicate column {title!r}, first at column {places[title] + 1}"
                )
            else:
                places[title] = place
        self._places = places
        _refuse_missing(
            sheet, [column for column in _columns(form) if column not in places], absent
        )
        self._key, self._participant = places.get("key"), places.get("participant")
        self._items = [
            _Column(places[item.columns[0]], _Answers(item).read)
            for item in form.items
            if item.cells is None
        ]
        #: Items of other types than Choice, with the positions of their columns.
        self._others = [
            (item.id, item.cells, [places[column] for column in item.columns])
            for item in form.items
            if item.cells is not None
        ]
        known = [(attribute.id, _Attribute(attribute).read) for attribute in form.attributes]
        self._about = [
            (name, _Column(places[name], read))
            for name, read in [("revision", _read_revision), (_LANGUAGE, _read_language), *known]
            if name in places
        ]

    @property
    def has_keys(self) -> bool:
        """Whether the sheet has a `key` column."""
        return self._key is not None

    @property
    def key_column(self) -> int:
        """The number of the `key` column, from 1; 0: no such column."""
        return 0 if self._key is None else self._key + 1

    def column_of(self, title: str) -> int:
        """Return the number of a column of the form, from 1."""
        return self._places[title] + 1

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
                language = attributes.pop(_LANGUAGE, None)
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
            answers: dict[str, Answer] = {}
            for name, cells, places in self._others:
                place = places[0]
                answer = _read_cells(cells, [row.cells[at] for at in places])
                if answer is not None:
                    answers[name] = answer
        except CellError as error:
            fault = RowFault(row.line, place + 1, f"{self._sheet.header[place]}: {error}")
            return Response(row.number, row.line, key, b"", None, None, {}, fault)
        revision = attributes.pop("revision", None)
        language = attributes.pop(_LANGUAGE, None)
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
        return None if text in _NO_VALUE else text


def _columns(form: Form) -> list[str]:
    return [column for item in form.items for column in item.columns]


def _read_cells(cells: ItemCells, texts: Sequence[str]) -> Answer | None:
    for text in texts:
        _refuse_bytes(text)
    try:
        return cells.read([unguard(text.strip()) for text in texts])
    except ValueError as error:
        raise CellError(str(error)) from None


class _Column:
    """A column and its parser; results are cached by cell text."""

    def __init__(self, place: int, parse: Callable[[str], Any]) -> None:
        self.place = place
        self._parse = parse
        self.known: dict[str, Any] = {}

    def read(self, cell: str) -> Any:
        if cell in self.known:
            return self.known[cell]
        value = self._parse(unguard(cell.strip()))
        if len(self.known) < _REMEMBERED:
            self.known[cell] = value
        return value


class _Answers:
    """Parser for the cells of one item, by text or by number. Returns the answer's code."""

    def __init__(self, item: ItemColumn) -> None:
        self._options = item.options
        self._texts = {
            option: code for code, option in enumerate(item.options) if isinstance(option, str)
        }
        self._numbers = {
            float(option): code
            for code, option in enumerate(item.options)
            if not isinstance(option, str)
        }

    def read(self, text: str) -> int:
        if text in _NO_VALUE:
            return MISSING
        code = self._texts.get(text)
        if code is None and _NUMBER.fullmatch(text):
            code = self._numbers.get(float(text))
        if code is None:
            _refuse_bytes(text)
            shown = ", ".join(str(option) for option in self._options[:12]) + (
                ", …" if len(self._options) > 12 else ""
            )
            raise CellError(f"not one of its options ({shown})")
        return code


def _is_blank(cells: Sequence[str]) -> bool:
    return bool(cells) and not any(cell.strip() for cell in cells)


def _describe(title: str, place: int, absent: Mapping[str, str]) -> str:
    """Return a label for an unknown column, with the missing column that it resembles."""
    if not (is_text(title) and title.strip()):
        return f"(column {place + 1}, no name)"
    meant = absent.get(_plain(title))
    return f"{title!r} (is it {meant}?)" if meant else title


def _plain(name: str) -> str:
    """Return a name without case, spaces and punctuation, for fuzzy comparison."""
    return "".join(character for character in name.casefold() if character.isalnum())


def _refuse_missing(sheet: Sheet, missing: list[str], absent: Mapping[str, str]) -> None:
    if not missing:
        return
    shown = ", ".join(missing[:_NAMED]) + (
        f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    )
    lines = [f"{sheet.name}:1: missing column for {shown}"]
    close = [(title, meant) for title in sheet.header if (meant := absent.get(_plain(title)))]
    if close:
        pairs = ", ".join(f"{title!r} is probably {meant}" for title, meant in close[:_NAMED])
        lines.append(f"column names must match exactly, including case and spaces: {pairs}")
    elif len(sheet.header) == 1:
        lines.append(explain_one_column(sheet.header[0]))
    raise InvalidInputError(*(line for line in lines if line))


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


def _read_language(text: str) -> str | None:
    if text in _NO_VALUE:
        return None
    if len(text) > MAX_LANGUAGE or not re.fullmatch(LANGUAGE, text, re.ASCII):
        raise CellError('not a language tag such as "en" or "pt-BR"')
    return text


class _Attribute:
    """Parser for the cells of an attribute, by its values or its type."""

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
