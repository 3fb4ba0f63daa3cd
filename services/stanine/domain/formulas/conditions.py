"""Evaluates the condition of a `when` for one attempt. No NumPy.

Used for validating attempts and for choosing what pages show. Differs from a formula in the states of an item: not
shown (a comparison that uses such an item is 0), and answered by a `missing` option (whose value a comparison with a
text sees).
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, IntEnum
from typing import Any, Final

import msgspec

from stanine.domain.formulas.tree import (
    Absolute,
    Aggregate,
    And,
    Answered,
    Arithmetic,
    Compare,
    Condition,
    Count,
    If,
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


class Missing(msgspec.Struct, frozen=True):
    """A chosen `missing` option, by its value."""

    value: int | float | str


class _Shown(Enum):
    NOT_SHOWN = "not shown"


#: Value of an item that its own condition, or its section's, hides.
NOT_SHOWN: Final = _Shown.NOT_SHOWN

#: Value of a name: a number, a text, `Missing`, `NOT_SHOWN`, None for no answer. A whole Multiple, Ranking, Text or
#: Date item is answered unless it has one of the last three.
Seen = Any
Values = Mapping[str, Seen]


class _NoNumber(IntEnum):
    """Reasons for the lack of a number, by precedence: the greatest counts."""

    FAILED = 1
    NULL = 2
    HIDDEN = 3


_Result = float | _NoNumber
_Step = Callable[[Values], _Result]


def compile_condition(condition: Condition) -> Callable[[Values], bool | None]:
    """Return a function that evaluates whether an item with this condition is shown.

    It returns None if a value is missing or a divisor is zero. Its argument maps the condition's names to their values;
    an absent name has no answer. Thread-safe.
    """
    step = _compile(condition.tree)

    def is_shown(values: Values) -> bool | None:
        result = step(values)
        return None if isinstance(result, _NoNumber) else nine(result) != 0

    return is_shown


def _compile(node: Node) -> _Step:
    return _COMPILERS[type(node)](node)


def _number(node: Number) -> _Step:
    value = node.value
    return lambda _: value


def _null(_: Null) -> _Step:
    return lambda _: _NoNumber.NULL


def _reference(node: Reference) -> _Step:
    name = node.name

    def read(values: Values) -> _Result:
        seen = values.get(name)
        if seen is None or isinstance(seen, Missing):
            return _NoNumber.NULL
        return _NoNumber.HIDDEN if seen is NOT_SHOWN else float(seen)

    return read


def _strictly(operands: Iterable[Node], work: Callable[[list[float]], float]) -> _Step:
    """Return a step that requires all its operands."""
    steps = []
    for operand in operands:
        steps.append(_COMPILERS[type(operand)](operand))  # noqa: PERF401 - a comprehension is a frame more for each depth

    def run(values: Values) -> _Result:
        found: list[Any] = []
        worst = 0
        for step in steps:
            result = step(values)
            if isinstance(result, _NoNumber):
                worst = max(worst, result)
            found.append(result)
        return _NoNumber(worst) if worst else _finite(work, found)

    return run


def _finite(work: Callable[[list[float]], float], numbers: list[float]) -> _Result:
    try:
        result = work(numbers)
    except (ZeroDivisionError, OverflowError):
        return _NoNumber.FAILED
    return result if math.isfinite(result) else _NoNumber.FAILED


def _arithmetic(node: Arithmetic) -> _Step:
    operations: list[Callable[[float, float], float]] = [_OPERATIONS[one] for one in node.operators]

    def work(numbers: list[float]) -> float:
        total = numbers[0]
        for operation, number in zip(operations, numbers[1:], strict=True):
            total = operation(total, number)
            if not math.isfinite(total):
                raise OverflowError
        return total

    return _strictly(node.operands, work)


def _compared(relation: str) -> Callable[[list[float]], float]:
    compare = _RELATIONS[relation]
    return lambda sides: float(compare(nine(sides[0]), nine(sides[1])))


def _hidden_is_false(step: _Step) -> _Step:
    """Return the step of a comparison: 0 if it uses an item that is not shown."""

    def run(values: Values) -> _Result:
        result = step(values)
        return 0.0 if result is _NoNumber.HIDDEN else result

    return run


def _compare(node: Compare) -> _Step:
    return _hidden_is_false(_strictly((node.left, node.right), _compared(node.operator)))


def _match(node: Match) -> _Step:
    # With a number, a `missing` option compares as no answer; with a text, as the chosen option.
    sees_missing = all(isinstance(side, Text | Reference) for side in (node.left, node.right))
    left, right = _value(node.left, sees_missing), _value(node.right, sees_missing)
    wanted = node.operator == "=="

    def run(values: Values) -> _Result:
        one, other = left(values), right(values)
        nothing = max((side for side in (one, other) if isinstance(side, _NoNumber)), default=None)
        if nothing is not None:
            return 0.0 if nothing is _NoNumber.HIDDEN else nothing
        return float((one == other) is wanted)

    return run


def _value(node: Node, sees_missing: bool) -> Callable[[Values], Any]:
    """Return a step that yields the value of a side: a text or a number."""
    if isinstance(node, Text):
        text = node.value
        return lambda _: text
    if not isinstance(node, Reference):
        step = _compile(node)
        return lambda values: _identity(step(values))
    name = node.name

    def read(values: Values) -> Any:
        seen = values.get(name)
        if isinstance(seen, Missing):
            seen = seen.value if sees_missing else None
        if seen is None:
            return _NoNumber.NULL
        return _NoNumber.HIDDEN if seen is NOT_SHOWN else _identity(seen)

    return read


def _identity(value: Any) -> Any:
    return value if isinstance(value, str | _NoNumber) else nine(float(value))


def _not(node: Not) -> _Step:
    return _strictly((node.operand,), lambda numbers: float(nine(numbers[0]) == 0))


def _logic(operands: tuple[Node, ...], *, deciding: bool) -> _Step:
    steps = []
    for operand in operands:
        steps.append(_COMPILERS[type(operand)](operand))  # noqa: PERF401 - as in _strictly

    def run(values: Values) -> _Result:
        worst, failed = 0, False
        for step in steps:
            result = step(values)
            if isinstance(result, _NoNumber):
                worst = max(worst, result)
                failed |= result is _NoNumber.FAILED
            elif (nine(result) != 0) is deciding:
                return _NoNumber.FAILED if failed else float(deciding)
        return _NoNumber(worst) if worst else float(not deciding)

    return run


def _if(node: If) -> _Step:
    condition, then, otherwise = (
        _compile(node.condition),
        _compile(node.then),
        _compile(node.otherwise),
    )

    def run(values: Values) -> _Result:
        result = condition(values)
        if isinstance(result, _NoNumber):
            return result
        return then(values) if nine(result) != 0 else otherwise(values)

    return run


def _aggregate(node: Aggregate) -> _Step:
    match node.function:
        case "min":
            return _strictly(node.elements, min)
        case "max":
            return _strictly(node.elements, max)
        case "sum":
            return _strictly(node.elements, _sum)
        case "mean":
            return _strictly(node.elements, lambda numbers: _sum(numbers) / len(numbers))


def _sum(numbers: list[float]) -> float:
    total = 0.0
    for number in numbers:  # left to right: sum() compensates since Python 3.12
        total += number
    return total


def _count(node: Count) -> _Step:
    comparisons = [
        _compare(Compare(node.operator, element, node.right)) for element in node.compared
    ]
    comparisons += [_match(Match(node.operator, element, node.right)) for element in node.matched]  # type: ignore[arg-type]

    def run(values: Values) -> _Result:
        total, worst = 0.0, 0
        for comparison in comparisons:
            result = comparison(values)
            if isinstance(result, _NoNumber):
                worst = max(worst, result)
            else:
                total += result
        return _NoNumber(worst) if worst else total

    return run


def _answered(node: Answered) -> _Step:
    items = node.items

    def run(values: Values) -> _Result:
        seen = map(values.get, items)
        return float(
            sum(not (one is None or one is NOT_SHOWN or isinstance(one, Missing)) for one in seen)
        )

    return run


def _round(node: Round) -> _Step:
    mode, decimals = node.mode, node.decimals
    return _strictly((node.operand,), lambda numbers: round_decimal(numbers[0], mode, decimals))


_OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
#: Conditions have no `lookup`.
_COMPILERS: dict[type, Callable[[Any], _Step]] = {
    Number: _number,
    Null: _null,
    Reference: _reference,
    Arithmetic: _arithmetic,
    Negative: lambda node: _strictly((node.operand,), lambda numbers: -numbers[0]),
    Compare: _compare,
    Match: _match,
    And: lambda node: _logic(node.operands, deciding=False),
    Or: lambda node: _logic(node.operands, deciding=True),
    Not: _not,
    If: _if,
    Aggregate: _aggregate,
    Count: _count,
    Answered: _answered,
    Absolute: lambda node: _strictly((node.operand,), lambda numbers: abs(numbers[0])),
    Round: _round,
}
