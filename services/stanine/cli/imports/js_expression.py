"""Translates the JavaScript expressions of ReproSchema into formulas. Called by `reproschema`.

Read: numbers, texts, names, `+ - * /`, comparisons, `! && ||`, `c ? a : b`, `list.includes(x)`, and
`Math.round|min|max|abs`. Anything else is refused; nothing is executed.
"""

import re
from collections.abc import Callable

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?|\.\d+)|(?P<text>'[^'\\]*'|\"[^\"\\]*\")|(?P<name>[A-Za-z_$][\w$]*)"
    r"|(?P<mark>===|!==|==|!=|<=|>=|&&|\|\||[-+*/<>!?:(),.]))"
)
#: Operators by how tightly they bind, from the weakest.
_LEVELS: tuple[dict[str, str], ...] = (
    {"||": "or"},
    {"&&": "and"},
    {"===": "==", "!==": "!=", "==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="},
    {"+": "+", "-": "-"},
    {"*": "*", "/": "/"},
)
_FUNCTIONS = {"min": "min", "max": "max", "abs": "abs"}
_WORDS = {"true": "1", "false": "0"}
#: Depth of brackets; a formula has a limit of 32.
_DEPTH = 32
#: Characters of an expression, as of a formula.
_LENGTH = 4_096


#: Returns the formula's name for a variable, or for an option of it. Raises ValueError if it is unknown.
Resolve = Callable[[str, str | None], str]


def translate_expression(text: str, resolve: Resolve) -> str:
    """Return the formula of an expression.

    Raises ValueError with the reason.
    """
    if len(text) > _LENGTH:
        raise ValueError(f"it is longer than {_LENGTH:,} characters")
    return _Parser(_tokens(text), resolve).whole()


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    text = text.rstrip().rstrip(";")
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ValueError(f"it has {text[position:].strip()[:20]!r}, which has no counterpart")
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], resolve: Resolve) -> None:
        self._tokens, self._resolve = tokens, resolve
        self._at = self._depth = 0

    def whole(self) -> str:
        result = self._choice()
        if self._at < len(self._tokens):
            raise ValueError(f"{self._tokens[self._at][1]!r} is not expected")
        return result

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self, expected: str = "") -> str:
        word = self._peek()
        if not word or (expected and word != expected):
            raise ValueError(f"{expected or 'something'} is missing")
        self._at += 1
        return word

    def _choice(self) -> str:
        self._depth += 1
        if self._depth > _DEPTH:
            raise ValueError("it is nested too deeply")
        result = self._binary(0)
        if self._peek() == "?":
            self._take()
            first = self._choice()
            self._take(":")
            result = f"if({result}, {first}, {self._choice()})"
        self._depth -= 1
        return result

    def _binary(self, level: int) -> str:
        if level == len(_LEVELS):
            return self._unary()
        result = self._binary(level + 1)
        compared = False
        while (mark := self._peek()) in _LEVELS[level] and self._is_mark():
            if level == 2 and compared:
                raise ValueError("comparisons in a row have no counterpart")
            compared = True
            self._take()
            result = f"{result} {_LEVELS[level][mark]} {self._binary(level + 1)}"
        return result

    def _is_mark(self) -> bool:
        return self._tokens[self._at][0] == "mark"

    def _unary(self) -> str:
        if self._peek() in ("-", "+") and self._is_mark():
            sign = self._take()
            return f"-{self._unary()}" if sign == "-" else self._unary()
        if self._peek() == "!" and self._is_mark():
            self._take()
            return f"(not {self._unary()})"
        return self._primary()

    def _primary(self) -> str:
        if self._at >= len(self._tokens):
            raise ValueError("it ends too early")
        kind, word = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return word
        if kind == "text":
            if "'" in word[1:-1]:
                raise ValueError("a text has an apostrophe")
            return f"'{word[1:-1]}'"
        if word == "(":
            inner = self._choice()
            self._take(")")
            return f"({inner})"
        if kind != "name":
            raise ValueError(f"{word!r} is not expected")
        if word in _WORDS:
            return _WORDS[word]
        return self._call() if word == "Math" else self._variable(word)

    def _variable(self, name: str) -> str:
        if self._peek() != ".":
            return self._resolve(name, None)
        self._take(".")
        if self._take() != "includes":
            raise ValueError(f"a part of {name} has no counterpart")
        self._take("(")
        sign = self._take() if self._peek() == "-" else ""
        option = sign + self._take().strip("\"'")
        self._take(")")
        return f"({self._resolve(name, option)} == 1)"

    def _call(self) -> str:
        self._take(".")
        function = self._take()
        self._take("(")
        arguments = [self._choice()]
        while self._peek() == ",":
            self._take()
            arguments.append(self._choice())
        self._take(")")
        if function == "round" and len(arguments) == 1:
            return f"round({arguments[0]}, HalfUp)"
        if function in _FUNCTIONS:
            return f"{_FUNCTIONS[function]}({', '.join(arguments)})"
        raise ValueError(f"Math.{function} has no counterpart")


def sum_of(formula: str) -> list[str] | None:
    """Return the names in a formula that only adds different names; None: it does more."""
    names = formula.split(" + ")
    is_sum = len(names) > 1 and all(re.fullmatch(r"[A-Za-z]\w*", name) for name in names)
    return names if is_sum and len(set(names)) == len(names) else None
