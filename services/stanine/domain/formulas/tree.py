"""The checked tree of a formula or condition: frozen records without positions.

Created by `checking` only. Texts with one meaning give equal trees: `a+b` and `(a) + b`; ranges are expanded. All
records are array-like for msgspec and tagged, so a plan or a form that contains them always encodes to the same bytes.
"""

from typing import Literal

import msgspec

from stanine.domain.scoring.rounding import Mode

Comparison = Literal["==", "!=", "<", "<=", ">", ">="]


class _Node(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of all nodes."""


class Number(_Node, frozen=True):
    """A constant."""

    value: float


class Text(_Node, frozen=True):
    """A text in quotes. Occurs in a Match only."""

    value: str


class Null(_Node, frozen=True):
    """`null`."""


class Reference(_Node, frozen=True):
    """The value of a name: item, `item.option`, attribute, score.

    A text or mixed one occurs in a Match only.
    """

    name: str


class Arithmetic(_Node, frozen=True):
    """Operands joined by + and -, or by * and /, left to right.

    `operators` has one character fewer than there are operands.
    """

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
    """== or != with a text or a name that can be one: 1 or 0. A number differs from every text.

    A Text or Reference is compared by its value, of either type. Every other side is a number; a Reference to a number
    that is compared with a mixed name is therefore wrapped as the only operand of an Arithmetic.
    """

    operator: Literal["==", "!="]
    left: "Node"
    right: "Node"


class And(_Node, frozen=True):
    """1 if all are true, 0 if one is 0, even if others are null."""

    operands: "tuple[Node, ...]"


class Or(_Node, frozen=True):
    """1 if one is true, even if others are null; 0 if all are 0."""

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
    """Number of elements that compare with the right side.

    `compared` as in Compare, `matched` as in Match. Their order has no meaning.
    """

    operator: Comparison
    compared: "tuple[Node, ...]"
    matched: "tuple[Node, ...]"
    right: "Node"


class Answered(_Node, frozen=True):
    """Number of these items with an answer other than a `missing` option."""

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
    """The score of x in a scale's table; null if it has no row."""

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
    """A checked formula: its tree, and the inputs of its evaluation.

    All tuples are distinct names in the order of the text.
    """

    tree: Node
    #: All names: the `items` of a result. `m1.a` and `m1.b` are two.
    names: tuple[str, ...]
    #: Items and options of items: those that `minValid` counts.
    items: tuple[str, ...]
    #: Names needed as numbers (items, options of items, attributes, scores).
    numbers: tuple[str, ...]
    #: Names needed as texts or numbers, for a Match.
    values: tuple[str, ...]
    #: Items needed for `answered`.
    answered: tuple[str, ...]
    #: The scores among `numbers`: `mood`, `mood.t`. The scales before the dots must be finished first.
    scores: tuple[str, ...]
    #: Scales whose tables `lookup` uses; not a dependency.
    tables: tuple[str, ...]


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """A checked `when`: its tree, and its distinct names in the order of the text."""

    tree: Node
    names: tuple[str, ...]
