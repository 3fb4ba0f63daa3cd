"""Binds the names of a formula to values and converts its results.

Used by `kernel`; `formulas.evaluation` does the arithmetic.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from stanine.domain.formulas.columns import Batch, NumberColumn, ValueColumn
from stanine.domain.formulas.evaluation import evaluate
from stanine.domain.instruments.record_types import Value
from stanine.domain.scoring import kernel_answers
from stanine.domain.scoring.kernel_answers import Codes, Floats, Mask
from stanine.domain.scoring.kernel_attributes import AttributeColumns
from stanine.domain.scoring.kernel_steps import Table
from stanine.domain.scoring.plan import Plan, PlannedInput, PlannedScale
from stanine.domain.scoring.result_records import Status

Integers = npt.NDArray[np.int64]
#: Returns a part of a finished scale, by the scale's index.
Parts = Callable[[int, str], Floats]


class FormulaScale:
    """A scale that is a formula."""

    def __init__(self, plan: Plan, scale: PlannedScale) -> None:
        assert scale.formula is not None
        self._plan, self._scale, self._formula = plan, scale, scale.formula
        self._tables = {
            one.name: kernel_answers.table_of(one.numbers)
            for one in self._inputs()
            if one.numbers is not None
        }
        self._lookups = {name: Table(table).look_up for name, table in scale.formula.tables}

    def _inputs(self) -> list[PlannedInput]:
        return [*self._formula.numbers, *self._formula.values, *self._formula.answered]

    def score(
        self, codes: Codes, attributes: AttributeColumns, parts: Parts
    ) -> tuple[Floats, Integers, Integers]:
        """Return raw scores before rounding (NaN for none), statuses, counts of names with a value."""
        batch = Batch(
            len(codes),
            {
                one.name: self._number(one, codes, attributes, parts)
                for one in self._formula.numbers
            },
            {one.name: self._value(one, codes, attributes) for one in self._formula.values},
            {one.name: self._is_answered(one, codes) for one in self._formula.answered},
            self._lookups,
        )
        outcome = evaluate(self._formula.tree, batch, self._formula.min_valid)
        status = np.zeros(len(codes), dtype=np.int64)
        status[outcome.division] = Status.DIVISION_BY_ZERO
        status[outcome.null] = Status.MISSING_VALUE
        status[outcome.too_few] = Status.TOO_FEW_ANSWERS
        raw = np.where(status == Status.SCORED, outcome.values, np.nan)
        return raw, status, outcome.valid.astype(np.int64)

    def _number(
        self, one: PlannedInput, codes: Codes, attributes: AttributeColumns, parts: Parts
    ) -> NumberColumn:
        if one.source == "Scale":
            x = parts(one.place, one.part)
        elif one.source == "Attribute":
            x = attributes.numbers(one.place)
        else:
            return self._item(self._points(one, codes), self._hidden(one, codes))
        null = np.isnan(x)
        return NumberColumn(np.where(null, 0.0, x), null)

    def _item(self, x: Floats, hidden: Mask) -> NumberColumn:
        valid = ~np.isnan(x)
        if self._scale.not_shown is not None:
            x = np.where(hidden, self._scale.not_shown, x)
            valid = valid | hidden
        if self._scale.unanswered is not None:
            x = np.where(np.isnan(x), self._scale.unanswered, x)
        null = np.isnan(x)
        return NumberColumn(np.where(null, 0.0, x), null, valid)

    def _value(self, one: PlannedInput, codes: Codes, attributes: AttributeColumns) -> ValueColumn:
        if one.source == "Attribute":
            places, named = attributes.places(one.place)
            return ValueColumn(np.maximum(places, 0), named or ("",), places < 0)
        cell = self._plan.cells[one.place]
        code = codes[:, cell.offset].astype(np.int64)
        is_missing = np.zeros(256, dtype=bool)
        is_missing[: len(one.missing)] = one.missing
        null = (code >= len(one.values)) | is_missing[code]
        values: tuple[Value, ...] = one.values
        valid = ~null
        hidden = self._hidden(one, codes)
        for given, where in ((self._scale.not_shown, hidden), (self._scale.unanswered, null)):
            if given is not None:
                fill = where & null
                code = np.where(fill, len(values), code)
                values = (*values, given)
                null = null & ~fill
        if self._scale.not_shown is not None:
            valid = valid | hidden
        return ValueColumn(np.where(null, 0, code), values, null, valid)

    def _is_answered(self, one: PlannedInput, codes: Codes) -> Mask:
        cell = self._plan.cells[one.place]
        if one.name in self._tables:
            return ~np.isnan(self._tables[one.name].take(codes[:, cell.offset]))
        answered: Mask = kernel_answers.reason(codes, cell) == 0
        if cell.kind == "Code" and one.values:
            is_missing = np.zeros(256, dtype=bool)
            if len(one.values) == cell.count:
                is_missing[: len(one.missing)] = one.missing
            answered &= ~is_missing[codes[:, cell.offset]]
        if cell.kind == "Bits":
            answered &= ~kernel_answers.bits(codes, cell)[
                :, [place for place, gone in enumerate(one.missing) if gone]
            ].any(axis=1)
        return answered

    def _points(self, one: PlannedInput, codes: Codes) -> Floats:
        cell = self._plan.cells[one.place]
        if one.wide is not None:
            return kernel_answers.wide_points(
                codes,
                cell,
                one.wide,
                tuple(place for place, gone in enumerate(one.missing) if gone),
            )
        return self._tables[one.name].take(codes[:, cell.offset])

    def _hidden(self, one: PlannedInput, codes: Codes) -> Mask:
        return kernel_answers.not_shown(codes, self._plan.cells[one.place])
