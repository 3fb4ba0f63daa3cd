"""Parses a formula by recursive descent: one method per level of precedence, from the weakest.

Called by `checking`.

    or  <  and  <  not  <  == != < <= > >= (one only)  <  + -  <  * /  <  signs  <  values, calls, brackets

Repeated `not` and signs are read in a loop and chains are flat, so only brackets nest: `lexing.MAX_NESTING` bounds the
recursion.
"""

import math

from stanine.domain.formulas.lexing import FUNCTIONS, MODES, WORDS, FormulaError, Token, tokens
from stanine.domain.formulas.syntax import (
    Call,
    Chain,
    Constant,
    Counting,
    Inversion,
    Name,
    Negation,
    Range,
    Relation,
    Syntax,
)
from stanine.domain.scoring.rounding import MAX_DECIMALS

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def parse(text: str) -> Syntax:
    """Return the syntax of a text. Raises only FormulaError, with the position of the first error."""
    found = tokens(text)
    if len(found) == 1:
        raise FormulaError(0, "Syntax", "it is empty")
    parser = _Parser(found)
    whole = parser.disjunction()
    parser.refuse_rest()
    return whole


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._next = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._next]

    def disjunction(self) -> Syntax:
        return self._logic("or")

    def refuse_rest(self) -> None:
        if self.token.kind != "end":
            raise FormulaError(
                self.token.at,
                "Syntax",
                f"{_show(self.token)} cannot follow here: an operator is missing, or a bracket",
            )

    def _logic(self, word: str) -> Syntax:
        at = self.token.at
        operands = [self._logic("and") if word == "or" else self._inversion()]
        while self.token.kind == "name" and self.token.text == word:
            self._next += 1
            operands.append(self._logic("and") if word == "or" else self._inversion())
        return (
            operands[0]
            if len(operands) == 1
            else Chain(at, (word,) * (len(operands) - 1), tuple(operands))
        )

    def _inversion(self) -> Syntax:
        at, inversions = self.token.at, 0
        while self.token.kind == "name" and self.token.text == "not":
            self._next += 1
            inversions += 1
        result = self._relation()
        # An even number of `not` still converts a true value to 1.
        for _ in range(0 if inversions == 0 else 2 - inversions % 2):
            result = Inversion(at, result)
        return result

    def _relation(self) -> Syntax:
        left = self._sum()
        if not self._is_operator(*_COMPARISONS):
            return left
        operator = self._take()
        right = self._sum()
        if self._is_operator(*_COMPARISONS):
            raise FormulaError(
                self.token.at,
                "Syntax",
                "comparisons are not chained: join two of them by `and`, or use brackets",
            )
        return Relation(operator.at, operator.text, left, right)

    def _sum(self) -> Syntax:
        at, operators, operands = self.token.at, [], [self._product()]
        while self._is_operator("+", "-"):
            operators.append(self._take().text)
            operands.append(self._product())
        return Chain(at, tuple(operators), tuple(operands)) if operators else operands[0]

    def _product(self) -> Syntax:
        at, operators, operands = self.token.at, [], [self._signed()]
        while self._is_operator("*", "/"):
            operators.append(self._take().text)
            operands.append(self._signed())
        return Chain(at, tuple(operators), tuple(operands)) if operators else operands[0]

    def _signed(self) -> Syntax:
        at, negative = self.token.at, False
        while self._is_operator("+", "-"):
            negative ^= self._take().text == "-"
        operand = self._value()
        return Negation(at, operand) if negative else operand

    def _value(self) -> Syntax:
        token = self._take()
        match token.kind:
            case "number":
                return Constant(token.at, _number(token))
            case "text":
                return Constant(token.at, token.text)
            case "name" if token.text == "null":
                return Constant(token.at, None)
            case "name" if self._is_operator("("):
                return self._call(token)
            case "name" if token.text not in WORDS:
                return Name(token.at, token.text)
        if token.text == "(" and token.kind == "operator":
            inner = self.disjunction()
            self._close()
            return inner
        raise FormulaError(token.at, "Syntax", _expected_value(token))

    def _call(self, function: Token) -> Syntax:
        if function.text not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            what = (
                "is no function" if function.text in WORDS else "is no function that formulas have"
            )
            raise FormulaError(
                function.at, "UnknownReference", f'"{function.text}" {what}; there are {known}'
            )
        self._next += 1
        if self._is_operator(")"):
            raise FormulaError(
                self.token.at, "Syntax", f"{function.text} needs {_needs(function.text)}"
            )
        match function.text:
            case "count":
                result: Syntax = self._count()
            case "if":
                condition = self.disjunction()
                self._comma(function)
                then = self.disjunction()
                self._comma(function)
                result = Call(function.at, "if", (condition, then, self.disjunction()))
            case "round":
                result = self._round(function)
            case "lookup":
                operand = self.disjunction()
                self._comma(function)
                result = Call(
                    function.at,
                    "lookup",
                    (operand,),
                    (self._word("the name of a scale with a lookup"),),
                )
            case "abs":
                result = Call(function.at, "abs", (self.disjunction(),))
            case _:
                result = Call(function.at, function.text, self._list(function.text))
        self._close(function)
        return result

    def _round(self, function: Token) -> Syntax:
        operand = self.disjunction()
        self._comma(function)
        mode = self._word(f"one of {', '.join(MODES)}")
        if mode.text not in MODES:
            raise FormulaError(
                mode.at,
                "Syntax",
                f'"{mode.text}" is no way of rounding; write one of {", ".join(MODES)}, without quotes',
            )
        decimals = 0
        if self._is_operator(","):
            self._next += 1
            token = self._take()
            if (
                token.kind != "number"
                or not token.text.isdigit()
                or len(token.text) > 1
                or int(token.text) > MAX_DECIMALS
            ):
                raise FormulaError(
                    token.at, "Syntax", f"the decimals are a whole number from 0 to {MAX_DECIMALS}"
                )
            decimals = int(token.text)
        return Call(function.at, "round", (operand,), (mode,), decimals)

    def _count(self) -> Syntax:
        elements = self._list("count")
        if not self._is_operator(*_COMPARISONS):
            raise FormulaError(
                self.token.at, "Syntax", "count needs a comparison after its list: count(a, b >= 2)"
            )
        operator = self._take()
        right = self._sum()
        if self._is_operator(","):
            raise FormulaError(
                self.token.at,
                "Syntax",
                "in count the comparison comes once, after the whole list: count(a, b >= 2)",
            )
        return Counting(operator.at, elements, operator.text, right)

    def _list(self, function: str) -> tuple[Syntax | Range, ...]:
        elements = [self._element(function)]
        while self._is_operator(","):
            self._next += 1
            elements.append(self._element(function))
        return tuple(elements)

    def _element(self, function: str) -> Syntax | Range:
        following = self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        if self.token.kind == "name" and following.text == ".." and following.kind == "operator":
            first = self._word("the first item of a range")
            self._next += 1
            return Range(first.at, first, self._word("the last item of a range"))
        # In count, the comparison after the list applies to all its elements.
        return self._sum() if function == "count" else self.disjunction()

    def _word(self, what: str) -> Name:
        token = self._take()
        if token.kind != "name" or token.text in WORDS:
            raise FormulaError(
                token.at, "Syntax", f"{what} belongs here, without quotes, not {_show(token)}"
            )
        return Name(token.at, token.text)

    def _comma(self, function: Token) -> None:
        if not self._is_operator(","):
            raise FormulaError(
                self.token.at, "Syntax", f"{function.text} needs {_needs(function.text)}"
            )
        self._next += 1

    def _close(self, function: Token | None = None) -> None:
        if self._is_operator(")"):
            self._next += 1
            return
        if self.token.kind == "end":
            detail = "a bracket is not closed"
        elif self._is_operator(",") and function is not None:
            detail = f"{function.text} needs {_needs(function.text)}, no more"
        elif self._is_operator(".."):
            detail = "a range names two items and stands in a list of its own right: sum(p1..p8)"
        elif function is not None and self._is_operator(*_COMPARISONS):
            detail = "comparisons are not chained: join two of them by `and`, or use brackets"
        else:
            detail = f"{_show(self.token)} cannot follow here: an operator, a comma or a bracket is missing"
        raise FormulaError(self.token.at, "Syntax", detail)

    def _is_operator(self, *operators: str) -> bool:
        return self.token.kind == "operator" and self.token.text in operators

    def _take(self) -> Token:
        token = self.token
        if token.kind != "end":
            self._next += 1
        return token


def _number(token: Token) -> float:
    value = float(token.text)
    if math.isinf(value):
        raise FormulaError(token.at, "Syntax", "the number is too large")
    return value


def _show(token: Token) -> str:
    if token.kind == "text":
        return "a text"
    return (
        f'"{token.text if len(token.text) <= 40 else token.text[:40] + "…"}"'
        if token.kind != "end"
        else "the end"
    )


def _expected_value(token: Token) -> str:
    if token.kind == "end":
        return "it ends where a value belongs"
    if token.text in FUNCTIONS:
        return f'"{token.text}" is a function: write {token.text}({_example(token.text)})'
    if token.text == "not":
        return "`not` binds weaker than what stands before it: put it in brackets, (not x)"
    return f"a number, a name, a call or a bracket belongs here, not {_show(token)}"


def _example(function: str) -> str:
    return {
        "count": "a, b >= 2",
        "if": "condition, a, b",
        "abs": "x",
        "round": "x, HalfUp",
        "lookup": "x, SCALE",
    }.get(function, "a, b")


def _needs(function: str) -> str:
    return {
        "if": "three arguments: if(condition, a, b)",
        "abs": "one argument: abs(x)",
        "round": "a value, a mode and perhaps decimals: round(x, HalfUp, 1)",
        "lookup": "a value and the name of a scale: lookup(x, SCALE)",
        "count": "a list and a comparison: count(a, b >= 2)",
    }.get(function, "a list, such as p1..p8 or a, b")
