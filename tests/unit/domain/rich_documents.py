"""Random documents with every feature of DESIGN 4.1, valid by construction, and random people (hypothesis strategies).

A formula is a template that comes with its own slow evaluation, so that `exact_scorer` need not parse.
"""

import itertools
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from hypothesis import strategies as st
from tests.unit.domain.exact_scorer import HIDDEN, TOO_FEW, Outcome, Person, exact, part

ATTRIBUTES = [
    {"id": "sex", "values": [{"value": "f", "label": "F"}, "m", "o"]},
    {"id": "years", "type": "Integer"},
    {"id": "town", "type": "Text"},
]
SMALL = st.sampled_from([-2, -1, 0, 1, 2, 3, 5, 0.5, 1.5, 0.1, 0.3])
EDGES = [-3, 0, 0.5, 1, 2, 2.5, 3, 4, 5, 7.5, 10, 33.5, 40, 45, 50, 55, 60, 75, 90]


class Formula(NamedTuple):
    """A formula's text, the scales that it needs, how many names it has, and its evaluation."""

    text: str
    needs: tuple[str, ...]
    names: int
    evaluate: Callable[[Person, dict[str, Outcome], Any], tuple[Any, int]]


@st.composite
def choice(draw: st.DrawFn) -> list[dict[str, Any]]:
    first, step = draw(st.sampled_from([(0, 1), (1, 1), (-1, 0.5), (2, 2)]))
    result: list[dict[str, Any]] = [
        {"value": first + step * n} for n in range(draw(st.integers(2, 5)))
    ]
    if draw(st.booleans()):
        result.append({"value": "na", "missing": True})
    return result


@st.composite
def item(draw: st.DrawFn, name: str) -> dict[str, Any]:
    kind = draw(
        st.sampled_from(["Choice"] * 4 + ["Words", "Number", "Multiple", "Ranking", "Text", "Date"])
    )
    one: dict[str, Any] = {"id": name, "text": "t", "type": "Choice" if kind == "Words" else kind}
    letters = "abcdefghij"
    match kind:
        case "Choice":
            one["options"] = draw(choice())
        case "Words":
            one["options"] = [{"value": value} for value in "xyz"]
        case "Number":
            shapes: list[dict[str, Any]] = [
                {"min": 0, "max": 10, "integer": True}, {"min": 0, "max": 1, "step": 0.1}, {"min": -5, "max": 5},
                {"min": 1, "max": 1000, "integer": True},
            ]  # fmt: skip
            one |= draw(st.sampled_from(shapes))
        case "Multiple":
            count = draw(st.sampled_from([2, 3, 9]))
            one["options"] = [{"value": letter} for letter in letters[:count]]
            if draw(st.booleans()):
                one["options"][-1]["exclusive"] = True
            if draw(st.booleans()):
                one["options"].append({"value": "na", "missing": True})
            if draw(st.booleans()):
                one["maxChosen"] = 2
        case "Ranking":
            one["options"] = [
                {"value": letter} for letter in letters[: draw(st.sampled_from([2, 3, 6]))]
            ]
    return one


def numeric_choices(items: list[dict[str, Any]]) -> list[str]:
    return [
        one["id"] for one in items if one["type"] == "Choice" and one["options"][0]["value"] != "x"
    ]


@st.composite
def condition(draw: st.DrawFn, before: list[dict[str, Any]]) -> str:
    atoms = ["sex == 'f'", "years >= 18", "sex != 'm'"]
    atoms += [
        f"{name} {operator} {value}"
        for name in numeric_choices(before)
        for operator in (">", "==")
        for value in (0, 1)
    ]
    atoms += [
        f"{one['id']} == 'x'"
        for one in before
        if one["type"] == "Choice" and one["options"][0]["value"] == "x"
    ]
    first, second = draw(st.sampled_from(atoms)), draw(st.sampled_from(atoms))
    return draw(st.sampled_from([first, f"{first} or {second}", f"{first} and {second}"]))


@st.composite
def item_scale(  # noqa: C901 - one choice after the other, as the rules of a scale have it
    draw: st.DrawFn, name: str, items: list[dict[str, Any]]
) -> dict[str, Any]:
    usable = [one for one in items if one["type"] not in ("Text", "Date")]
    chosen = draw(
        st.lists(st.sampled_from(usable), min_size=1, max_size=5, unique_by=lambda one: one["id"])
    )
    scale: dict[str, Any] = {
        "id": name,
        "items": [],
        "key": {},
        "points": {},
        "score": draw(st.sampled_from(["Mean", "Sum", "Percent"])),
    }
    ends = [0, 1]
    for one in chosen:
        its = one.get("options", [])
        match one["type"]:
            case "Choice" if its[0]["value"] == "x":
                scale["key"][one["id"]] = draw(st.sampled_from(["x", ["x", "z"]]))
            case "Choice":
                role = draw(st.sampled_from(["", "", "-", "points"]))
                if role == "points":
                    scale["points"][one["id"]] = [
                        None if option.get("missing") else draw(SMALL) for option in its
                    ]
                else:
                    scale["items"].append(role + one["id"])
            case "Number":
                role = draw(st.sampled_from(["", "-", "points", "key"]))
                if role == "points":
                    cut = draw(st.sampled_from([0.5, 2, 4]))
                    ranges = [[{"to": cut, "points": 0}, {"above": cut, "points": 2}]]
                    ranges.append([{"below": cut, "points": -1}, {"from": cut, "points": 1.5}])
                    scale["points"][one["id"]] = draw(st.sampled_from(ranges))
                elif role == "key":
                    scale["key"][one["id"]] = 1
                else:
                    scale["items"].append(role + one["id"])
            case "Multiple":
                role = draw(st.sampled_from(["count", "by", "option"]))
                if role == "count":
                    scale["points"][one["id"]] = "count"
                elif role == "by":
                    scale["points"][one["id"]] = {"a": draw(SMALL), "b": draw(SMALL)}
                else:
                    scale["items"] += [f"{one['id']}.a", f"{one['id']}.b"]
            case "Ranking":
                scale["items"].append(
                    draw(st.sampled_from(["", "-"])) + f"{one['id']}.{draw(st.sampled_from('ab'))}"
                )
    count = len(scale["items"]) + len(scale["key"]) + len(scale["points"])
    if scale["items"] and draw(st.integers(0, 4)) == 0:
        scale["threshold"] = draw(st.sampled_from([1, 2, 0.5]))
    percent = scale["score"] == "Percent"
    if draw(st.integers(0, 2)) == 0 and not percent:
        scale["unanswered"] = draw(st.sampled_from(ends))
    if draw(st.booleans()):
        scale["notShown"] = draw(
            st.sampled_from(["Missing", "Exclude"] + ([] if percent else [0, 1]))
        )
    if draw(st.booleans()):
        scale["minValid"] = draw(st.integers(1, count))
    names = [one.lstrip("-") for one in scale["items"]] + list(scale["key"]) + list(scale["points"])
    if draw(st.integers(0, 2)) == 0:
        scale["weights"] = {
            one: draw(st.sampled_from([1, 2, 0.5, 3])) for one in names if draw(st.booleans())
        }
    return draw(more(scale))


@st.composite
def more(draw: st.DrawFn, scale: dict[str, Any]) -> dict[str, Any]:  # noqa: C901 - the same
    """Add what any scale may have after its sums."""
    if "formula" not in scale and draw(st.integers(0, 3)) == 0:
        scale["multiply"] = draw(st.sampled_from([2, 0.5, -1, 1.5]))
    if "formula" not in scale and draw(st.integers(0, 3)) == 0:
        scale["constant"] = draw(st.sampled_from([1, -2.5, 0.1]))
    if draw(st.integers(0, 2)) == 0:
        modes = st.sampled_from(["Up", "Down", "HalfUp", "HalfEven"])
        scale["round"] = draw(
            st.one_of(modes, st.fixed_dictionaries({"mode": modes, "decimals": st.integers(0, 2)}))
        )
    groups = draw(
        st.lists(
            st.sampled_from(["young_women", "men", "ulm", "everyone"]), min_size=1, unique=True
        )
    )
    match draw(st.sampled_from(["", "", "figures", "figures", "table", "tables", "frequencies"])):
        case "figures":
            scale["norms"] = {
                group: {"mean": draw(SMALL), "sd": draw(st.sampled_from([0.5, 1, 2, 0.3]))}
                for group in groups
            }
            if draw(st.booleans()):
                scale["standard"] = draw(
                    st.lists(
                        st.sampled_from(["Z", "T", "Sten", "Stanine", "Percentile"]), unique=True
                    )
                )
            if draw(st.booleans()):
                scale["report"] = draw(
                    st.sampled_from(["Raw", "Z", "T", "Sten", "Stanine", "Percentile"])
                )
            if draw(st.booleans()):
                scale["reliability"] = draw(st.sampled_from([0, 0.5, 0.84, 1]))
                if draw(st.booleans()):
                    scale["interval"] = {
                        "kind": draw(st.sampled_from(["Observed", "TrueScore"])),
                        "level": 0.9,
                    }
        case "table":
            scale["lookup"] = draw(table())
        case "tables":
            scale["norms"] = {group: {"lookup": draw(table())} for group in groups}
        case "frequencies":
            raws = draw(
                st.lists(st.sampled_from([-1, 0, 0.5, 1, 2, 3, 50]), min_size=1, unique=True)
            )
            scale["norms"] = {
                group: {"frequencies": [{"raw": raw, "count": n + 1} for n, raw in enumerate(raws)]}
                for group in groups
            }
    match draw(st.sampled_from(["", "", "bands", "groups"])):
        case "bands":
            scale["bands"] = draw(bands())
        case "groups":
            scale["bands"] = {group: draw(bands()) for group in groups}
    return {name: value for name, value in scale.items() if value not in ([], {})}


@st.composite
def table(draw: st.DrawFn) -> list[dict[str, Any]]:
    cuts = sorted(
        draw(
            st.lists(
                st.sampled_from([-1, 0, 0.5, 1, 1.5, 2, 3, 5, 50]),
                min_size=1,
                max_size=4,
                unique=True,
            )
        )
    )
    rows: list[dict[str, Any]] = [{"below": cuts[0], "score": 10.5}]
    rows += [
        {"from": low, "below": high, "score": 20 + 10 * n}
        for n, (low, high) in enumerate(itertools.pairwise(cuts))
    ]
    rows.append({"from": cuts[-1], "score": 70, "se": 4.6, "percentile": 99})
    return draw(st.permutations(rows))


@st.composite
def bands(draw: st.DrawFn) -> list[dict[str, Any]]:
    marks = sorted(
        draw(
            st.lists(
                st.tuples(st.sampled_from(EDGES), st.booleans()),
                min_size=1,
                max_size=4,
                unique_by=lambda one: one[0],
            )
        )
    )
    result: list[dict[str, Any]] = [
        {"id": f"b{n}", "above" if above else "from": edge} for n, (edge, above) in enumerate(marks)
    ]
    return [{"id": "lowest"}, *result] if draw(st.booleans()) else result


def parts_of(scales: list[dict[str, Any]]) -> list[str]:
    found = []
    for scale in scales:
        found.append(scale["id"])
        one: dict[str, Any] = next(iter(scale.get("norms", {}).values()), {})
        if "lookup" in scale or "lookup" in one:
            found.append(f"{scale['id']}.score")
        if "mean" in one:
            found += [f"{scale['id']}.{unit}" for unit in ("z", "t", "sten", "stanine")]
    return found


@st.composite
def composite(draw: st.DrawFn, name: str, scales: list[dict[str, Any]]) -> dict[str, Any]:
    parts = draw(st.lists(st.sampled_from(parts_of(scales)), min_size=1, max_size=4, unique=True))
    scale: dict[str, Any] = {
        "id": name,
        "items": parts,
        "score": draw(st.sampled_from(["Mean", "Sum"])),
    }
    if draw(st.booleans()):
        scale["minValid"] = draw(st.integers(1, len(parts)))
    if draw(st.booleans()):
        scale["weights"] = {
            one: draw(st.sampled_from([1, 2, 0.5])) for one in parts if draw(st.booleans())
        }
    scale = draw(more(scale))
    return {
        key: value
        for key, value in scale.items()
        if key != "lookup" and not (key == "norms" and "lookup" in str(value))
    }


@st.composite
def formula_scale(
    draw: st.DrawFn, name: str, items: list[dict[str, Any]], scales: list[dict[str, Any]]
) -> tuple[dict[str, Any], Formula | None]:
    numbers = numeric_choices(items)
    listed = [one["id"] for one in items if one["type"] in ("Multiple", "Ranking")]
    choices = [_of_option(f"{name}.{option}") for name in listed for option in "ab"]
    choices += [_of_part(draw(st.sampled_from(parts_of(scales))))]
    if numbers:
        some = draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=4, unique=True))
        choices += [
            _count(some, draw(st.sampled_from([0, 1, 2]))),
            _sum(some),
            _answered([one["id"] for one in items[:4]]),
            _ratio(some),
        ]
    formula = draw(st.sampled_from(choices))
    scale: dict[str, Any] = {"id": name, "formula": formula.text}
    if draw(st.integers(0, 2)) == 0:
        scale["unanswered"] = draw(st.sampled_from([0, 1]))
    if draw(st.integers(0, 2)) == 0:
        scale["notShown"] = draw(st.sampled_from([0, 2]))
    if formula.text.startswith(("count", "2 * sum")) and draw(st.booleans()):
        scale["minValid"] = draw(st.integers(1, formula.names))
    kept = draw(more(scale))
    return {
        key: value
        for key, value in kept.items()
        if key in ("id", "formula", "unanswered", "notShown", "minValid", "round", "bands")
    }, formula


def _value(person: Person, scale: Any, name: str) -> tuple[Fraction | None, bool]:
    """Return the number of an item, or of an option of one, in a formula, and whether it counts as valid."""
    name, _, option = name.partition(".")
    answer = person.state[name]
    if answer == HIDDEN and isinstance(scale.get("notShown"), int):
        return exact(scale["notShown"]), True
    if answer is None or answer == HIDDEN or person.is_missing_option(name, answer):
        return (exact(scale["unanswered"]) if "unanswered" in scale else None), False
    if person.items[name]["type"] == "Multiple":
        return Fraction(option in answer), True
    return (Fraction(len(answer) - answer.index(option)) if option else exact(answer)), True


def _listed(person: Person, scale: Any, names: list[str]) -> tuple[Any, int]:
    """Return the numbers of a list, None or a status where there are too few, and how many are valid."""
    found = [_value(person, scale, name) for name in names]
    known, valid = [x for x, _ in found if x is not None], sum(one[1] for one in found)
    if valid < scale.get("minValid", 0):
        return TOO_FEW, valid
    is_whole = len(known) == len(names) or ("minValid" in scale and known)
    return (known if is_whole else None), valid


def _count(names: list[str], edge: int) -> Formula:
    def evaluate(person: Person, _: Any, scale: Any) -> tuple[Any, int]:
        known, valid = _listed(person, scale, names)
        if not isinstance(known, list):
            return known, valid
        return Fraction(sum(x >= edge for x in known)), valid

    return Formula(f"count({', '.join(names)} >= {edge})", (), len(names), evaluate)


def _sum(names: list[str]) -> Formula:
    def evaluate(person: Person, _: Any, scale: Any) -> tuple[Any, int]:
        known, valid = _listed(person, scale, names)
        if not isinstance(known, list):
            return known, valid
        return 2 * sum(known, Fraction(0)) - 1, valid

    return Formula(f"2 * sum({', '.join(names)}) - 1", (), len(names), evaluate)


def _ratio(names: list[str]) -> Formula:
    def evaluate(person: Person, _: Any, scale: Any) -> tuple[Any, int]:
        x, valid = _value(person, scale, names[0])
        if x is None:
            return None, int(valid)
        return ("DivisionByZero" if x == 1 else 6 / (x - 1)), int(valid)

    return Formula(f"6 / ({names[0]} - 1)", (), 1, evaluate)


def _answered(names: list[str]) -> Formula:
    def evaluate(person: Person, _: Any, scale: Any) -> tuple[Any, int]:
        return Fraction(sum(person.answered(name) for name in names)), -1

    return Formula(f"answered({', '.join(names)})", (), len(names), evaluate)


def _of_option(name: str) -> Formula:
    def evaluate(person: Person, _: Any, scale: Any) -> tuple[Any, int]:
        x, valid = _value(person, scale, name)
        return x, int(valid)

    return Formula(name, (), 1, evaluate)


def _of_part(name: str) -> Formula:
    def evaluate(_: Person, done: dict[str, Outcome], scale: Any) -> tuple[Any, int]:
        x = part(done[name.split(".", maxsplit=1)[0]], name)
        return (None if x is None else Fraction(x) if Fraction(x) > 2 else Fraction(2)), int(
            x is not None
        )

    return Formula(f"if({name} > 2, {name}, 2)", (name.split(".", maxsplit=1)[0],), 1, evaluate)


class Drawn(NamedTuple):
    """A document, its formulas by scale, and some people: answers and attributes."""

    document: dict[str, Any]
    formulas: dict[str, Formula]
    people: list[tuple[dict[str, Any], dict[str, Any]]]


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    items: list[dict[str, Any]] = []
    for n in range(draw(st.integers(2, 8))):
        one = draw(item(f"i{n}"))
        if items and draw(st.integers(0, 3)) == 0:
            one["when"] = draw(condition(items))
        items.append(one)
    if all(one["type"] in ("Text", "Date") for one in items):
        items[0] = {
            "id": "i0",
            "text": "t",
            "type": "Choice",
            "options": [{"value": 0}, {"value": 1}],
        }
    spec: dict[str, Any] = {
        "title": "Random", "attributes": ATTRIBUTES, "items": items,
        "normGroups": [
            {"id": "young_women", "where": {"sex": "f", "years": [None, 30]}}, {"id": "men", "where": {"sex": ["m", "o"]}},
            {"id": "ulm", "where": {"town": "Ulm", "years": [18, 65]}}, {"id": "everyone"},
        ],
        "defaults": draw(st.sampled_from([{}, {"standard": ["T", "Percentile"], "report": "T"}, {"report": "Percentile"}])),
    }  # fmt: skip
    if len(items) > 2 and draw(st.integers(0, 2)) == 0:
        cut = draw(st.integers(1, len(items) - 1))
        spec["sections"] = [
            {"id": "one", "items": [one["id"] for one in items[:cut]]},
            {"id": "two", "items": [one["id"] for one in items[cut:]]},
        ]
        if draw(st.booleans()):
            spec["sections"][1]["when"] = draw(condition(items[:cut]))
    scales = [draw(item_scale(f"s{n}", items)) for n in range(draw(st.integers(1, 3)))]
    formulas: dict[str, Formula] = {}
    for n in range(draw(st.integers(0, 2))):
        if draw(st.booleans()):
            scales.append(draw(composite(f"c{n}", scales)))
        else:
            scale, formula = draw(formula_scale(f"f{n}", items, scales))
            assert formula is not None
            formulas[scale["id"]] = formula
            scales.append(scale)
    spec["scales"] = draw(st.permutations(scales))
    parts = parts_of(scales)
    if len({one.split(".")[0] for one in parts}) > 1 and draw(st.booleans()):
        of = draw(
            st.lists(
                st.sampled_from(parts),
                min_size=2,
                max_size=4,
                unique_by=lambda one: one.split(".")[0],
            )
        )
        spec["profiles"] = [
            {
                "id": "p",
                "of": of,
                "top": draw(st.integers(1, len(of))),
                "ties": draw(st.sampled_from(["List", "First"])),
            }
        ]
    document = {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": "random"},
        "spec": spec,
    }
    return Drawn(document, formulas, [draw(person(spec)) for _ in range(draw(st.integers(1, 6)))])


@st.composite
def person(draw: st.DrawFn, spec: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    attributes = draw(st.fixed_dictionaries({}, optional={
        "sex": st.sampled_from("fmo"), "years": st.sampled_from([17, 18, 30, 31, 66]), "town": st.sampled_from(["Ulm", "Bonn"]),
    }))  # fmt: skip
    answers = {one["id"]: draw(answer(one)) for one in spec["items"] if draw(st.integers(0, 4))}
    shown = Person(spec, answers, attributes)
    while any(shown.state[name] == HIDDEN for name in answers):
        answers = {name: value for name, value in answers.items() if shown.state[name] != HIDDEN}
        shown = Person(spec, answers, attributes)
    return answers, attributes


@st.composite
def answer(draw: st.DrawFn, one: dict[str, Any]) -> Any:
    values = [option["value"] for option in one.get("options", [])]
    match one["type"]:
        case "Choice":
            return draw(st.sampled_from(values))
        case "Number":
            if "step" in one:
                return round(draw(st.integers(0, 10)) * 0.1, 1)
            if "integer" in one:
                return draw(st.integers(one["min"], one["max"]))
            return draw(st.sampled_from([-5, -0.5, 0, 0.25, 0.5, 1, 2, 3.75, 4, 5]))
        case "Multiple":
            alone = [
                option["value"]
                for option in one["options"]
                if option.get("exclusive") or option.get("missing")
            ]
            is_alone = bool(alone) and draw(st.integers(0, 1)) == 1
            if is_alone:
                return [draw(st.sampled_from(alone))]
            return draw(
                st.lists(
                    st.sampled_from([value for value in values if value not in alone]),
                    max_size=2,
                    unique=True,
                )
            )
        case "Ranking":
            return draw(st.permutations(values))
        case "Date":
            return draw(st.dates()).isoformat()
    return draw(st.sampled_from(["", "a text", "Zwölf\n✓"]))
