"""Splits a formula into tokens after checking its limits. Called by `parsing`.

The limits are checked before anything is built: the length, then the nesting of brackets, which bounds every later
recursion.
"""

import re
from typing import Literal, NamedTuple, get_args

from stanine.domain.errors import Code
from stanine.domain.scoring.rounding import Mode

#: Maximum of characters of a formula, and of nested brackets (those of calls included).
MAX_LENGTH = 4_096
MAX_NESTING = 32

#: Functions of a list, and those with other arguments.
LIST_FUNCTIONS = ("min", "max", "sum", "mean")
FUNCTIONS = (*LIST_FUNCTIONS, "count", "answered", "if", "abs", "round", "lookup")
#: Reserved words: no item, scale, attribute or profile may have them as its id.
WORDS = frozenset({"and", "or", "not", "null", *FUNCTIONS})
#: The modes of rounding. They occur where no name can, so an id may be one.
MODES: tuple[Mode, ...] = get_args(Mode)

#: ASCII only: a similar digit or letter of another script is rejected.
_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)?)"
    r"|(?P<text>'[^']*')"
    r"|(?P<operator>\.\.|==|!=|<=|>=|[-+*/<>(),])"
)
_AFTER_NUMBER = re.compile(r"[A-Za-z0-9_.]")
#: Operators of other languages, and the equivalents here.
_HINTS = {
    "=": "write == to compare",
    "!": "write `not`, or != to compare",
    "&": "write `and`",
    "|": "write `or`",
    '"': "write texts in single quotes: 'text'",
    "^": "there are no powers: multiply",
    "'": "the text that begins here has no closing quote",
}


class FormulaError(Exception):
    """Raised at the first character that is not part of a formula: `at` counts from 0."""

    def __init__(self, at: int, code: Code, detail: str) -> None:
        super().__init__(at, code, detail)
        self.at, self.code, self.detail = at, code, detail


class Token(NamedTuple):
    """A part of the text. Texts have no quotes; the last token is the end."""

    kind: Literal["number", "name", "text", "operator", "end"]
    text: str
    at: int


def tokens(text: str) -> list[Token]:
    """Return the tokens of a formula and an end token.

    Raises FormulaError: too long, too deep, or an invalid character.
    """
    if len(text) > MAX_LENGTH:
        raise FormulaError(
            MAX_LENGTH, "TooLong", f"it has {len(text)} characters; {MAX_LENGTH} are allowed"
        )
    found: list[Token] = []
    depth = at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise FormulaError(at, "Syntax", _meaningless(text, at))
        piece = match.group()
        if match.lastgroup == "number" and _AFTER_NUMBER.match(text, match.end()):
            raise FormulaError(at, "Syntax", "a number has digits and at most one point")
        if piece == "(":
            depth += 1
            if depth > MAX_NESTING:
                raise FormulaError(
                    at, "TooDeep", f"brackets and calls lie more than {MAX_NESTING} deep"
                )
        elif piece == ")":
            depth -= 1
        if match.lastgroup != "space":
            found.append(
                Token(match.lastgroup, piece[1:-1] if match.lastgroup == "text" else piece, at)  # type: ignore[arg-type]
            )
        at = match.end()
    return [*found, Token("end", "", len(text))]


def position(text: str, at: int) -> str:
    """Return a position for an error message: `character 7`, with the line if there are several."""
    if "\n" not in text:
        return f"character {at + 1}"
    before = text[:at]
    return f"line {before.count(chr(10)) + 1}, character {at - before.rfind(chr(10))}"


def _meaningless(text: str, at: int) -> str:
    if text[at] in _HINTS:
        return _HINTS[text[at]]
    shown = f'"{text[at]}"' if text[at].isprintable() else f"the character U+{ord(text[at]):04X}"
    return f"{shown} has no meaning in a formula"
