"""The checked tree of a formula or condition: frozen records that mean the same wherever they are stored. Made by `checking` only.

No record knows its position in the text, so that two texts with one meaning are equal: `a+b` and `(a) + b`; ranges are written out.
All are array-like for msgspec and tagged: a plan or a form that holds them encodes to the same bytes each time.
"""

from typing import Literal

import msgspec

from stanine.domain.scoring.rounding import Mode

Comparison = Literal["==", "!=", "<", "<=", ">", ">="]


class _Node(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What all nodes share."""


class Number(_Node, frozen=True):
    """A constant."""

    value: float


class Text(_Node, frozen=True):
    """A text in quotes. Stands in a Match only."""

    value: str


class Null(_Node, frozen=True):
    """`null`."""


class Reference(_Node, frozen=True):
    """The value of a name: item, `item.option`, attribute, score. A text or mixed one stands in a Match only."""

    name: str


class Arithmetic(_Node, frozen=True):
    """Operands joined by + and -, or by * and /, from left to right: `operators` has one character fewer than operands."""

    operators: str
    operands: "tuple[Node, ...]"


class Negative(_Node, frozen=True):
    """-x."""

    operand: "Node"


class Compare(_Node, frozen=True):
    """Two numbers compared at 9 decimals: 1 or 0."""

    operator: Comparison
    left: "Node"
    right: "Node"


class Match(_Node, frozen=True):
    """== or != with a text, or with a name that can be one: 1 or 0. A number differs from every text.

    A Text or Reference is taken by its value, whatever that is. Every other side is a number; the Reference of a number that meets a mixed
    name is therefore the only operand of an Arithmetic.
    """

    operator: Literal["==", "!="]
    left: "Node"
    right: "Node"


class And(_Node, frozen=True):
    """1 if all are true, 0 if one is 0, whatever is null."""

    operands: "tuple[Node, ...]"


class Or(_Node, frozen=True):
    """1 if one is true, whatever is null, 0 if all are 0."""

    operands: "tuple[Node, ...]"


class Not(_Node, frozen=True):
    """1 if it is 0, 0 if it is true."""

    operand: "Node"


class If(_Node, frozen=True):
    """`then` if the condition is true, `otherwise` if it is 0."""

    condition: "Node"
    then: "Node"
    otherwise: "Node"


class Aggregate(_Node, frozen=True):
    """min, max, sum or mean of a list."""

    function: Literal["min", "max", "sum", "mean"]
    elements: "tuple[Node, ...]"


class Count(_Node, frozen=True):
    """How many of these compare with the right side: `compared` as in Compare, `matched` as in Match. Their order has no meaning."""

    operator: Comparison
    compared: "tuple[Node, ...]"
    matched: "tuple[Node, ...]"
    right: "Node"


class Answered(_Node, frozen=True):
    """How many of these items have an answer that is not a `missing` option."""

    items: tuple[str, ...]


class Absolute(_Node, frozen=True):
    """abs(x)."""

    operand: "Node"


class Round(_Node, frozen=True):
    """x to 9 decimals, then to `decimals` by the mode."""

    operand: "Node"
    mode: Mode
    decimals: int


class Lookup(_Node, frozen=True):
    """The score that a scale's table has for x; null if it has none."""

    operand: "Node"
    table: str


Node = (
    Number
    | Text
    | Null
    | Reference
    | Arithmetic
    | Negative
    | Compare
    | Match
    | And
    | Or
    | Not
    | If
    | Aggregate
    | Count
    | Answered
    | Absolute
    | Round
    | Lookup
)


class Formula(msgspec.Struct, frozen=True, array_like=True):
    """A checked formula: its tree, and what an evaluation must be given. All tuples are distinct names in the order of the text."""

    tree: Node
    #: All names: what a result counts as `items`. `m1.a` and `m1.b` are two.
    names: tuple[str, ...]
    #: Those that are items or options of items: what `minValid` counts.
    items: tuple[str, ...]
    #: Those needed as numbers (items, options of items, attributes, scores).
    numbers: tuple[str, ...]
    #: Those needed as texts or numbers, for a Match.
    values: tuple[str, ...]
    #: The items needed for `answered`.
    answered: tuple[str, ...]
    #: Those of `numbers` that are scores: `mood`, `mood.t`. The scales before the dots must be finished first.
    scores: tuple[str, ...]
    #: Scales whose tables `lookup` uses; no dependency.
    tables: tuple[str, ...]


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """A checked `when`: its tree, and the distinct names that it uses in the order of the text."""

    tree: Node
    names: tuple[str, ...]
