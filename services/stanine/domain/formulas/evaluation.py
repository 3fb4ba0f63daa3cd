"""Evaluates a formula over a batch of attempts as NumPy vectors.

Called by the kernel; the API and the operator do not load it. Every step is elementwise, so a row's bits do not depend
on its batch. A row has a value, or is null, or failed (a division by zero, or a result that is not finite). Both
branches of an `if` are computed for all rows and each row selects its own, so a failure counts only in the selected
branch; likewise `and` and `or` ignore the operands after the one that decides.

Null has precedence over failure: where an operand is null and another failed, the result is null, as MissingValue
precedes DivisionByZero.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stanine.domain.formulas.tree import (
    Absolute,
    Aggregate,
    And,
    Answered,
    Arithmetic,
    Compare,
    Count,
    Formula,
    If,
    Lookup,
    Match,
    Negative,
    Node,
    Not,
    Null,
    Number,
    Or,
    Reference,
    Round,
    Text,
)
from stanine.domain.scoring.rounding_vectors import nine, round_vector

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Value = int | float | str


class NumberColumn(NamedTuple):
    """Numbers of a name, one per row, meaningless where `null` is set.

    `valid`: the rows that count as having a value, for `minValid` and the result's `valid`. None: all that are not
    null.
    """

    values: Floats
    null: Mask
    valid: Mask | None = None


class ValueColumn(NamedTuple):
    """Values of a name, one per row: `codes` index `values`, meaningless where `null` is set."""

    codes: npt.NDArray[Any]
    values: tuple[Value, ...]
    null: Mask
    valid: Mask | None = None


class Batch(NamedTuple):
    """Inputs of a formula; the fields of `Formula` list the names that each mapping needs."""

    rows: int
    numbers: Mapping[str, NumberColumn] = {}
    values: Mapping[str, ValueColumn] = {}
    #: Rows in which an item has an answer other than a `missing` option.
    answered: Mapping[str, Mask] = {}
    #: The tables of scales: numbers to scores, NaN for no row.
    lookups: Mapping[str, Callable[[Floats], Floats]] = {}


class Outcome(NamedTuple):
    """Results of a formula, one per row.

    `null` and `division` exclude each other; `too_few` has precedence over both.
    """

    #: 0.0 for no value, never -0.0.
    values: Floats
    null: Mask
    #: A division by zero, or a number that is not finite.
    division: Mask
    #: Number of the formula's names with a value.
    valid: npt.NDArray[np.int64]
    too_few: Mask


def evaluate(formula: Formula, batch: Batch, min_valid: int | None = None) -> Outcome:
    """Return a formula's results.

    With `min_valid`, lists skip nulls, and fewer items with a value are too few.
    """
    evaluator = _Evaluator(batch, pass_over=min_valid is not None)
    with np.errstate(all="ignore"):  # results that are not finite are handled below
        result = evaluator.evaluate(formula.tree)
    has_value = [_has_value(name, batch) for name in formula.names]
    valid = np.zeros(batch.rows, dtype=np.int64)
    items = np.zeros(batch.rows, dtype=np.int64)
    of_items = frozenset(formula.items)
    for name, mask in zip(formula.names, has_value, strict=True):
        valid += mask
        if name in of_items:
            items += mask
    shape = (batch.rows,)
    return Outcome(
        # Adding 0.0 converts -0.0 to 0.0.
        np.where(result.null | result.failed, 0.0, np.broadcast_to(result.values, shape)) + 0.0,
        np.array(np.broadcast_to(result.null, shape)),
        np.array(np.broadcast_to(result.failed, shape)),
        valid,
        items < (0 if min_valid is None else min_valid),
    )


def _has_value(name: str, batch: Batch) -> Mask:
    column = batch.numbers.get(name) or batch.values.get(name)
    if column is None:
        return batch.answered[name]
    mask: Mask = ~column.null if column.valid is None else column.valid
    return mask


class _Vector(NamedTuple):
    """Values, their nulls and failures; 0.0 for no value.

    Constants have no dimension and broadcast.
    """

    values: Any
    null: Any
    failed: Any


_NO = np.False_
_NULL = _Vector(np.float64(0.0), np.True_, _NO)


class _Evaluator:
    """Evaluates nodes for one batch."""

    def __init__(self, batch: Batch, *, pass_over: bool) -> None:
        self._batch = batch
        self._pass_over = pass_over

    def evaluate(self, node: Node) -> _Vector:
        result: _Vector = _HANDLERS[type(node)](self, node)
        return result

    def number(self, node: Number) -> _Vector:
        return _Vector(np.float64(node.value), _NO, _NO)

    def null(self, _: Null) -> _Vector:
        return _NULL

    def reference(self, node: Reference) -> _Vector:
        column = self._batch.numbers[node.name]
        return _Vector(np.where(column.null, 0.0, column.values), column.null, _NO)

    def arithmetic(self, node: Arithmetic) -> _Vector:
        total, null, failed = self.evaluate(node.operands[0])
        for operator, operand in zip(node.operators, node.operands[1:], strict=True):
            other = self.evaluate(operand)
            match operator:
                case "+":
                    total = total + other.values
                case "-":
                    total = total - other.values
                case "*":
                    total = total * other.values
                case "/":
                    total = total / other.values
            null = null | other.null
            failed = failed | other.failed | ~np.isfinite(total)
            total = np.where(null | failed, 0.0, total)
        return _Vector(total, null, failed & ~null)

    def negative(self, node: Negative) -> _Vector:
        operand = self.evaluate(node.operand)
        return operand._replace(values=-operand.values)

    def absolute(self, node: Absolute) -> _Vector:
        operand = self.evaluate(node.operand)
        return operand._replace(values=np.abs(operand.values))

    def round(self, node: Round) -> _Vector:
        operand = self.evaluate(node.operand)
        return operand._replace(values=round_vector(operand.values, node.mode, node.decimals))

    def compare(self, node: Compare) -> _Vector:
        left = self.evaluate(node.left)
        right = self.evaluate(node.right)
        return _relation(node.operator, nine(left.values), nine(right.values), left, right)

    def match(self, node: Match) -> _Vector:
        return self._matched(node.operator, self._side(node.left), self._side(node.right))

    def inversion(self, node: Not) -> _Vector:
        operand = self.evaluate(node.operand)
        return _vector(~_is_true(operand), operand.null, operand.failed)

    def conjunction(self, node: And) -> _Vector:
        return self._logic(node.operands, deciding=False)

    def disjunction(self, node: Or) -> _Vector:
        return self._logic(node.operands, deciding=True)

    def _logic(self, operands: tuple[Node, ...], *, deciding: bool) -> _Vector:
        """Combine the operands of `and` (0 decides) or `or` (a true value decides), left to right."""
        is_open, null, failed = np.True_, _NO, _NO
        for operand in operands:
            one = self.evaluate(operand)
            decides = ~one.null & ~one.failed & (_is_true(one) == deciding)
            null = null | (is_open & one.null)
            failed = failed | (is_open & one.failed)
            is_open = is_open & ~decides
        null = null & is_open
        failed = failed & ~null
        return _vector(is_open ^ deciding, null, failed)

    def choice(self, node: If) -> _Vector:
        condition = self.evaluate(node.condition)
        then = self.evaluate(node.then)
        otherwise = self.evaluate(node.otherwise)
        is_true = _is_true(condition)
        null = condition.null | (~condition.failed & np.where(is_true, then.null, otherwise.null))
        failed = ~null & (condition.failed | np.where(is_true, then.failed, otherwise.failed))
        return _Vector(
            np.where(null | failed, 0.0, np.where(is_true, then.values, otherwise.values)),
            null,
            failed,
        )

    def aggregate(self, node: Aggregate) -> _Vector:
        lowest_first = {"min": np.inf, "max": -np.inf}.get(node.function, 0.0)
        total: Any = np.float64(lowest_first)
        count, null, failed = np.int64(0), _NO, _NO
        for element in node.elements:
            one = self.evaluate(element)
            values = np.where(one.null, lowest_first, one.values)
            match node.function:
                case "min":
                    total = np.minimum(total, values)
                case "max":
                    total = np.maximum(total, values)
                case _:
                    total = total + values
            count = count + ~one.null
            null = null | one.null
            failed = failed | one.failed
        if self._pass_over:
            null = count == 0
        if node.function == "mean":
            total = total / count
        failed = (failed | ~np.isfinite(total)) & ~null
        return _Vector(np.where(null | failed, 0.0, total), null, failed)

    def count(self, node: Count) -> _Vector:
        total, present, null, failed = np.int64(0), np.int64(0), _NO, _NO
        right_null = _NO
        if node.compared:
            right = self.evaluate(node.right)
            right_null, right_nine = right.null, nine(right.values)
            for element in node.compared:
                left = self.evaluate(element)
                one = _relation(node.operator, nine(left.values), right_nine, left, right)
                total, present = total + (one.values != 0), present + ~left.null
                null, failed = null | one.null, failed | one.failed
        if node.matched:
            right_side = self._side(node.right)
            right_null = right_null | right_side.null
            for element in node.matched:
                left_side = self._side(element)
                one = self._matched(node.operator, left_side, right_side)
                total, present = total + (one.values != 0), present + ~left_side.null
                null, failed = null | one.null, failed | one.failed
        if self._pass_over:
            null = right_null | (present == 0)
        failed = failed & ~null
        return _vector(total, null, failed)

    def answered(self, node: Answered) -> _Vector:
        total: Any = np.int64(0)
        for item in node.items:
            total = total + self._batch.answered[item]
        return _Vector(total + 0.0, _NO, _NO)

    def lookup(self, node: Lookup) -> _Vector:
        operand = self.evaluate(node.operand)
        scores = self._batch.lookups[node.table](
            np.array(np.broadcast_to(operand.values, (self._batch.rows,)), dtype=np.float64)
        )
        null = operand.null | (~operand.failed & np.isnan(scores))
        return _Vector(np.where(null | operand.failed, 0.0, scores), null, operand.failed & ~null)

    def _side(self, node: Node) -> "_Side":
        """Return the possible values of a side of a Match, and each row's value."""
        if isinstance(node, Text):
            return _Side((node.value,), np.int64(0), _NO, _NO)
        if isinstance(node, Reference):
            column = self._batch.values[node.name]
            # A table without possible values still needs one entry.
            return _Side(
                column.values or ("",), np.where(column.null, 0, column.codes), column.null, _NO
            )
        number = self.evaluate(node)
        return _Side(None, number.values, number.null, number.failed)

    def _matched(self, operator: str, left: "_Side", right: "_Side") -> _Vector:
        if left.values is None or right.values is None:
            equal = _numbers_of(left) == _numbers_of(right)  # NaN, a text, equals nothing
        else:
            places: dict[Any, int] = {}
            left_ids, right_ids = (
                np.array(
                    [
                        places.setdefault(_identity(value), len(places))
                        for value in side.values or ()
                    ],
                    dtype=np.int64,
                )
                for side in (left, right)
            )
            equal = left_ids.take(left.rows) == right_ids.take(right.rows)
        null = left.null | right.null
        return _vector(equal ^ (operator == "!="), null, (left.failed | right.failed) & ~null)


class _Side(NamedTuple):
    """A side of a Match. `rows` are indices into `values`, or numbers if `values` is None."""

    values: tuple[Value, ...] | None
    rows: Any
    null: Any
    failed: Any


def _numbers_of(side: _Side) -> Any:
    if side.values is None:
        return nine(side.rows)
    table = np.array(
        [np.nan if isinstance(value, str) else float(value) for value in side.values],
        dtype=np.float64,
    )
    return nine(table).take(side.rows)


def _identity(value: Value) -> Any:
    return value if isinstance(value, str) else round(float(value), 9)


def _relation(operator: str, left: Any, right: Any, left_of: _Vector, right_of: _Vector) -> _Vector:
    """Compare two numbers that were rounded to 9 decimals."""
    match operator:
        case "==":
            result = left == right
        case "!=":
            result = left != right
        case "<":
            result = left < right
        case "<=":
            result = left <= right
        case ">":
            result = left > right
        case _:
            result = left >= right
    null = left_of.null | right_of.null
    return _vector(result, null, (left_of.failed | right_of.failed) & ~null)


def _is_true(vector: _Vector) -> Any:
    """Return whether a value differs from 0, as comparisons do. False for no value."""
    return nine(vector.values) != 0


def _vector(counts: Any, null: Any, failed: Any) -> _Vector:
    """Return a vector of truth values or counts."""
    return _Vector(np.where(null | failed, 0.0, counts + 0.0), null, failed)


_HANDLERS: dict[type, Callable[[_Evaluator, Any], _Vector]] = {
    Number: _Evaluator.number,
    Null: _Evaluator.null,
    Reference: _Evaluator.reference,
    Arithmetic: _Evaluator.arithmetic,
    Negative: _Evaluator.negative,
    Compare: _Evaluator.compare,
    Match: _Evaluator.match,
    And: _Evaluator.conjunction,
    Or: _Evaluator.disjunction,
    Not: _Evaluator.inversion,
    If: _Evaluator.choice,
    Aggregate: _Evaluator.aggregate,
    Count: _Evaluator.count,
    Answered: _Evaluator.answered,
    Absolute: _Evaluator.absolute,
    Round: _Evaluator.round,
    Lookup: _Evaluator.lookup,
}
