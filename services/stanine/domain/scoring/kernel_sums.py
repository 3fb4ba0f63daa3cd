"""Sums of scales of one-byte items, as matrices.

Used by `kernel` for every such scale without exclusions. An attempt's bits must not depend on its batch. Therefore
nothing is added by BLAS or by NumPy's pairwise sums, whose order depends on the shape:

- A sum whose terms are all small whole numbers is exact in any order. Such terms are added several at a time: the
  combination of a few items' answers indexes one table of 64-bit integers, which packs all of a scale's sums
  (`_Groups`).
- Any other sum is accumulated item by item, in the order that `compiler` defines, each step over the whole batch
  (`_Columns`).

An answer's state is its code made dense: 0 omitted, 1 to k the codes, k + 1 not shown.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from stanine.domain.scoring.plan import Plan, PlannedScale
from stanine.domain.scoring.result_records import Status

Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: Maximum of combinations of answers in one table: four items of five options are 2401, which fit into the first-level
#: cache.
GROUP_STATES = 4096
#: Maximum of entries (8 bytes each) of all such tables together; a plan that needs more reads its items one by one.
ALL_GROUP_STATES = 1 << 20
#: Bits of a count of answers: at most 2,000 items.
_COUNT_BITS = 12
_COUNT_MASK = (1 << _COUNT_BITS) - 1
#: Bits that the two counts leave for a scale's other sums in a 64-bit signed integer.
_SUM_BITS = 63 - 2 * _COUNT_BITS


def is_summed_here(scale: PlannedScale) -> bool:
    """Return whether this module sums a scale."""
    return (
        scale.kind == "Items"
        and not scale.excludes
        and all(term.table is not None for term in scale.terms)
    )


class FastScales:
    """Some scales of a plan, prepared to be summed together."""

    def __init__(self, plan: Plan, scales: list[PlannedScale]) -> None:
        places = sorted({cell.offset for cell in plan.cells if cell.kind == "Code"})
        #: The bytes of a row that contain codes; None: all of them.
        self._bytes = None if len(places) == plan.row_bytes else np.array(places, dtype=np.intp)
        rows = {place: row for row, place in enumerate(places)}
        self._last_state = np.array(
            [cell.count + 1 for cell in plan.cells if cell.kind == "Code"], dtype=np.uint8
        )
        sums = [_Sums(plan, scale, rows) for scale in scales]
        self._groups = _Groups(sums, GROUP_STATES)
        if self._groups.table.size > ALL_GROUP_STATES:
            self._groups = _Groups(sums, 1)
        self._columns = _Columns(sums)
        self._finish = _Finish(scales, sums)
        #: Table lookups per attempt.
        self.width = self._groups.count

    def score(self, codes: Codes) -> tuple[Floats, Integers, Integers]:
        """Return raw scores before rounding (NaN for none), valid answers, and statuses.

        Each has one row per scale.
        """
        if self._bytes is not None:
            codes = codes.take(self._bytes, axis=1)
        states = np.ascontiguousarray(np.minimum(codes + np.uint8(1), self._last_state).T)
        sums = self._groups.add_up(states)
        numerators, denominators = self._finish.split(sums)
        self._columns.add_up(states, numerators, denominators)
        return self._finish.raw(sums, numerators, denominators)


class _Sums:
    """The sums of one scale per term and state.

    These are numerator, denominator, points present and answers valid.
    """

    def __init__(self, plan: Plan, scale: PlannedScale, rows: dict[int, int]) -> None:
        self.items = [rows[plan.cells[term.item].offset] for term in scale.terms]
        self.numerators: list[list[float]] = []
        self.denominators: list[list[float]] = []
        self.present: list[list[int]] = []
        self.valid: list[list[int]] = []
        # With a weight of 0 or less every item is required: nothing is divided.
        divides = all(term.weight > 0 for term in scale.terms)
        for term in scale.terms:
            assert term.table is not None
            table = plan.tables[term.table]
            missing = scale.unanswered
            not_shown = missing if scale.not_shown is None else scale.not_shown
            points = [missing, *(missing if x is None else x for x in table), not_shown]
            low, high = (term.low, term.high) if scale.method == "Percent" else (0.0, 1.0)
            self.numerators.append([0.0 if x is None else term.weight * (x - low) for x in points])
            self.denominators.append(
                [0.0 if x is None or not divides else term.weight * (high - low) for x in points]
            )
            self.present.append([int(x is not None) for x in points])
            self.valid.append(
                [0, *(int(x is not None) for x in table), int(scale.not_shown is not None)]
            )
        bits = _whole_bits(self.numerators)
        self.numerator_is_whole = bits <= _SUM_BITS - 1  # one for the sign
        denominator_bits = _whole_bits(self.denominators)
        self.denominator_is_whole = (
            denominator_bits + (bits + 1 if self.numerator_is_whole else 0) <= _SUM_BITS
        )
        self.denominator_bits = denominator_bits if self.denominator_is_whole else 0

    def packed(self) -> list[Integers]:
        """Return each term's table of integers.

        From the lowest bit: valid, present, denominator, numerator (those that are whole).
        """
        tables = []
        for numerator, denominator, present, valid in zip(
            self.numerators, self.denominators, self.present, self.valid, strict=True
        ):
            table = np.array(valid, dtype=np.int64) + (
                np.array(present, dtype=np.int64) << _COUNT_BITS
            )
            if self.denominator_is_whole:
                table += np.array(denominator).astype(np.int64) << (2 * _COUNT_BITS)
            if self.numerator_is_whole:
                table += np.array(numerator).astype(np.int64) << (
                    2 * _COUNT_BITS + self.denominator_bits
                )
            tables.append(table)
        return tables


def _whole_bits(tables: list[list[float]]) -> int:
    """Return the number of bits for any sum of the terms, without its sign.

    Larger than any limit if a term is not a whole number.
    """
    if not all(x.is_integer() for table in tables for x in table):
        return _SUM_BITS + 1
    return int(sum(max(map(abs, table)) for table in tables)).bit_length()


class _Groups:
    """All sums of whole numbers: several terms of a scale share a table.

    A group's row of indices combines their states.
    """

    def __init__(self, sums: list[_Sums], states: int) -> None:
        offsets: dict[tuple[bytes, ...], int] = {}
        tables: list[Integers] = []
        groups: list[list[tuple[int, Integers]]] = []
        self.bounds: list[tuple[int, int]] = []
        self.offsets: Any = []
        end = 0
        for one in sums:
            first = len(groups)
            # Sort terms with equal tables together, so that more groups are equal and share a table.
            terms = sorted(
                zip(one.items, one.packed(), strict=True),
                key=lambda term: (term[1].tobytes(), term[0]),
            )
            groups += _in_groups(terms, states)
            self.bounds.append((first, len(groups)))
            for group in groups[first:]:
                key = tuple(table.tobytes() for _, table in group)
                if key not in offsets:
                    offsets[key] = end
                    tables.append(_combined([table for _, table in group]))
                    end += tables[-1].size
                self.offsets.append(offsets[key])
        self.count = len(groups)
        self.table = np.concatenate(tables)
        self.offsets = np.array(self.offsets, dtype=np.int64)[:, None]
        self.members = [_member(groups, place) for place in range(max(map(len, groups)))]

    def add_up(self, states: Codes) -> Integers:
        """Return the sums: one row per scale, one column per attempt."""
        index: Any = self.offsets
        if len(self.members) > 1:
            mixed = states.take(self.members[0][0], axis=0) * self.members[0][1]
            for items, radix in self.members[1:]:
                mixed += states.take(items, axis=0) * radix
            index = index + mixed
        else:
            index = index + states.take(self.members[0][0], axis=0)
        values = self.table.take(index)
        result = np.empty((len(self.bounds), states.shape[1]), dtype=np.int64)
        for row, (start, stop) in zip(result, self.bounds, strict=True):
            np.add.reduce(values[start:stop], axis=0, out=row)
        return result


def _in_groups(terms: list[tuple[int, Integers]], states: int) -> list[list[tuple[int, Integers]]]:
    groups: list[list[tuple[int, Integers]]] = []
    size = 0
    for term in terms:
        if not groups or size * term[1].size > states:
            groups.append([])
            size = 1
        groups[-1].append(term)
        size *= term[1].size
    return groups


def _combined(tables: list[Integers]) -> Integers:
    """Return the table of all combinations: the first member's state has the highest weight."""
    combined = tables[0]
    for table in tables[1:]:
        combined = (combined[:, None] + table).ravel()
    return combined


def _member(
    groups: list[list[tuple[int, Integers]]], place: int
) -> tuple[Integers, npt.NDArray[np.uint16]]:
    """Return of every group the item of its n-th member and the weight of its state in the index.

    A weight of 0: the group has no such member.
    """
    items, radix = [], []
    for group in groups:
        items.append(group[place][0] if place < len(group) else 0)
        radix.append(
            math.prod(table.size for _, table in group[place + 1 :]) if place < len(group) else 0
        )
    return np.array(items, dtype=np.int64), np.array(radix, dtype=np.uint16)[:, None]


class _Columns:
    """All other sums: each step adds the next term of every sum, over the whole batch."""

    def __init__(self, sums: list[_Sums]) -> None:
        columns = [
            (scale, True, one.items, one.numerators)
            for scale, one in enumerate(sums)
            if not one.numerator_is_whole
        ]
        columns += [
            (scale, False, one.items, one.denominators)
            for scale, one in enumerate(sums)
            if not one.denominator_is_whole
        ]
        columns.sort(
            key=lambda column: -len(column[2])
        )  # longest first: the columns with a term left are always the first
        offsets: dict[tuple[float, ...], int] = {}
        flat: list[float] = []
        for table in (tuple(table) for *_, tables in columns for table in tables):
            if table not in offsets:
                offsets[table] = len(flat)
                flat += table
        self.table = np.array(flat, dtype=np.float64)
        self.steps: list[tuple[Integers, Integers]] = []
        for step in range(len(columns[0][2]) if columns else 0):
            active = [column for column in columns if len(column[2]) > step]
            items = np.array([items[step] for _, _, items, _ in active], dtype=np.int64)
            starts = np.array(
                [offsets[tuple(tables[step])] for *_, tables in active], dtype=np.int64
            )
            self.steps.append((items, starts[:, None]))
        self.count = len(columns)
        self.numerators, self.denominators = (
            (
                [at for at, column in enumerate(columns) if column[1] is kind],
                [column[0] for column in columns if column[1] is kind],
            )
            for kind in (True, False)
        )

    def add_up(self, states: Codes, numerators: Floats, denominators: Floats) -> None:
        """Store the sums in the rows of their scales."""
        if not self.count:
            return
        totals = np.zeros((self.count, states.shape[1]))
        for items, starts in self.steps:
            totals[: len(items)] += self.table.take(states.take(items, axis=0) + starts)
        for (columns, scales), into in (
            (self.numerators, numerators),
            (self.denominators, denominators),
        ):
            into[scales] = totals[columns]


class _Finish:
    """From sums to raw scores: one row per scale."""

    def __init__(self, scales: list[PlannedScale], sums: list[_Sums]) -> None:
        def column(values: list[Any], dtype: Any = np.float64) -> Any:
            return np.array(values, dtype=dtype)[:, None]

        weights = [_sum_in_order([term.weight for term in scale.terms]) for scale in scales]
        by_method = [
            {"Mean": 1.0, "Sum": weight, "Percent": 100.0}[scale.method]
            for scale, weight in zip(scales, weights, strict=True)
        ]
        self.factor = column(by_method)
        self.terms = column(
            [len(scale.terms) if scale.method == "Sum" else -1 for scale in scales], np.int64
        )
        self.min_valid = column([scale.min_valid for scale in scales], np.int64)
        self.multiply = column([scale.multiply for scale in scales])
        self.constant = column([scale.constant for scale in scales])
        self.denominator_mask = column([(1 << one.denominator_bits) - 1 for one in sums], np.int64)
        self.numerator_shift = column(
            [2 * _COUNT_BITS + one.denominator_bits for one in sums], np.int64
        )

    def split(self, sums: Integers) -> tuple[Floats, Floats]:
        """Return the numerators and denominators of packed sums."""
        denominators = (sums >> (2 * _COUNT_BITS)) & self.denominator_mask
        return (sums >> self.numerator_shift).astype(np.float64), denominators.astype(np.float64)

    def raw(
        self, sums: Integers, numerators: Floats, denominators: Floats
    ) -> tuple[Floats, Integers, Integers]:
        """Return raw scores, numbers of valid answers, and statuses."""
        valid = sums & _COUNT_MASK
        is_complete_sum = ((sums >> _COUNT_BITS) & _COUNT_MASK) == self.terms
        quotients = (self.factor * numerators) / denominators
        raw = np.where(is_complete_sum, numerators, quotients) * self.multiply + self.constant
        status = np.zeros_like(valid)
        status[(denominators == 0) & ~is_complete_sum] = Status.DIVISION_BY_ZERO
        status[valid < self.min_valid] = Status.TOO_FEW_ANSWERS
        raw[status != Status.SCORED] = np.nan
        return raw, valid, status


def _sum_in_order(values: list[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total
