"""Adds a scale's terms or parts one by one and computes the raw score. Used by `explanation`.

The operations and their order are those of `kernel_terms.Accumulator`, so both give the same bits.
"""

import math
from typing import NamedTuple

from stanine.domain.scoring.explanation_records import SumStep
from stanine.domain.scoring.plan import PlannedScale
from stanine.domain.scoring.result_records import Status
from stanine.domain.scoring.rounding import round_decimal


class Sum(NamedTuple):
    """The sums of a scale: its step, valid, total and required terms, raw score and status."""

    step: SumStep
    valid: int
    items: int
    needed: int
    raw: float | None
    status: Status


class Adder:
    """Adds terms in the order and by the operations of `kernel_terms.Accumulator`."""

    def __init__(self, scale: PlannedScale) -> None:
        self._scale = scale
        self._above = self._below = self._kept = 0.0
        self._present = self._valid = self._count = 0

    def add(
        self,
        x: float | None,
        weight: float,
        ends: tuple[float, float],
        *,
        valid: bool,
        excluded: bool,
    ) -> float | None:
        """Add a term and return its contribution."""
        low, high = ends if self._scale.method == "Percent" else (0.0, 1.0)
        adds = None if x is None else weight * (x - low)
        if adds is not None:
            self._above += adds
            self._below += weight * (high - low)
            self._present += 1
        self._valid += valid
        if not excluded:
            self._count += 1
            self._kept += weight
        return adds

    def result(self) -> Sum:
        """Return the result of the sums."""
        scale = self._scale
        complete = scale.method == "Sum" and self._present == self._count
        found: float | None = self._above
        if not complete:
            factor = {"Mean": 1.0, "Sum": self._kept, "Percent": 100.0}[scale.method]
            found = (factor * self._above) / self._below if self._below else None
        before = None if found is None else found * scale.multiply + scale.constant
        if before is not None and not math.isfinite(before):
            before = None
        needed = -(-scale.min_valid * self._count // scale.items)
        status = Status.SCORED if before is not None else Status.DIVISION_BY_ZERO
        if self._count < 1 or self._valid < needed:
            status = Status.TOO_FEW_ANSWERS
            found = before = None
        raw = before if status is Status.SCORED else None
        if raw is not None and scale.rounding is not None:
            raw = round_decimal(raw, scale.rounding.mode, scale.rounding.decimals)
        step = SumStep(
            method=scale.method,
            sum=self._above,
            divisor=self._below,
            all_weights=self._kept,
            prorated=scale.method == "Sum" and not complete and found is not None,
            result=found,
            multiply=scale.multiply,
            constant=scale.constant,
            before_rounding=before,
        )
        return Sum(step, self._valid, self._count, needed, raw, status)
