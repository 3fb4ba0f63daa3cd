"""Evaluates a formula over a batch of attempts as NumPy vectors.

Called by the kernel; the API and the operator do not load it. Every step is elementwise, so a row's bits do not depend
on its batch. A row has a value, or is null, or failed (a division by zero, or a result that is not finite). Both
branches of an `if` are computed for all rows and each row selects its own, so a failure counts only in the selected
branch; likewise `and` and `or` ignore the operands after the one that decides.

Null has precedence over failure: where an operand is null and another failed, the result is null, as MissingValue
precedes DivisionByZero.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stanine.domain.formulas.columns import Batch, Floats, Mask
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
from stanine.domain.formulas.vectors import (
    NO,
    NULL,
    Side,
    Vector,
    counts_of,
    is_true,
    match_sides,
    relate,
)
from stanine.domain.scoring.rounding_vectors import nine, round_vector


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


class _Evaluator:
    """Evaluates nodes for one batch."""

    def __init__(self, batch: Batch, *, pass_over: bool) -> None:
        self._batch = batch
        self._pass_over = pass_over

    def evaluate(self, node: Node) -> Vector:
        result: Vector = _HANDLERS[type(node)](self, node)
        return result

    def number(self, node: Number) -> Vector:
        return Vector(np.float64(node.value), NO, NO)

    def null(self, _: Null) -> Vector:
        return NULL

    def reference(self, node: Reference) -> Vector:
        column = self._batch.numbers[node.name]
        return Vector(np.where(column.null, 0.0, column.values), column.null, NO)

    def arithmetic(self, node: Arithmetic) -> Vector:
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
        return Vector(total, null, failed & ~null)

    def negative(self, node: Negative) -> Vector:
        operand = self.evaluate(node.operand)
        return operand._replace(values=-operand.values)

    def absolute(self, node: Absolute) -> Vector:
        operand = self.evaluate(node.operand)
        return operand._replace(values=np.abs(operand.values))

    def round(self, node: Round) -> Vector:
        operand = self.evaluate(node.operand)
        return operand._replace(values=round_vector(operand.values, node.mode, node.decimals))

    def compare(self, node: Compare) -> Vector:
        left = self.evaluate(node.left)
        right = self.evaluate(node.right)
        return relate(node.operator, nine(left.values), nine(right.values), left, right)

    def match(self, node: Match) -> Vector:
        return match_sides(node.operator, self._side(node.left), self._side(node.right))

    def inversion(self, node: Not) -> Vector:
        operand = self.evaluate(node.operand)
        return counts_of(~is_true(operand), operand.null, operand.failed)

    def conjunction(self, node: And) -> Vector:
        return self._logic(node.operands, deciding=False)

    def disjunction(self, node: Or) -> Vector:
        return self._logic(node.operands, deciding=True)

    def _logic(self, operands: tuple[Node, ...], *, deciding: bool) -> Vector:
        """Combine the operands of `and` (0 decides) or `or` (a true value decides), left to right."""
        is_open, null, failed = np.True_, NO, NO
        for operand in operands:
            one = self.evaluate(operand)
            decides = ~one.null & ~one.failed & (is_true(one) == deciding)
            null = null | (is_open & one.null)
            failed = failed | (is_open & one.failed)
            is_open = is_open & ~decides
        null = null & is_open
        failed = failed & ~null
        return counts_of(is_open ^ deciding, null, failed)

    def choice(self, node: If) -> Vector:
        condition = self.evaluate(node.condition)
        then = self.evaluate(node.then)
        otherwise = self.evaluate(node.otherwise)
        chooses = is_true(condition)
        null = condition.null | (~condition.failed & np.where(chooses, then.null, otherwise.null))
        failed = ~null & (condition.failed | np.where(chooses, then.failed, otherwise.failed))
        return Vector(
            np.where(null | failed, 0.0, np.where(chooses, then.values, otherwise.values)),
            null,
            failed,
        )

    def aggregate(self, node: Aggregate) -> Vector:
        lowest_first = {"min": np.inf, "max": -np.inf}.get(node.function, 0.0)
        total: Any = np.float64(lowest_first)
        count, null, failed = np.int64(0), NO, NO
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
        return Vector(np.where(null | failed, 0.0, total), null, failed)

    def count(self, node: Count) -> Vector:
        total, present, null, failed = np.int64(0), np.int64(0), NO, NO
        right_null = NO
        if node.compared:
            right = self.evaluate(node.right)
            right_null, right_nine = right.null, nine(right.values)
            for element in node.compared:
                left = self.evaluate(element)
                one = relate(node.operator, nine(left.values), right_nine, left, right)
                total, present = total + (one.values != 0), present + ~left.null
                null, failed = null | one.null, failed | one.failed
        if node.matched:
            right_side = self._side(node.right)
            right_null = right_null | right_side.null
            for element in node.matched:
                left_side = self._side(element)
                one = match_sides(node.operator, left_side, right_side)
                total, present = total + (one.values != 0), present + ~left_side.null
                null, failed = null | one.null, failed | one.failed
        if self._pass_over:
            null = right_null | (present == 0)
        failed = failed & ~null
        return counts_of(total, null, failed)

    def answered(self, node: Answered) -> Vector:
        total: Any = np.int64(0)
        for item in node.items:
            total = total + self._batch.answered[item]
        return Vector(total + 0.0, NO, NO)

    def lookup(self, node: Lookup) -> Vector:
        operand = self.evaluate(node.operand)
        scores = self._batch.lookups[node.table](
            np.array(np.broadcast_to(operand.values, (self._batch.rows,)), dtype=np.float64)
        )
        null = operand.null | (~operand.failed & np.isnan(scores))
        return Vector(np.where(null | operand.failed, 0.0, scores), null, operand.failed & ~null)

    def _side(self, node: Node) -> Side:
        """Return the possible values of a side of a Match, and each row's value."""
        if isinstance(node, Text):
            return Side((node.value,), np.int64(0), NO, NO)
        if isinstance(node, Reference):
            column = self._batch.values[node.name]
            # A table without possible values still needs one entry.
            return Side(
                column.values or ("",), np.where(column.null, 0, column.codes), column.null, NO
            )
        number = self.evaluate(node)
        return Side(None, number.values, number.null, number.failed)


_HANDLERS: dict[type, Callable[[_Evaluator, Any], Vector]] = {
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
