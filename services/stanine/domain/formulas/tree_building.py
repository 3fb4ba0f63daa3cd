"""Builds the tree of a formula or condition from its syntax, and checks names and types on the way. Used by `checking`."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from stanine.domain.errors import Code
from stanine.domain.formulas.lexing import FormulaError
from stanine.domain.formulas.names import Names
from stanine.domain.formulas.resolving import Resolved, resolve
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
from stanine.domain.instruments.decoding import quote, several
from stanine.domain.limits import MAX_TERMS


class Allowance:
    """Budget for the expansion of the ranges of all texts of a document; shared by the checks.

    A short text can expand to many items: `sum(p1..p2000)`. Beyond the budget every range is rejected.
    """

    def __init__(self, left: int = MAX_TERMS) -> None:
        self.left = left

    def take(self, items: int) -> bool:
        """Subtract an amount; if the budget is too small, set it to 0 and return false."""
        self.left, is_enough = max(0, self.left - items), items <= self.left
        return is_enough


class TypedPart(NamedTuple):
    """A part of the text: its type and its tree."""

    at: int
    kind: Literal["Number", "Text", "Mixed", "Null", "Faulty"]
    node: Node
    #: The name's meaning, if the part is a name.
    resolved: Resolved | None = None


#: Placeholder of a part with an error, so that consequential errors are not reported.
_FAULTY: Node = Null()


class TreeBuilder:
    """Converts syntax to a tree.

    Uses two stack frames per level of brackets, far from the recursion limit.
    """

    def __init__(self, names: Names, allowance: Allowance, *, condition: bool, hints: int) -> None:
        self._names = names
        self._allowance = allowance
        self._hints = hints
        self._condition = condition
        self._items = tuple(names.items)
        self._order = {item: place for place, item in enumerate(self._items)}
        self.errors: list[FormulaError] = []
        #: Every name with its uses, in the order of the text.
        self.uses: dict[str, set[str]] = {}
        self.tables: dict[str, None] = {}

    def check(self, part: Syntax) -> TypedPart:
        """Return the typed tree of a part; errors are collected, and the part is then Faulty."""
        typed: TypedPart = _HANDLERS[type(part)](self, part)
        return typed

    def number(self, typed: TypedPart) -> Node:
        """Return the tree of a part that must be a number; otherwise add an error."""
        if typed.kind in ("Text", "Mixed"):
            what = (
                f'"{typed.resolved.name}" is a text or can be one, which'
                if typed.resolved
                else "a text"
            )
            self._note(typed.at, "WrongType", f"{what} can only be compared by == or !=")
        elif typed.resolved is not None:
            self.uses[typed.resolved.name].add("Number")
        return typed.node

    def constant(self, part: Constant) -> TypedPart:
        """Return the tree of a number, a text or null."""
        if part.value is None:
            return TypedPart(part.at, "Null", Null())
        if isinstance(part.value, str):
            return TypedPart(part.at, "Text", Text(part.value))
        return TypedPart(part.at, "Number", Number(part.value))

    def name(self, part: Name) -> TypedPart:
        """Return the tree of a name by its meaning."""
        resolved = self._resolve(part.text)
        if resolved.error is not None:
            self._note(part.at, *resolved.error)
            return TypedPart(part.at, "Faulty", _FAULTY)
        if resolved.kind == "Whole":
            self._note(part.at, "WrongType", _whole(resolved))
            return TypedPart(part.at, "Faulty", _FAULTY)
        self.uses.setdefault(part.text, set())
        return TypedPart(part.at, resolved.kind, Reference(part.text), resolved)

    def negation(self, part: Negation) -> TypedPart:
        """Return the tree of a number with a minus."""
        operand = self.number(self.check(part.operand))
        return TypedPart(
            part.at,
            "Number",
            Number(0.0 - operand.value) if isinstance(operand, Number) else Negative(operand),
        )

    def inversion(self, part: Inversion) -> TypedPart:
        """Return the tree of a `not`."""
        return TypedPart(part.at, "Number", Not(self.number(self.check(part.operand))))

    def chain(self, part: Chain) -> TypedPart:
        """Return the tree of arithmetic, or operands of `and` or `or`."""
        operands: list[Node] = []
        for operand in part.operands:
            operands.append(self.number(self.check(operand)))  # noqa: PERF401 - a comprehension is a frame more for each depth
        if part.operators[0] in ("and", "or"):
            return TypedPart(
                part.at, "Number", (And if part.operators[0] == "and" else Or)(tuple(operands))
            )
        return TypedPart(part.at, "Number", Arithmetic("".join(part.operators), tuple(operands)))

    def relation(self, part: Relation) -> TypedPart:
        """Return the tree of a comparison of numbers or of values."""
        left = self.check(part.left)
        right = self.check(part.right)
        sides = self._relate(part.at, part.operator, left, right)
        if sides is None:
            return TypedPart(part.at, "Faulty", _FAULTY)
        node: Node = (
            Match(part.operator, *sides)  # type: ignore[arg-type]
            if _by_value(left, right)
            else Compare(part.operator, *sides)  # type: ignore[arg-type]
        )
        return TypedPart(part.at, "Number", node)

    def counting(self, part: Counting) -> TypedPart:
        """Return the tree of a comparison of each element of a list."""
        elements = []
        for element in self._elements_of(part.elements):
            elements.append(self.check(element))  # noqa: PERF401 - as in chain
        right = self.check(part.right)
        compared: list[Node] = []
        matched: list[Node] = []
        right_node = right.node
        for left in elements:
            sides = self._relate(part.at, part.operator, left, right)
            if sides is None:
                return TypedPart(part.at, "Faulty", _FAULTY)
            (matched if _by_value(left, right) else compared).append(sides[0])
            # As for a mixed element, which remains a number for the others.
            right_node = sides[1] if _by_value(left, right) else right_node
        return TypedPart(
            part.at,
            "Number",
            Count(part.operator, tuple(compared), tuple(matched), right_node),  # type: ignore[arg-type]
        )

    def _relate(
        self, at: int, operator: str, left: TypedPart, right: TypedPart
    ) -> tuple[Node, Node] | None:
        """Return the two sides of a comparison, or None after adding an error."""
        if "Faulty" in (left.kind, right.kind):
            return None
        if not _by_value(left, right):
            return self.number(left), self.number(right)
        if operator not in ("==", "!="):
            self._note(
                at,
                "WrongType",
                f"{operator} compares numbers only; a text can only be compared by == or !=",
            )
            return None
        sides: list[Node] = []
        for one, other in ((left, right), (right, left)):
            if (
                one.kind == "Number"
                and other.kind == "Text"
                and not self._is_missing_option(one, other)
            ):
                what = (
                    f'"{one.resolved.name}" is a number' if one.resolved else "one side is a number"
                )
                self._note(at, "WrongType", f"{what}, the other side a text: they are never equal")
                return None
            if one.kind == "Number" and other.kind == "Mixed":
                node = self.number(one)
                sides.append(Arithmetic("", (node,)) if isinstance(node, Reference) else node)
                continue
            if one.resolved is not None:
                self.uses[one.resolved.name].add("Value")
            self._check_text(one, other)
            sides.append(one.node)
        return sides[0], sides[1]

    def _is_missing_option(self, name: TypedPart, text: TypedPart) -> bool:
        """Return whether a condition compares an item with its `missing` option, to it a text."""
        return (
            self._condition
            and name.resolved is not None
            and isinstance(text.node, Text)
            and text.node.value in name.resolved.missing_texts
        )

    def _check_text(self, name: TypedPart, text: TypedPart) -> None:
        """Add an error if the name can never equal the text."""
        if (
            name.resolved is None
            or name.resolved.texts is None
            or not isinstance(text.node, Text)
            or name.kind == "Number"
        ):
            return
        known = [*name.resolved.texts, *name.resolved.missing_texts]
        if text.node.value not in known:
            listed = several([quote(one) for one in known], 12) or "none"
            self._note(
                text.at,
                "NotAnOption",
                f'"{name.resolved.name}" is never {quote(text.node.value)}; its texts are {listed}',
            )

    def call(self, part: Call) -> TypedPart:
        """Return the tree of a function of its arguments."""
        if part.function == "answered":
            return TypedPart(part.at, "Number", self._answered(part))
        arguments: list[Node] = []
        for argument in self._elements_of(part.arguments):
            arguments.append(self.number(self.check(argument)))  # noqa: PERF401 - as in chain
        node: Node
        match part.function:
            case "if":
                node = If(*arguments)
            case "abs":
                node = Absolute(*arguments)
            case "round":
                node = Round(arguments[0], part.words[0].text, part.decimals)  # type: ignore[arg-type]
            case "lookup":
                node = self._lookup(arguments[0], part.words[0])
            case _:
                node = Aggregate(part.function, tuple(arguments))  # type: ignore[arg-type]
        return TypedPart(part.at, "Number", node)

    def _lookup(self, operand: Node, table: Name) -> Node:
        if self._condition:
            self._note(
                table.at,
                "UnknownReference",
                "a condition uses items and attributes only, so that it cannot look up scores",
            )
        elif table.text not in self._names.tables:
            is_scale = table.text in self._names.scales
            known = several(sorted(self._names.tables)) or "none"
            what = (
                f'the scale "{table.text}" has no lookup'
                if is_scale
                else f'there is no scale "{table.text}"'
            )
            self._note(table.at, "UnknownReference", f"{what}; the scales with one are {known}")
        self.tables[table.text] = None
        return Lookup(operand, table.text)

    def _answered(self, part: Call) -> Node:
        items: dict[str, None] = {}
        for element in self._elements_of(part.arguments):
            if not isinstance(element, Name):
                self._note(
                    element.at, "WrongType", "answered counts items: name them, or ranges of them"
                )
                continue
            resolved = self._resolve(element.text)
            if resolved.error is not None:
                self._note(element.at, *resolved.error)
            elif element.text not in self._names.items:
                self._note(
                    element.at,
                    "WrongType",
                    f'"{element.text}" is no item; answered counts items, whole ones',
                )
            else:
                items[element.text] = None
                self.uses.setdefault(element.text, set()).add("Answered")
        return Answered(tuple(items))

    def _elements_of(self, elements: "tuple[Syntax | Range, ...]") -> Iterator[Syntax]:
        """Yield the elements of a list, ranges expanded."""
        for element in elements:
            if not isinstance(element, Range):
                yield element
                continue
            first, last = (self._end_of_range(end) for end in (element.first, element.last))
            if first is None or last is None:
                continue
            if first > last:
                self._note(
                    element.at,
                    "UnknownReference",
                    f'"{element.first.text}" comes after "{element.last.text}" in the form: exchange them',
                )
                continue
            if not self._allowance.take(last - first + 1):
                raise FormulaError(
                    element.at,
                    "TooMany",
                    f"written out, the ranges of a document have at most {MAX_TERMS} items",
                )
            for item in self._items[first : last + 1]:
                yield Name(element.at, item)

    def _end_of_range(self, end: Name) -> int | None:
        resolved = self._resolve(end.text)
        if resolved.error is not None:
            self._note(end.at, *resolved.error)
        elif end.text not in self._order:
            self._note(
                end.at, "WrongType", f'"{end.text}" is no item; a range goes from item to item'
            )
        return self._order.get(end.text) if resolved.error is None else None

    def _resolve(self, name: str) -> Resolved:
        return resolve(
            name, self._names, condition=self._condition, hint=len(self.errors) < self._hints
        )

    def _note(self, at: int, code: Code, detail: str) -> None:
        # A range may be invalid for several items at one position; report the first.
        if not any(error.at == at for error in self.errors):
            self.errors.append(FormulaError(at, code, detail))


_HANDLERS: dict[type, Any] = {
    Constant: TreeBuilder.constant,
    Name: TreeBuilder.name,
    Negation: TreeBuilder.negation,
    Inversion: TreeBuilder.inversion,
    Chain: TreeBuilder.chain,
    Relation: TreeBuilder.relation,
    Counting: TreeBuilder.counting,
    Call: TreeBuilder.call,
}


def _by_value(left: TypedPart, right: TypedPart) -> bool:
    """Return whether a comparison is of values (texts possible) or of numbers."""
    return not {left.kind, right.kind}.isdisjoint(("Text", "Mixed"))


def _whole(resolved: Resolved) -> str:
    name = resolved.name
    if resolved.options:
        return f'"{name}" has several values: name one of its options, {name}.{resolved.options[0]}, or use answered({name})'
    return f'"{name}" is a text or a date, which is not scored; only answered({name}) may name it'
