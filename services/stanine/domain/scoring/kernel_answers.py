"""Reads the cells of a batch of attempts as vectors: points, items not shown, invalid codes.

Used by the kernel's parts.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from stanine.domain.attempts.answer_codes import DECLINED, NOT_SHOWN, Cell
from stanine.domain.scoring.plan import Plan
from stanine.domain.scoring.points import Table, Wide

Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_BYTE = 256
#: Days from 0001-01-01 to 9999-12-31.
_LAST_DAY = 3_652_059


def reason(codes: Codes, cell: Cell) -> npt.NDArray[np.uint8]:
    """Return the reason for no answer of a cell (omitted, not shown, declined), 0 for an answer."""
    if cell.kind not in ("Real", "Date"):
        first = codes[:, cell.offset]
        return np.where(first >= DECLINED, first, np.uint8(0))
    data = codes[:, cell.offset : cell.offset + cell.width]
    is_blank = (data[:, :-1] == 0xFF).all(axis=1) & (data[:, -1] >= DECLINED)
    return np.where(is_blank, data[:, -1], np.uint8(0))


def not_shown(codes: Codes, cell: Cell) -> Mask:
    """Return where an item was not shown."""
    shown: Mask = reason(codes, cell) == NOT_SHOWN
    return shown


def table_of(table: Table) -> Floats:
    """Return a table of points for every byte, NaN for none."""
    full = np.full(_BYTE, np.nan)
    full[: len(table)] = [np.nan if x is None else x for x in table]
    return full


def real(codes: Codes, cell: Cell) -> Floats:
    """Return the numbers of a Real cell, NaN for none."""
    values = (
        np.ascontiguousarray(codes[:, cell.offset : cell.offset + cell.width])
        .view(">f8")[:, 0]
        .astype(np.float64)
    )
    values[reason(codes, cell) != 0] = np.nan
    return values


def bits(codes: Codes, cell: Cell) -> Mask:
    """Return which options of a Bits cell are chosen: one row per attempt, one column per option."""
    packed = codes[:, cell.offset + 1 : cell.offset + cell.width]
    chosen: Mask = np.unpackbits(packed, axis=1, count=cell.count, bitorder="little").astype(bool)
    return chosen


def wide_points(codes: Codes, cell: Cell, wide: Wide, missing: tuple[int, ...] = ()) -> Floats:
    """Return the points of an answer of several bytes, NaN for none.

    `missing`: the indices of the item's missing options.
    """
    x = _wide(codes, cell, wide)
    if wide.reversal is not None:
        x = wide.reversal - x
    if wide.threshold is not None:
        x = np.where(np.isnan(x), np.nan, (x >= wide.threshold).astype(np.float64))
    if cell.kind == "Bits" and missing:
        x[bits(codes, cell)[:, list(missing)].any(axis=1)] = np.nan
    return x


def _wide(codes: Codes, cell: Cell, wide: Wide) -> Floats:
    numbers = wide.numbers
    match wide.kind:
        case "Line":
            return numbers[0] + numbers[1] * real(codes, cell)
        case "Match":
            x = real(codes, cell)
            return np.where(np.isnan(x), np.nan, np.isin(x, numbers).astype(np.float64))
        case "Steps":
            x = real(codes, cell)
            places = np.searchsorted(np.array(wide.starts), x, side="right") - 1
            found = np.array(numbers)[np.clip(places, 0, len(numbers) - 1)]
            steps: Floats = np.where(np.isnan(x), np.nan, found)
            return steps
    points: Floats
    blank = reason(codes, cell) != 0
    if wide.kind == "Rank":
        ranks = codes[:, cell.offset : cell.offset + cell.width] == int(numbers[0])
        points = numbers[1] + numbers[2] * ranks.argmax(axis=1).astype(np.float64)
    else:
        chosen = bits(codes, cell)
        if wide.kind == "Option":
            points = chosen[:, int(numbers[0])].astype(np.float64)
        else:
            points = np.zeros(len(codes))
            for place, number in enumerate(numbers):
                points += np.where(chosen[:, place], number, 0.0)
    points[blank] = np.nan
    return points


class Damage:
    """Finds damaged attempts, which must not be scored: a cell has a value that is not an answer."""

    def __init__(self, plan: Plan) -> None:
        most = np.full(plan.row_bytes, 255, dtype=np.uint8)
        for cell in plan.cells:
            if cell.kind == "Code":
                most[cell.offset] = cell.count - 1
            elif cell.kind in ("Bits", "Text"):
                most[cell.offset] = 0
        self._most = most
        self._wide = [cell for cell in plan.cells if cell.kind in ("Real", "Order", "Date", "Bits")]

    def rows(self, codes: Codes) -> list[int]:
        """Return the rows of damaged attempts."""
        damaged = ((codes > self._most) & (codes < DECLINED)).any(axis=1)
        for cell in self._wide:
            damaged |= (reason(codes, cell) == 0) & ~_is_answer(codes, cell)
        return [int(row) for row in np.flatnonzero(damaged)]


def _is_answer(codes: Codes, cell: Cell) -> Mask:
    data = codes[:, cell.offset : cell.offset + cell.width]
    fits: Any
    if cell.kind == "Real":
        values = real(codes, cell)
        fits = (values >= cell.low) & (values <= cell.high)
    elif cell.kind == "Order":
        fits = (np.sort(data, axis=1) == np.arange(cell.count, dtype=np.uint8)).all(axis=1)
    elif cell.kind == "Bits":
        fits = ~np.unpackbits(data[:, 1:], axis=1, bitorder="little")[:, cell.count :].any(axis=1)
    else:
        days = data.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
        fits = (days >= 1) & (days <= _LAST_DAY)
    answer: Mask = fits
    return answer
