"""Evaluates a formula for one attempt, by the operations of `formulas.evaluation` without NumPy.

Used by `explanation`. A value is a float, or None for null, or FAILED: a division by zero, or a result that is not
finite. Null has precedence over failure.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

from stanine.domain.formulas.tree import (
    Absolute,
    Aggregate,
    And,
    Answered,
    Arithmetic,
    Compare,
    Count,
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
from stanine.domain.scoring.rounding import nine, round_decimal


class _Failure(Enum):
    FAILED = "failed"


#: A division by zero, or a number that is not finite.
FAILED: Final = _Failure.FAILED
Result = float | None | _Failure

_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Inputs(NamedTuple):
    """The inputs of a formula for one attempt."""

    numbers: Mapping[str, float | None]
    #: Texts or numbers; None for null.
    values: Mapping[str, Any]
    answered: Mapping[str, bool]
    #: The tables of scales: a number to a score, None for no row.
    lookups: Mapping[str, Callable[[float], float | None]]


def evaluate(node: Node, inputs: Inputs, *, pass_over: bool) -> Result:
    """Return the value of a formula's tree. With `pass_over`, lists skip nulls."""
    found = _Evaluator(inputs, pass_over=pass_over).value(node)
    # Adding 0.0 converts -0.0 to 0.0.
    return found + 0.0 if isinstance(found, float) else found


class _Evaluator:
    """Evaluates nodes for one attempt."""

    def __init__(self, inputs: Inputs, *, pass_over: bool) -> None:
        self._inputs, self._pass_over = inputs, pass_over

    def value(self, node: Node) -> Result:  # noqa: C901 - one case a kind of node
        match node:
            case Number():
                return float(node.value)
            case Null():
                return None
            case Reference():
                return self._inputs.numbers[node.name]
            case Arithmetic():
                return self._arithmetic(node)
            case Negative():
                return _mapped(self.value(node.operand), operator.neg)
            case Absolute():
                return _mapped(self.value(node.operand), abs)
            case Round():
                mode, decimals = node.mode, node.decimals
                return _mapped(self.value(node.operand), lambda x: round_decimal(x, mode, decimals))
            case Compare():
                left, right = self.value(node.left), self.value(node.right)
                return _related(node.operator, left, right)
            case Match():
                return self._matched(node.operator, node.left, node.right)
            case Not():
                return _mapped(self.value(node.operand), lambda x: float(not _is_true(x)))
            case And():
                return self._logic(node.operands, deciding=False)
            case Or():
                return self._logic(node.operands, deciding=True)
            case If():
                condition = self.value(node.condition)
                if not isinstance(condition, float):
                    return condition
                return self.value(node.then if _is_true(condition) else node.otherwise)
            case Aggregate():
                return self._aggregate(node)
            case Count():
                return self._count(node)
            case Answered():
                return float(sum(self._inputs.answered[item] for item in node.items))
            case Lookup():
                x = self.value(node.operand)
                return self._inputs.lookups[node.table](x) if isinstance(x, float) else x
        raise TypeError(f"a {type(node).__name__} stands in a Match only")

    def _arithmetic(self, node: Arithmetic) -> Result:
        values = [self.value(one) for one in node.operands]
        if (gone := _worst(values)) is not True:
            return gone
        total: Any = values[0]
        for sign, other in zip(node.operators, values[1:], strict=True):
            match sign:
                case "+":
                    total = total + other
                case "-":
                    total = total - other
                case "*":
                    total = total * other
                case _:
                    total = total / other if other else math.inf
            if not math.isfinite(total):
                return FAILED
        return float(total)

    def _logic(self, operands: Iterable[Node], *, deciding: bool) -> Result:
        seen: list[Result] = []
        for operand in operands:
            one = self.value(operand)
            if isinstance(one, float) and _is_true(one) == deciding:
                # The deciding operand overrides an earlier null, but not a failure.
                return FAILED if FAILED in seen else float(deciding)
            seen.append(one)
        gone = _worst(seen)
        return float(not deciding) if gone is True else gone

    def _aggregate(self, node: Aggregate) -> Result:
        every = [self.value(one) for one in node.elements]
        present = [x for x in every if x is not None]
        if not present or (len(present) < len(every) and not self._pass_over):
            return None
        numbers = [x for x in present if isinstance(x, float)]
        if len(numbers) < len(present):
            return FAILED
        match node.function:
            case "min":
                return min(numbers)
            case "max":
                return max(numbers)
        total = 0.0
        for x in numbers:
            total += x
        if node.function == "mean":
            total /= len(numbers)
        return total if math.isfinite(total) else FAILED

    def _count(self, node: Count) -> Result:
        found: list[tuple[Result, bool]] = []
        right_null = False
        if node.compared:
            right = self.value(node.right)
            right_null = right is None
            for one in node.compared:
                left = self.value(one)
                found.append((_related(node.operator, left, right), left is not None))
        if node.matched:
            right_null = right_null or self._side(node.right) is None
            for one in node.matched:
                result = self._matched(node.operator, one, node.right)
                found.append((result, self._side(one) is not None))
        results = [result for result, _ in found]
        if self._pass_over:
            if right_null or not any(present for _, present in found):
                return None
            results = [result for result in results if result is not None]
        if (gone := _worst(results)) is not True:
            return gone
        return float(sum(result != 0 for result in results))

    def _side(self, node: Node) -> Any:
        """Return a side of a Match: a text or a number, None for null, FAILED."""
        if isinstance(node, Text):
            return node.value
        if isinstance(node, Reference):
            return self._inputs.values[node.name]
        return self.value(node)

    def _matched(self, relation: str, left: Node, right: Node) -> Result:
        one, other = self._side(left), self._side(right)
        if (gone := _worst([one, other])) is not True:
            return gone
        return float((_identity(one) == _identity(other)) == (relation == "=="))


def _worst(values: Iterable[Any]) -> Literal[True] | _Failure | None:
    """Return None if a value is null, else FAILED if one failed, else True."""
    values = list(values)
    if any(value is None for value in values):
        return None
    return FAILED if any(value is FAILED for value in values) else True


def _mapped(x: Result, work: Callable[[float], float]) -> Result:
    return work(x) if isinstance(x, float) else x


def _related(relation: str, left: Result, right: Result) -> Result:
    if isinstance(left, float) and isinstance(right, float):
        return float(_RELATIONS[relation](nine(left), nine(right)))
    return None if left is None or right is None else FAILED


def _is_true(x: float) -> bool:
    return nine(x) != 0


def _identity(value: Any) -> Any:
    return value if isinstance(value, str) else nine(float(value))
