"""Sums of scales term by term: items of any type, excludable items, and composites.

Used by `kernel`. The arithmetic is that of `compiler`, in its order; `kernel_sums` does the same for usual scales, in
fewer steps.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from stanine.domain.scoring import kernel_answers
from stanine.domain.scoring.kernel_answers import Codes, Floats, Mask
from stanine.domain.scoring.plan import Plan, PlannedScale, Term
from stanine.domain.scoring.ranges import Range, without
from stanine.domain.scoring.result_records import Status

Integers = npt.NDArray[np.int64]

#: Patterns of excluded items with cached ranges; they follow from the conditions of a form, so there are few.
_PATTERNS_KEPT = 4096


class Accumulator:
    """The running sums of one scale over a batch."""

    def __init__(self, scale: PlannedScale, rows: int) -> None:
        self._scale = scale
        self._above, self._below, self._kept = np.zeros(rows), np.zeros(rows), np.zeros(rows)
        self._present, self.valid, self.count = (np.zeros(rows, dtype=np.int64) for _ in range(3))

    def add(
        self,
        x: Floats,
        weight: float,
        ends: tuple[float, float],
        valid: Mask,
        excluded: Mask | None,
    ) -> None:
        """Add a term: its points (NaN for none), whether they count as valid, where it is excluded."""
        has = ~np.isnan(x)
        x = np.where(has, x, 0.0)
        low, high = ends if self._scale.method == "Percent" else (0.0, 1.0)
        self._above += np.where(has, weight * (x - low), 0.0)
        self._below += np.where(has, weight * (high - low), 0.0)
        self._present += has
        self.valid += valid
        kept: Any = 1 if excluded is None else ~excluded
        self.count += kept
        self._kept += weight * kept

    def score(self) -> tuple[Floats, Integers]:
        """Return raw scores before rounding (NaN for none), and statuses."""
        scale = self._scale
        if scale.method == "Mean":
            found = self._above / self._below
        elif scale.method == "Percent":
            found = (100.0 * self._above) / self._below
        else:
            found = np.where(
                self._present == self.count, self._above, (self._kept * self._above) / self._below
            )
        raw = found * scale.multiply + scale.constant
        status = np.zeros(len(raw), dtype=np.int64)
        is_complete_sum = (self._present == self.count) if scale.method == "Sum" else np.False_
        status[(self._below == 0) & ~is_complete_sum] = Status.DIVISION_BY_ZERO
        needed = -(-scale.min_valid * self.count // scale.items)
        status[(self.count < 1) | (self.valid < needed)] = Status.TOO_FEW_ANSWERS
        status[~np.isfinite(raw) & (status == Status.SCORED)] = (
            Status.DIVISION_BY_ZERO
        )  # composites of composites may overflow
        raw[status != Status.SCORED] = np.nan
        return raw, status


class ItemScale:
    """A scale of items, summed item by item."""

    def __init__(self, plan: Plan, scale: PlannedScale) -> None:
        self._plan, self._scale = plan, scale
        self._tables = [
            None if term.table is None else kernel_answers.table_of(plan.tables[term.table])
            for term in scale.terms
        ]
        self._ranges: dict[bytes, Range | None] = {}

    def score(self, codes: Codes) -> tuple[Floats, Integers, Accumulator, Mask | None]:
        """Return raw scores, statuses, the sums, and the excluded terms.

        Excluded terms: None for a scale without exclusions.
        """
        scale = self._scale
        sums = Accumulator(scale, len(codes))
        gone: list[Mask] = []
        for term, (x, valid, excluded) in zip(scale.terms, self.terms(codes), strict=True):
            sums.add(x, term.weight, (term.low, term.high), valid, excluded)
            if excluded is not None:
                gone.append(excluded)
        raw, status = sums.score()
        return raw, status, sums, np.stack(gone, axis=1) if gone else None

    def terms(self, codes: Codes) -> Iterator[tuple[Floats, Mask, Mask | None]]:
        """Yield each term's points (NaN for none), whether they count as valid, and its exclusions.

        Exclusions: where the term is excluded; None: nowhere.
        """
        scale = self._scale
        for term, table in zip(scale.terms, self._tables, strict=True):
            x, hidden = self._points(codes, term, table)
            valid = ~np.isnan(x)
            if scale.not_shown is not None:
                x = np.where(hidden, scale.not_shown, x)
                valid |= hidden
            excluded = hidden if scale.excludes else None
            if scale.unanswered is not None:
                missing = np.isnan(x) if excluded is None else np.isnan(x) & ~excluded
                x = np.where(missing, scale.unanswered, x)
            yield x, valid, excluded

    def ranges(self, gone: Mask) -> tuple[Floats, Floats]:
        """Return the range of each attempt without its excluded items.

        NaN where none is excluded, +∞ and -∞ where nothing can be scored.
        """
        low, high = np.full(len(gone), np.nan), np.full(len(gone), np.nan)
        assert self._scale.ranged is not None
        for row in np.flatnonzero(gone.any(axis=1)):
            pattern = gone[row].tobytes()
            if pattern not in self._ranges:
                if len(self._ranges) >= _PATTERNS_KEPT:
                    self._ranges.clear()
                self._ranges[pattern] = without(
                    self._scale.ranged, np.flatnonzero(gone[row]).tolist()
                )
            found = self._ranges[pattern]
            low[row], high[row] = (np.inf, -np.inf) if found is None else found
        return low, high

    def _points(self, codes: Codes, term: Term, table: Floats | None) -> tuple[Floats, Mask]:
        cell = self._plan.cells[term.item]
        hidden = kernel_answers.not_shown(codes, cell)
        if table is not None:
            return table.take(codes[:, cell.offset]), hidden
        assert term.wide is not None
        return kernel_answers.wide_points(codes, cell, term.wide, term.missing), hidden


def composite(scale: PlannedScale, parts: list[Floats]) -> tuple[Floats, Integers, Accumulator]:
    """Return raw scores of a composite, statuses and sums; `parts`: NaN where a part has no value."""
    sums = Accumulator(scale, len(parts[0]))
    for part, x in zip(scale.parts, parts, strict=True):
        sums.add(x, part.weight, (part.low, part.high), ~np.isnan(x), None)
    return (*sums.score(), sums)
