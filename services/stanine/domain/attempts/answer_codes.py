"""Encoding of answers: each item's cell in an attempt's row of bytes.

Used by `packing`, `scoring` and the checks. Every item has a cell of fixed width, so a batch of attempts is one matrix.
A one-byte cell holds the code of the answer: the index of an option, of a number on its grid, of a choice, of an order.
The other cells:

    Real    an IEEE double, big-endian            Bits    0, then one bit per option, the first in the lowest
    Order   the indices of the options by rank    Date    days, 1 for 0001-01-01, in three bytes
    Text    0; the text follows the row           none    the reason for no answer: the last byte of Real and Date,
                                                          else the first

Reasons for no answer: omitted, not shown, declined (reserved).
"""

import datetime
import functools
import math
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from stanine.domain import limits
from stanine.domain.instruments import choices
from stanine.domain.instruments.decoding import quote, several
from stanine.domain.instruments.item_forms import Grid, ItemForm, grid_of
from stanine.domain.instruments.records import Value

#: Codes of cells without an answer: omitted (skipped or absent), not shown, declined (reserved).
OMITTED, NOT_SHOWN, DECLINED = 255, 254, 253

Answer = int | float | str | list[Value]

_REAL = struct.Struct(">d")
_REAL_BYTES, _DATE_BYTES = 8, 3
_LAST_DAY = datetime.date.max.toordinal()
#: Maximum of values that an error lists.
_LISTED = 12


class Cell(msgspec.Struct, frozen=True, array_like=True):
    """The position of an item's cell in a row, and its valid values.

    These are a code below `count`, or a double from `low` to `high`.
    """

    kind: Literal["Code", "Real", "Bits", "Order", "Date", "Text"]
    offset: int
    width: int
    count: int = 0
    low: float = 0.0
    high: float = 0.0


def cells_of(forms: Iterable[ItemForm]) -> tuple[Cell, ...]:
    """Return the cells of the items of a form, adjacent and in order."""
    cells: list[Cell] = []
    offset = 0
    for form in forms:
        cells.append(_cell(form, offset))
        offset += cells[-1].width
    return tuple(cells)


def _cell(form: ItemForm, offset: int) -> Cell:
    count = len(form.options)
    match form.type:
        case "Choice":
            return Cell("Code", offset, 1, count)
        case "Number":
            grid = grid_of(form)
            if grid is not None and grid.count <= limits.MAX_CODES_OF_BYTE:
                return Cell("Code", offset, 1, grid.count)
            return Cell("Real", offset, _REAL_BYTES, 0, form.low, form.high)
        case "Multiple":
            return (
                Cell("Code", offset, 1, 1 << count)
                if choices.is_coded(form)
                else Cell("Bits", offset, 1 + (count + 7) // 8, count)
            )
        case "Ranking":
            return (
                Cell("Code", offset, 1, math.factorial(count))
                if choices.is_coded(form)
                else Cell("Order", offset, count, count)
            )
        case "Date":
            return Cell("Date", offset, _DATE_BYTES)
        case "Text":
            return Cell("Text", offset, 1, 1)


def columns_of(form: ItemForm, column: str | None) -> tuple[str, ...]:
    """Return an item's columns in a response file: one, or one per option of a Multiple or Ranking."""
    name = column if column is not None else form.id
    if form.type in ("Multiple", "Ranking"):
        return tuple(f"{name}.{option.value}" for option in form.options)
    return (name,)


class AnswerCoder:
    """Encoder and decoder of the answers to one item."""

    def __init__(self, form: ItemForm, cell: Cell) -> None:
        self.form, self.cell = form, cell
        self._places: dict[Any, int] = {
            option.value: place for place, option in enumerate(form.options)
        }
        self._grid: Grid | None = grid_of(form) if form.type == "Number" else None
        if self._grid is not None and cell.kind == "Code":
            # Fast path: find the number without arithmetic.
            self._places = {
                _settled(self._grid.value(index)): index for index in range(self._grid.count)
            }
        self._orders = (
            {order: number for number, order in enumerate(choices.orders(len(form.options)))}
            if self._is_coded_order
            else {}
        )

    @property
    def _is_coded_order(self) -> bool:
        return self.form.type == "Ranking" and self.cell.kind == "Code"

    def encode(self, answer: Any) -> bytes:
        """Return the bytes of an answer. Raises ValueError; the message never quotes the answer."""
        match self.form.type:
            case "Choice":
                return bytes([self._place(answer)])
            case "Number":
                return self._encode_number(answer)
            case "Multiple":
                return self._encode_choice(self._chosen(answer))
            case "Ranking":
                return self._encode_order(self._chosen(answer))
            case "Date":
                return _encode_date(answer)
        return self._encode_text(answer)

    def blank(self, code: int) -> bytes:
        """Return the bytes of a cell without an answer."""
        match self.cell.kind:
            case "Real" | "Date":
                return b"\xff" * (self.cell.width - 1) + bytes([code])
            case _:
                return bytes([code]).ljust(self.cell.width, b"\x00")

    def decode(self, row: bytes) -> tuple[Answer | None, int]:
        """Return the answer in a row and 0, or None and the reason code.

        Of a text only its presence is returned. Raises ValueError if the bytes cannot belong to this form.
        """
        cell = self.cell
        data = row[cell.offset : cell.offset + cell.width]
        code = data[-1] if cell.kind in ("Real", "Date") else data[0]
        if cell.kind in ("Real", "Date"):
            if data[:-1] == b"\xff" * (cell.width - 1):
                return None, _reason(code, self.form)
        elif code >= DECLINED:
            return None, code
        if cell.kind == "Code" and code >= cell.count:
            raise ValueError(f"the item {self.form.id} has no answer {code}")
        return self._decode(data, code), 0

    def _decode(self, data: bytes, code: int) -> Answer:
        match self.cell.kind:
            case "Real":
                return _settled(_REAL.unpack(data)[0])
            case "Date":
                day = int.from_bytes(data, "big")
                if not 1 <= day <= _LAST_DAY:
                    raise ValueError(f"the item {self.form.id} holds no date")
                return datetime.date.fromordinal(day).isoformat()
            case "Text":
                return ""
            case "Bits":
                return self._values(choices.choice_of_mask(int.from_bytes(data[1:], "little")))
            case "Order":
                return self._values(data)
        match self.form.type:
            case "Choice":
                return self.form.options[code].value
            case "Number":
                assert self._grid is not None
                return _settled(self._grid.value(code))
            case "Multiple":
                return self._values(choices.choice_of_mask(code))
        return self._values(choices.orders(len(self.form.options))[code])

    def _values(self, places: Iterable[int]) -> list[Value]:
        try:
            return [self.form.options[place].value for place in places]
        except IndexError:
            raise ValueError(
                f"the item {self.form.id} holds an option that it does not have"
            ) from None

    def _place(self, value: Any) -> int:
        # True equals 1 and would match that option.
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float | str)
            or (place := self._places.get(value)) is None
        ):
            known = several([quote(option.value) for option in self.form.options], _LISTED)
            raise ValueError(f"not an option of this item; it has {known}")
        return place

    def _chosen(self, answer: Any) -> list[int]:
        if not isinstance(answer, list):
            raise ValueError(f"a list of options belongs here: this is a {self.form.type}")  # noqa: TRY004 - a fault of what was sent
        places = [self._place(value) for value in answer]
        if len(set(places)) < len(places):
            raise ValueError("an option stands here twice")
        return places

    def _encode_number(self, answer: Any) -> bytes:
        form = self.form
        if isinstance(answer, bool) or not isinstance(answer, int | float):
            raise ValueError("a number belongs here")  # noqa: TRY004 - a fault of what was sent
        if self.cell.kind == "Code" and (code := self._places.get(answer)) is not None:
            return bytes([code])
        number = float(answer) + 0.0
        index = self._grid.index(number) if self._grid is not None else 0
        if not form.low <= number <= form.high and (self._grid is None or index is None):
            raise ValueError(f"a number from {form.low:g} to {form.high:g} belongs here")
        if self._grid is None:
            return _REAL.pack(number)
        if index is None:
            kind = (
                "a whole number"
                if form.step is None
                else f"{form.low:g} or whole steps of {form.step:g} more"
            )
            raise ValueError(f"{kind} belongs here, from {form.low:g} to {form.high:g}")
        return (
            bytes([index])
            if self.cell.kind == "Code"
            else _REAL.pack(self._grid.value(index) + 0.0)
        )

    def _encode_choice(self, chosen: list[int]) -> bytes:
        if (fault := choices.wrong_choice(self.form, chosen)) is not None:
            raise ValueError(fault)
        mask = sum(1 << place for place in chosen)
        return (
            bytes([mask])
            if self.cell.kind == "Code"
            else b"\x00" + mask.to_bytes(self.cell.width - 1, "little")
        )

    def _encode_order(self, chosen: list[int]) -> bytes:
        if len(chosen) != len(self.form.options):
            raise ValueError(f"all {len(self.form.options)} options belong here, first place first")
        return bytes([self._orders[tuple(chosen)]]) if self._is_coded_order else bytes(chosen)

    def _encode_text(self, answer: Any) -> bytes:
        if not isinstance(answer, str):
            raise ValueError("a text belongs here")  # noqa: TRY004 - a fault of what was sent
        if len(answer) > self.form.max_length:
            raise ValueError(
                f"the text has {len(answer)} characters; {self.form.max_length} are allowed"
            )
        if any(
            not (character.isprintable() or character.isspace())
            or "\ud800" <= character <= "\udfff"
            for character in answer
        ):
            raise ValueError("the text holds a character that no text may hold")
        return b"\x00" if answer else self.blank(OMITTED)


def _encode_date(answer: Any) -> bytes:
    try:
        if (
            not isinstance(answer, str)
            or len(answer) != len("YYYY-MM-DD")
            or not answer.isascii()
            or answer[4] != "-"
            or answer[7] != "-"
        ):
            raise ValueError  # noqa: TRY301 - the same refusal as of a date that there is not
        day = datetime.date(int(answer[:4]), int(answer[5:7]), int(answer[8:]))
        if day.isoformat() != answer:
            raise ValueError  # noqa: TRY301
    except ValueError:
        raise ValueError("a date belongs here, as YYYY-MM-DD") from None
    return day.toordinal().to_bytes(_DATE_BYTES, "big")


def coders_of(forms: Iterable[ItemForm], cells: Iterable[Cell]) -> Iterator[AnswerCoder]:
    """Yield the coder of each item."""
    yield from map(AnswerCoder, forms, cells)


def _reason(code: int, form: ItemForm) -> int:
    if code < DECLINED:
        raise ValueError(f"the item {form.id} holds no number")
    return code


@functools.lru_cache(maxsize=1024)
def _settled(x: float) -> int | float:
    return int(x) if x.is_integer() else x
