"""The slow, obvious evaluator of formulas: DESIGN 4.1 read aloud, in exact fractions, one person at a time. Shares no code with the engine.

It evaluates the trees of `formula_generator`, never a text. `benchmarks/formulas.py` runs it a million times.

A value is a fraction with a mark: exact if float64 made no rounding on the way. Where float64 may fall on another side than the fraction
(a comparison or a division by what might be zero), `Doubtful` is raised and the case is not judged.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from .formula_generator import HIDDEN, ITEMS, TABLE, is_answered, seen

FAILED, NULL = "failed", "null"
_WORST = [FAILED, NULL, HIDDEN]


class Doubtful(Exception):  # noqa: N818 - no error
    """Float64 may rightly differ from the fraction here."""


class Number:
    """A fraction, and whether float64 holds it and all that it was made of exactly."""

    def __init__(self, value: Fraction, *of: "Number") -> None:
        self.value = value
        self.exact: bool = (
            all(one.exact for one in of) and abs(value) < 2**40 and Fraction(float(value)) == value
        )
        if not self.exact and abs(value) > 10_000:
            raise Doubtful


def nine(x: Number) -> Fraction:
    units = x.value * 10**9
    if not x.exact and abs(units % 1 - Fraction(1, 2)) < Fraction(1, 50):
        raise Doubtful
    return Fraction(round(units), 10**9)


def evaluate(node: Any, person: dict[str, Any], *, pass_over: bool = False) -> Any:  # noqa: C901 - one case a kind of node
    """Return the Number that a formula comes to, or FAILED, NULL or HIDDEN."""

    def value_of(child: Any) -> Any:
        return evaluate(child, person, pass_over=pass_over)

    match node:
        case ("const", text):
            return Number(Fraction("0" + text + "0" if "." in text else text))
        case ("null",):
            return NULL
        case ("ref", name):
            known = seen(person, name)
            if known is None or isinstance(known, tuple):
                return NULL
            return HIDDEN if known == HIDDEN else Number(Fraction(known))
        case ("neg", child):
            return strictly([value_of(child)], lambda x: Number(-x.value, x))
        case ("chain", operator, left, right):
            return strictly(
                [value_of(left), value_of(right)], lambda x, y: arithmetic(operator, x, y)
            )
        case ("cmp", operator, left, right):
            return not_shown_is_false(
                strictly(
                    [value_of(left), value_of(right)], lambda x, y: truth(compare(operator, x, y))
                )
            )
        case ("match", operator, left, right):
            return matched(operator, left, right, person, value_of)
        case ("and", children):
            return logic(children, value_of, deciding=False)
        case ("or", children):
            return logic(children, value_of, deciding=True)
        case ("not", child):
            return strictly([value_of(child)], lambda x: truth(not is_true(x)))
        case ("if", condition, then, otherwise):
            decided = value_of(condition)
            if isinstance(decided, str):
                return decided
            return value_of(then if is_true(decided) else otherwise)
        case ("list", function, children):
            found = [value_of(child) for child in written_out(children)]
            if pass_over:
                found = [one for one in found if one != NULL]
                if not found:
                    return NULL
            return strictly(found, lambda *xs: aggregate(function, xs))
        case ("count", children, operator, right):
            return counted(
                written_out(children), operator, right, person, value_of, pass_over=pass_over
            )
        case ("answered", children):
            return Number(
                Fraction(
                    sum(
                        is_answered(person, name)
                        for name in {child[1] for child in written_out(children)}
                    )
                )
            )
        case ("abs", child):
            return strictly([value_of(child)], lambda x: Number(abs(x.value), x))
        case ("round", child, mode, decimals):
            return strictly([value_of(child)], lambda x: rounded(x, mode, decimals or 0))
        case ("lookup", child):
            operand = value_of(child)
            if isinstance(operand, str):
                return operand
            score = TABLE.get(int(nine(operand))) if nine(operand).denominator == 1 else None
            return NULL if score is None else Number(Fraction(score))
    raise AssertionError(node)


def written_out(children: list[Any]) -> list[Any]:
    order = list(ITEMS)
    result: list[Any] = []
    for child in children:
        if child[0] == "range":
            result += [
                ("ref", name) for name in order[order.index(child[1]) : order.index(child[2]) + 1]
            ]
        else:
            result.append(child)
    return result


def strictly(found: list[Any], work: Callable[..., Any]) -> Any:
    worst = max((_WORST.index(one) for one in found if isinstance(one, str)), default=None)
    return work(*found) if worst is None else _WORST[worst]


def not_shown_is_false(result: Any) -> Any:
    return truth(False) if result == HIDDEN else result


def truth(is_so: bool) -> Number:
    return Number(Fraction(int(is_so)))


def is_true(x: Number) -> bool:
    return nine(x) != 0


def arithmetic(operator: str, x: Number, y: Number) -> Any:
    if operator == "/":
        if y.value == 0 or (not y.exact and abs(y.value) < Fraction(1, 1000)):
            if not y.exact:
                raise Doubtful
            return FAILED
        return Number(x.value / y.value, x, y)
    return Number(
        {"+": x.value + y.value, "-": x.value - y.value, "*": x.value * y.value}[operator], x, y
    )


def compare(operator: str, x: Number, y: Number) -> bool:
    left, right = nine(x), nine(y)
    return {
        "==": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[operator]


def matched(
    operator: str, left: Any, right: Any, person: dict[str, Any], value_of: Callable[[Any], Any]
) -> Any:
    """Compare values. With a text (or what can be one, on both sides) a condition sees a chosen missing option; a formula never does."""
    sees_missing = person.get("condition", False) and all(
        side[0] in ("name", "text") for side in (left, right)
    )
    found: list[Any] = []
    for side in (left, right):
        if side[0] == "text":
            found.append(("value", side[1]))
        elif side[0] == "name":
            known = seen(person, side[1])
            if isinstance(known, tuple):
                known = known[1] if sees_missing else None
            found.append(NULL if known is None else HIDDEN if known == HIDDEN else ("value", known))
        else:
            number = value_of(side)
            found.append(number if isinstance(number, str) else ("value", nine(number)))
    return not_shown_is_false(
        strictly(found, lambda x, y: truth((x[1] == y[1]) == (operator == "==")))
    )


def logic(children: list[Any], value_of: Callable[[Any], Any], *, deciding: bool) -> Any:
    met: list[str] = []
    for child in children:
        one = value_of(child)
        if isinstance(one, str):
            met.append(one)
        elif is_true(one) is deciding:
            return FAILED if FAILED in met else truth(deciding)
    return max(met, key=_WORST.index) if met else truth(not deciding)


def aggregate(function: str, xs: tuple[Number, ...]) -> Number:
    total = Number(Fraction(0))
    for x in xs:
        total = Number(total.value + x.value, total, x)
    match function:
        case "min":
            return Number(min(x.value for x in xs), *xs)
        case "max":
            return Number(max(x.value for x in xs), *xs)
        case "sum":
            return total
    return Number(total.value / len(xs), total)


def counted(
    children: list[Any],
    operator: str,
    right: Any,
    person: dict[str, Any],
    value_of: Callable[[Any], Any],
    *,
    pass_over: bool,
) -> Any:
    results = []
    for child in children:
        if child[0] in ("name", "text") or right[0] in ("name", "text"):
            element = matched("==", child, child, person, value_of)
            one = matched(operator, child, right, person, value_of)
        else:
            element = value_of(child)
            one = not_shown_is_false(
                strictly([element, value_of(right)], lambda x, y: truth(compare(operator, x, y)))
            )
        if not (pass_over and element == NULL):
            results.append(one)
    if pass_over:
        if not results or NULL in results:  # what is left is null by its right side
            return NULL
        side = right if right[0] in ("name", "text") else None
        value = matched("==", side, side, person, value_of) if side else value_of(right)
        if value == NULL:
            return NULL
    return strictly(results, lambda *xs: Number(sum((x.value for x in xs), Fraction(0))))


def rounded(x: Number, mode: str, decimals: int) -> Number:
    units = nine(x) * 10**decimals
    down = units.numerator // units.denominator
    rest = units - down
    half = Fraction(1, 2)
    up = {
        "Up": rest > 0,
        "Down": False,
        "HalfUp": rest >= half,
        "HalfEven": rest > half or (rest == half and down % 2 == 1),
    }[mode]
    return Number(Fraction(down + up, 10**decimals), x)
