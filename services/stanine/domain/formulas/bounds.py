"""Bounds of a formula's value by interval arithmetic. Called at publication, for a scale's `range`.

The bounds are safe, not tight: a name that occurs twice may take two values at once. Each step mirrors a step of the
evaluation, and float64 rounds monotonically, so rounding cannot move a value outside.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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
)
from stanine.domain.scoring.rounding import round_decimal

Bounds = tuple[float, float]


class _Interval(NamedTuple):
    low: float
    high: float


_TRUTH = _Interval(0.0, 1.0)
_ALL = _Interval(-math.inf, math.inf)


def bounds(
    formula: Formula,
    names: Mapping[str, Bounds | None],
    tables: Mapping[str, Bounds | None] | None = None,
    *,
    pass_over: bool = False,
) -> Bounds | None:
    """Return the lowest and highest value of a formula; None if unbounded or never defined.

    `names`: bounds of the formula's names; `tables`: bounds of the scores in its lookups; absent or None means
    unbounded. `pass_over`: the scale has `minValid`, so lists may lack elements.
    """
    found = _Bounder(names, tables or {}, pass_over=pass_over).find(formula.tree)
    if found is None or not (math.isfinite(found.low) and math.isfinite(found.high)):
        return None
    return found.low + 0.0, found.high + 0.0


class _Bounder:
    """Computes intervals; None is the interval of an expression that never has a value."""

    def __init__(
        self,
        names: Mapping[str, Bounds | None],
        tables: Mapping[str, Bounds | None],
        *,
        pass_over: bool,
    ) -> None:
        self._names, self._tables, self._pass_over = names, tables, pass_over

    def find(self, node: Node) -> _Interval | None:
        found: _Interval | None = _FINDERS[type(node)](self, node)
        return found

    def arithmetic(self, node: Arithmetic) -> _Interval | None:
        total = self.find(node.operands[0])
        for operator, operand in zip(node.operators, node.operands[1:], strict=True):
            other = self.find(operand)
            total = None if total is None or other is None else _combine(operator, total, other)
        return total

    def choice(self, node: If) -> _Interval | None:
        return _union([self.find(node.then), self.find(node.otherwise)])

    def aggregate(self, node: Aggregate) -> _Interval | None:
        found = []
        for element in node.elements:
            found.append(self.find(element))  # noqa: PERF401 - a comprehension is a frame more for each depth
        present = [one for one in found if one is not None]
        if not present or (len(present) < len(found) and not self._pass_over):
            return None
        lows, highs = [one.low for one in present], [one.high for one in present]
        match node.function:
            case "min":
                return _Interval(min(lows), max(highs) if self._pass_over else min(highs))
            case "max":
                return _Interval(min(lows) if self._pass_over else max(lows), max(highs))
            case "sum":
                return self._sum(lows, highs)
        if self._pass_over:
            # A mean of a subset. Its sum is rounded once per element, so the mean may exceed the elements' range by
            # that.
            slack = len(lows) * 2.0**-52 * max(map(abs, (*lows, *highs)))
            return _Interval(min(lows) - slack, max(highs) + slack)
        total = self._sum(lows, highs)
        return _Interval(total.low / len(lows), total.high / len(lows))

    def _sum(self, lows: list[float], highs: list[float]) -> _Interval:
        if self._pass_over and len(lows) > 1:
            # Skipped elements add nothing. The last element cannot be skipped: a sum of one element is that element.
            return _Interval(
                min(*lows, _added(min(0.0, low) for low in lows)),
                max(*highs, _added(max(0.0, high) for high in highs)),
            )
        return _Interval(_added(lows), _added(highs))

    def absolute(self, node: Absolute) -> _Interval | None:
        found = self.find(node.operand)
        if found is None:
            return None
        nearest = 0.0 if found.low <= 0 <= found.high else min(abs(found.low), abs(found.high))
        return _Interval(nearest, max(abs(found.low), abs(found.high)))

    def negative(self, node: Negative) -> _Interval | None:
        found = self.find(node.operand)
        return None if found is None else _Interval(-found.high, -found.low)

    def round(self, node: Round) -> _Interval | None:
        found = self.find(node.operand)
        if found is None:
            return None
        return _Interval(
            *(
                round_decimal(end, node.mode, node.decimals) if math.isfinite(end) else end
                for end in found
            )
        )


def _combine(operator: str, left: _Interval, right: _Interval) -> _Interval:
    match operator:
        case "+":
            return _ordered([left.low + right.low, left.high + right.high])
        case "-":
            return _ordered([left.low - right.high, left.high - right.low])
        case "*":
            return _ordered([one * other for one in left for other in right])
        case _:
            return (
                _ALL
                if right.low <= 0 <= right.high
                else _ordered([one / other for one in left for other in right])
            )


def _ordered(ends: list[float]) -> _Interval:
    return _ALL if any(map(math.isnan, ends)) else _Interval(min(ends), max(ends))


def _union(found: list[_Interval | None]) -> _Interval | None:
    present = [one for one in found if one is not None]
    return (
        _Interval(min(one.low for one in present), max(one.high for one in present))
        if present
        else None
    )


def _added(values: Any) -> float:
    total = 0.0
    for value in values:
        total += value
    return total


def _of(known: Bounds | None) -> _Interval:
    return _ALL if known is None else _Interval(*map(float, known))


_FINDERS: dict[type, Callable[[_Bounder, Any], _Interval | None]] = {
    Number: lambda _, node: _Interval(node.value, node.value),
    Null: lambda *_: None,
    Reference: lambda bounder, node: _of(bounder._names.get(node.name)),  # noqa: SLF001
    Arithmetic: _Bounder.arithmetic,
    Negative: _Bounder.negative,
    Compare: lambda *_: _TRUTH,
    Match: lambda *_: _TRUTH,
    And: lambda *_: _TRUTH,
    Or: lambda *_: _TRUTH,
    Not: lambda *_: _TRUTH,
    If: _Bounder.choice,
    Aggregate: _Bounder.aggregate,
    Count: lambda _, node: _Interval(0.0, float(len(node.compared) + len(node.matched))),
    Answered: lambda _, node: _Interval(0.0, float(len(node.items))),
    Absolute: _Bounder.absolute,
    Round: _Bounder.round,
    Lookup: lambda bounder, node: _of(bounder._tables.get(node.table)),  # noqa: SLF001
}
