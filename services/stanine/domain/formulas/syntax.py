"""Syntax of a text, with the position of each part, before names are resolved.

Created by `parsing`, read by `checking`.
"""

from typing import NamedTuple


class Constant(NamedTuple):
    """A number, a text, or null."""

    at: int
    value: float | str | None


class Name(NamedTuple):
    """A name as written: `A1`, `m1.a`, `mood.t`."""

    at: int
    text: str


class Range(NamedTuple):
    """`first..last` in a list."""

    at: int
    first: Name
    last: Name


class Negation(NamedTuple):
    """-x."""

    at: int
    operand: "Syntax"


class Inversion(NamedTuple):
    """Not x."""

    at: int
    operand: "Syntax"


class Chain(NamedTuple):
    """Operands joined by + and -, * and /, `and`, or `or`; one operator fewer than operands."""

    at: int
    operators: tuple[str, ...]
    operands: "tuple[Syntax, ...]"


class Relation(NamedTuple):
    """Two sides and the comparison between them."""

    at: int
    operator: str
    left: "Syntax"
    right: "Syntax"


class Call(NamedTuple):
    """A function of a list or of a fixed number of values. `words`: a mode or a scale's name."""

    at: int
    function: str
    arguments: "tuple[Syntax | Range, ...]"
    words: tuple[Name, ...] = ()
    decimals: int = 0


class Counting(NamedTuple):
    """count(list operator right); `at` is the operator's position."""

    at: int
    elements: "tuple[Syntax | Range, ...]"
    operator: str
    right: "Syntax"


Syntax = Constant | Name | Negation | Inversion | Chain | Relation | Call | Counting
