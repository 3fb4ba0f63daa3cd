"""Random formulas and random people for the tests of formulas, as trees of tuples that `formula_reference` evaluates.

A formula is written as text with as few brackets as the binding allows, and some more. Since the slow evaluator sees the tree and the
engine the text, a wrong binding is found, too.
"""

import random
from collections.abc import Callable
from typing import Any

from stanine.domain.formulas.names import Named, Names

ITEMS: dict[str, dict[str, Any]] = {
    "p1": {"values": [0, 1, 2, 3]},
    "p2": {"values": [0, 1, 2, 3]},
    "p3": {"values": [0, 1, 2, 3], "missing": ["na"]},
    "p4": {"values": [-1, 0.5, 1.5]},
    "c1": {"values": ["a", "b"], "missing": ["dk"]},
    "x1": {"values": [1, 2, "other"], "missing": ["dk"]},
    "n1": {"values": [0, 0.25, 2, 40]},
    "m1": {"options": ["a", "b"]},
    "r1": {"options": ["f", "w"]},
    "note": {},
}
ATTRIBUTES: dict[str, list[Any]] = {
    "sex": ["female", "male"],
    "years": [0, 17, 18, 40],
    "city": ["Bonn", "Kiel"],
}
SCORES = ["mood", "mood.t"]
#: The table of the scale mood: raw to score.
TABLE = {0: 21.5, 1: 40, 2: 60, 3: 61}

NAMES = Names(
    items={
        "p1": Named("Number"),
        "p2": Named("Number"),
        "p3": Named("Number", missing_texts=("na",)),
        "p4": Named("Number"),
        "c1": Named("Text", ("a", "b"), ("dk",)),
        "x1": Named("Mixed", ("other",), ("dk",)),
        "n1": Named("Number"),
        "m1": Named("Whole", options=("a", "b")),
        "r1": Named("Whole", options=("f", "w")),
        "note": Named("Whole"),
    },
    attributes={
        "sex": Named("Text", ("female", "male")),
        "years": Named("Number"),
        "city": Named("Text", None),
    },
    scales={"mood": ("score", "t"), "dull": ()},
    tables=frozenset({"mood"}),
)
CONDITION_NAMES = Names(items=NAMES.items, attributes=NAMES.attributes)

NUMBERS = ["p1", "p2", "p3", "p4", "n1", "m1.a", "m1.b", "r1.f", "years"]
#: What is known of an item that was not shown.
HIDDEN = "hidden"


# People -----------------------------------------------------------------------------------------------------------------------------------


def random_person(rng: random.Random, *, hidden: bool = False) -> dict[str, Any]:
    """Return what is known of a person: an answer, None, ("missing", option) or "hidden" for each item; attributes; scores."""
    person: dict[str, Any] = {}
    for name, item in ITEMS.items():
        kind = rng.random()
        if hidden and kind < 0.15:
            person[name] = HIDDEN
        elif kind < 0.3:
            person[name] = None
        elif kind < 0.45 and "missing" in item:
            person[name] = ("missing", rng.choice(item["missing"]))
        elif name == "m1":
            person[name] = [one for one in item["options"] if rng.random() < 0.5]
        elif name == "r1":
            person[name] = rng.sample(item["options"], 2)
        else:
            person[name] = rng.choice(item.get("values", ["text"]))
    for name, values in ATTRIBUTES.items():
        person[name] = rng.choice([*values, None])
    person["mood"] = rng.choice([0, 1, 2, 7, None])
    person["mood.t"] = rng.choice([50, 38.5, None])
    return person


def seen(person: dict[str, Any], name: str) -> Any:
    """Return a name's value, None, ("missing", option) or "hidden"."""
    if name in person:
        return person[name]
    item, option = name.split(".")
    answer = person[item]
    if answer is None or answer == HIDDEN:
        return answer
    return int(option in answer) if item == "m1" else len(answer) - answer.index(option)


def is_answered(person: dict[str, Any], item: str) -> bool:
    answer = person[item]
    return answer is not None and answer != HIDDEN and not isinstance(answer, tuple)


# Formulas ---------------------------------------------------------------------------------------------------------------------------------


def random_formula(rng: random.Random, depth: int = 4, *, condition: bool = False) -> Any:  # noqa: C901 - one function a kind of node
    """Return a random tree of a number."""
    leaf: list[Callable[[], Any]] = [
        lambda: ("const", rng.choice(["0", "1", "2", "3", "0.5", "1.25", "10", ".5", "4."])),
        lambda: ("ref", rng.choice(NUMBERS if condition else [*NUMBERS, *SCORES])),
        lambda: ("ref", rng.choice(["p1", "p2", "p3"])),
    ]
    if depth == 0:
        return ("null",) if rng.random() < 0.04 else rng.choice(leaf)()

    def inner() -> Any:
        return random_formula(rng, rng.randrange(depth), condition=condition)

    def some(least: int = 1) -> list[Any]:
        return [inner() for _ in range(rng.randint(least, 3))]

    def listed() -> list[Any]:
        return [
            rng.choice([("range", "p1", "p3"), ("range", "p2", "p4"), ("range", "p2", "p2")])
            if rng.random() < 0.3
            else x
            for x in some()
        ]

    def items() -> list[Any]:
        choices = [("ref", rng.choice(list(ITEMS))), ("range", "p3", "note"), ("range", "p1", "p4")]
        return [rng.choice(choices) for _ in range(rng.randint(1, 3))]

    def comparison() -> tuple[str, Any, Any]:
        return rng.choice(["==", "!=", "<", "<=", ">", ">="]), inner(), inner()

    def match() -> tuple[str, Any, Any]:
        sides = [
            (("name", "c1"), ("text", rng.choice(["a", "b", "dk"]))),
            (("name", "x1"), ("text", rng.choice(["other", "dk"]))),
            (("name", "x1"), inner()),
            (("name", "x1"), ("ref", "p1")),
            (("name", "x1"), ("name", "c1")),
            (("name", "sex"), ("text", rng.choice(["female", "male"]))),
            (("name", "city"), ("text", "Bonn")),
            (("name", "city"), ("name", "sex")),
            (("text", "a"), ("text", rng.choice(["a", "b"]))),
            (("name", "c1"), ("null",)),
        ]
        if condition:
            sides.append((("name", "p3"), ("text", "na")))
        left, right = rng.choice(sides)
        return rng.choice(["==", "!="]), *rng.sample([left, right], 2)

    def count() -> Any:
        if rng.random() < 0.25:
            operator, left, right = match()
            return (
                "count",
                [
                    left,
                    *(
                        [("name", "c1")]
                        if right[0] == "text" and right[1] in ("a", "b", "dk")
                        else []
                    ),
                ],
                operator,
                right,
            )
        operator, _, right = comparison()
        elements = listed()
        if operator in ("==", "!=") and rng.random() < 0.3:
            elements.append(("name", "x1"))
        return ("count", elements, operator, right)

    made: list[Callable[[], Any]] = [
        *leaf,
        lambda: ("neg", inner()),
        lambda: ("chain", rng.choice(["+", "-"]), inner(), inner()),
        lambda: ("chain", rng.choice(["*", "/"]), inner(), inner()),
        lambda: ("chain", rng.choice(["+", "-", "*", "/"]), inner(), inner()),
        lambda: ("cmp", *comparison()),
        lambda: ("match", *match()),
        lambda: ("and", some(2)),
        lambda: ("or", some(2)),
        lambda: ("not", inner()),
        lambda: ("if", inner(), inner(), inner()),
        lambda: ("list", rng.choice(["min", "max", "sum", "mean"]), listed()),
        count,
        lambda: ("answered", items()),
        lambda: ("abs", inner()),
        lambda: (
            "round",
            inner(),
            rng.choice(["Up", "Down", "HalfUp", "HalfEven"]),
            rng.choice([None, 0, 1, 2]),
        ),
    ]
    if not condition:
        made.append(lambda: ("lookup", inner()))
    return rng.choice(made)()


#: How strongly a node binds. A weaker one needs brackets where a stronger is wanted.
_BINDING = {
    "or": 1,
    "and": 2,
    "not": 3,
    "cmp": 4,
    "match": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "neg": 7,
}


def write(node: Any, rng: random.Random, wanted: int = 0) -> str:  # noqa: C901 - one case a kind of node
    """Return a tree as text. `wanted` is how strongly it must bind to need no brackets."""
    kind = node[0]
    binding = _BINDING.get(node[1] if kind == "chain" else kind, 8)
    space = rng.choice(["", " ", "  ", "\n"])

    def listed(nodes: list[Any], least: int = 0) -> str:
        return f",{space}".join(write(one, rng, least) for one in nodes)

    match kind:
        case "const" | "ref" | "name":
            text = node[1]
        case "text":
            text = f"'{node[1]}'"
        case "null":
            text = "null"
        case "range":
            text = f"{node[1]}{space}..{space}{node[2]}"
        case "neg":
            text = f"-{space}{write(node[1], rng, 7)}"
        case "chain":
            text = f"{write(node[2], rng, binding)}{space}{node[1]}{space}{write(node[3], rng, binding + 1)}"
        case "cmp" | "match":
            text = f"{write(node[2], rng, 5)}{space}{node[1]}{space}{write(node[3], rng, 5)}"
        case "and" | "or":
            text = f" {kind} ".join(write(one, rng, binding + 1) for one in node[1])
        case "not":
            text = f"not {write(node[1], rng, 3)}"
        case "if":
            text = f"if({listed(list(node[1:]))})"
        case "list":
            text = f"{node[1]}({listed(node[2])})"
        case "count":
            text = f"count({listed(node[1], 5)} {node[2]} {write(node[3], rng, 5)})"
        case "answered":
            text = f"answered({listed(node[1])})"
        case "abs":
            text = f"abs({write(node[1], rng)})"
        case "round":
            text = f"round({write(node[1], rng)}, {node[2]}{'' if node[3] is None else f', {node[3]}'})"
        case "lookup":
            text = f"lookup({write(node[1], rng)},{space}mood)"
    needs_brackets = binding < wanted or (
        kind not in ("range", "text") and rng.random() < 0.05 and not _is_bare(node, wanted)
    )
    return f"({text})" if needs_brackets else text


def _is_bare(node: Any, wanted: int) -> bool:
    """Tell whether a name must stay as it is: `answered` and ranges take names alone."""
    return node[0] in ("ref", "name") and wanted == 0


def depth_of(text: str) -> int:
    deepest = depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest
