"""The slow, obvious scorer of whole documents: DESIGN 4.1 read aloud, in exact fractions. Shares no code with the engine.

It takes a document as plain data (its formulas and conditions are templates of `rich_documents`) and returns fractions; what float64
makes of them is for `test_exact` to judge.
"""

import math
from decimal import Decimal
from fractions import Fraction
from statistics import NormalDist
from typing import Any

HIDDEN = "hidden"
TOO_FEW, MISSING_VALUE, NOT_IN_LOOKUP, NO_NORM, SCORED = (
    "TooFewAnswers",
    "MissingValue",
    "NotInLookup",
    "NoNorm",
    "Scored",
)
DIVISION = "DivisionByZero"


def exact(x: Any) -> Fraction:
    return Fraction(Decimal(str(x)))


def nine(x: Fraction) -> Fraction:
    return Fraction(round(x * 10**9), 10**9)


class Person:
    """One person's answers against a document; `shown` is worked out item by item."""

    def __init__(self, spec: Any, answers: dict[str, Any], attributes: dict[str, Any]) -> None:
        self.spec, self.attributes = spec, attributes
        self.items = {item["id"]: item for item in spec["items"]}
        self.state: dict[str, Any] = {}
        sections = {
            item: section for section in spec.get("sections", []) for item in section["items"]
        }
        for item in spec["items"]:
            conditions = [
                one["when"] for one in (sections.get(item["id"], {}), item) if "when" in one
            ]
            shown = [self.holds(condition) for condition in conditions]
            self.state[item["id"]] = HIDDEN if False in shown else answers.get(item["id"])
            if item.get("type") == "Text" and self.state[item["id"]] == "":
                self.state[item["id"]] = None

    def holds(self, text: str) -> bool | None:
        """Evaluate `A`, `A or B`, `A and B` with A, B of the form `name OP constant`."""
        for word, decides in ((" or ", True), (" and ", False)):
            if word in text:
                found = [self.holds(part) for part in text.split(word)]
                return decides if decides in found else None if None in found else not decides
        name, operator, constant = text.split(" ")
        value = self.attributes.get(name) if name not in self.items else self.state[name]
        if value == HIDDEN:
            return False
        if constant.startswith("'"):
            return None if value is None else (value == constant.strip("'")) is (operator == "==")
        if value is None or self.is_missing_option(name, value):
            return None
        left, right = exact(value), exact(constant)
        return {"==": left == right, ">": left > right, ">=": left >= right, "<": left < right}[
            operator
        ]

    def is_missing_option(self, name: str, value: Any) -> bool:
        if name not in self.items:
            return False
        chosen = value if isinstance(value, list) else [value]
        return any(
            option.get("missing") and option["value"] in chosen
            for option in options(self.spec, self.items[name])
        )

    def answered(self, name: str) -> bool:
        value = self.state[name]
        return value is not None and value != HIDDEN and not self.is_missing_option(name, value)


def options(spec: Any, item: Any) -> list[Any]:
    if item.get("type", "Choice") in ("Number", "Text", "Date"):
        return []
    if "options" in item:
        return item["options"]  # type: ignore[no-any-return]
    return next(one["options"] for one in spec["responseSets"] if one["name"] == item["responses"])


def points(spec: Any, scale: Any, name: str, answer: Any) -> tuple[Fraction, Fraction, Fraction]:
    """Return the points of an answer that is there, and the ends that Percent counts from."""
    item = next(one for one in spec["items"] if one["id"] == name.split(".", maxsplit=1)[0])
    its, kind = options(spec, item), item.get("type", "Choice")
    if name in scale.get("key", {}):
        right = scale["key"][name]
        return (
            Fraction(answer in (right if isinstance(right, list) else [right])),
            Fraction(0),
            Fraction(1),
        )
    if name in scale.get("points", {}):
        given = scale["points"][name]
        if given == "count":
            free = [
                one["value"] for one in its if not one.get("exclusive") and not one.get("missing")
            ]
            return (
                Fraction(sum(value in free for value in answer)),
                Fraction(0),
                Fraction(len(free)),
            )
        if isinstance(given, dict):
            each = {value: exact(x) for value, x in given.items()}
            total = sum((each.get(str(value), Fraction(0)) for value in answer), Fraction(0))
            return (
                total,
                sum((x for x in each.values() if x < 0), Fraction(0)),
                sum((x for x in each.values() if x > 0), Fraction(0)),
            )
        if kind == "Number":
            ends = [exact(one["points"]) for one in given]
            return (
                next(exact(one["points"]) for one in given if inside(one, exact(answer))),
                min(ends),
                max(ends),
            )
        listed = [None if x is None else exact(x) for x in given]
        place = [one["value"] for one in its].index(answer)
        known = [x for x in listed if x is not None]
        found = listed[place]
        assert found is not None
        return found, min(known), max(known)
    minus = "-" + name in scale["items"]
    if "." in name:
        option = name.split(".")[1]
        values = [str(one["value"]) for one in its]
        if kind == "Multiple":
            x, low, high = (
                Fraction(option in [str(value) for value in answer]),
                Fraction(0),
                Fraction(1),
            )
        else:
            x, low, high = (
                Fraction(len(values) - [str(value) for value in answer].index(option)),
                Fraction(1),
                Fraction(len(values)),
            )
    elif kind == "Number":
        x, low, high = exact(answer), exact(item["min"]), exact(item["max"])
    else:
        numbers = [exact(one["value"]) for one in its if not one.get("missing")]
        x, low, high = exact(answer), min(numbers), max(numbers)
    if minus:
        x = low + high - x
    if "threshold" in scale:
        return Fraction(x >= exact(scale["threshold"])), Fraction(0), Fraction(1)
    return x, low, high


def inside(one: Any, x: Fraction) -> bool:
    return (
        ("from" not in one or x >= exact(one["from"])) and ("above" not in one or x > exact(one["above"]))
        and ("to" not in one or x <= exact(one["to"])) and ("below" not in one or x < exact(one["below"]))
    )  # fmt: skip


def terms(spec: Any, scale: Any) -> list[str]:
    names = (
        [name.lstrip("-") for name in scale.get("items", [])]
        + list(scale.get("key", {}))
        + list(scale.get("points", {}))
    )

    def order(name: str) -> tuple[int, int]:
        item = next(
            place
            for place, one in enumerate(spec["items"])
            if one["id"] == name.split(".", maxsplit=1)[0]
        )
        if "." not in name:
            return item, -1
        return item, [str(one["value"]) for one in options(spec, spec["items"][item])].index(
            name.split(".")[1]
        )

    return sorted(names, key=order)


class Outcome(dict[str, Any]):
    """What came of a scale: raw, valid, items, status and what else applies, numbers as fractions."""


def score(
    document: Any, answers: dict[str, Any], attributes: dict[str, Any], formulas: dict[str, Any]
) -> dict[str, Outcome]:
    """Return every scale's outcome. `formulas`: by scale id, a function of (person, finished scales) to (value, names, valid)."""
    spec = document["spec"]
    person = Person(spec, answers, attributes)
    done: dict[str, Outcome] = {}
    waiting = list(spec["scales"])
    ids = {scale["id"] for scale in waiting}
    while waiting:
        for scale in waiting:
            needs = {name.split(".")[0] for name in scale.get("items", [])} & ids
            needs |= set(formulas[scale["id"]].needs) if "formula" in scale else set()
            if needs <= set(done):
                done[scale["id"]] = finish(
                    spec, scale, person, raw_of(spec, scale, person, done, formulas)
                )
                waiting.remove(scale)
                break
    return done


def raw_of(  # noqa: C901 - one rule after the other, as DESIGN has them
    spec: Any, scale: Any, person: Person, done: dict[str, Outcome], formulas: dict[str, Any]
) -> Outcome:
    if "formula" in scale:
        formula = formulas[scale["id"]]
        value, valid = formula.evaluate(person, done, scale)
        if value in (DIVISION, TOO_FEW):
            return Outcome(raw=None, valid=valid, items=formula.names, status=value)
        return Outcome(
            raw=rounded(scale, value),
            valid=valid,
            items=formula.names,
            status=MISSING_VALUE if value is None else SCORED,
        )
    composite = any(
        name.split(".")[0] in {one["id"] for one in spec["scales"]}
        for name in scale.get("items", [])
    )
    gathered: list[tuple[Fraction, Fraction, Fraction, Fraction]] = []
    valid = excluded = 0
    every = Fraction(0)
    names = scale["items"] if composite else terms(spec, scale)
    for name in names:
        weight = exact(scale.get("weights", {}).get(name, 1))
        x: Fraction | None = None
        low = high = Fraction(0)
        if composite:
            x = part(done[name.split(".")[0]], name)
            valid += x is not None
            if scale_method(spec, scale) == "Percent":
                ends = done[name.split(".")[0]]["ends"]
                low, high = ends
        else:
            answer = person.state[name.split(".")[0]]
            _, low, high = points(spec, scale, name, some_answer(spec, name))
            if answer == HIDDEN and scale.get("notShown", "Missing") == "Exclude":
                excluded += 1
                continue
            if answer == HIDDEN and scale.get("notShown", "Missing") != "Missing":
                x = exact(scale["notShown"])
                valid += 1
            elif (
                answer is not None
                and answer != HIDDEN
                and not person.is_missing_option(name.split(".")[0], answer)
            ):
                x = points(spec, scale, name, answer)[0]
                valid += 1
            elif "unanswered" in scale:
                x = exact(scale["unanswered"])
        every += weight
        if x is not None:
            gathered.append((weight, x, low, high))
    count = len(names) - excluded
    asked = scale.get("minValid", 1 if "unanswered" in scale else len(names))
    outcome = Outcome(raw=None, valid=valid, items=count, status=TOO_FEW)
    if count < 1 or valid < math.ceil(Fraction(asked * count, len(names))):
        return outcome
    total = sum((weight * x for weight, x, _, _ in gathered), Fraction(0))
    weights = sum((weight for weight, *_ in gathered), Fraction(0))
    method = scale_method(spec, scale)
    if method == "Percent":
        possible = sum((weight * (high - low) for weight, _, low, high in gathered), Fraction(0))
        if possible == 0:
            return Outcome(outcome, status=DIVISION)
        raw = (
            100
            * sum((weight * (x - low) for weight, x, low, _ in gathered), Fraction(0))
            / possible
        )
    elif method == "Mean":
        raw = total / weights
    else:
        raw = total if len(gathered) == count else every * total / weights
    raw = raw * exact(scale.get("multiply", 1)) + exact(scale.get("constant", 0))
    return Outcome(outcome, raw=rounded(scale, raw), status=SCORED)


def some_answer(spec: Any, name: str) -> Any:
    """Return any answer to an item, so that its ends can be asked for."""
    item = next(one for one in spec["items"] if one["id"] == name.split(".", maxsplit=1)[0])
    values = [one["value"] for one in options(spec, item) if not one.get("missing")]
    return {"Number": item.get("min"), "Multiple": values[:1], "Ranking": values}.get(
        item.get("type", "Choice"), (values or [0])[0]
    )


def scale_method(spec: Any, scale: Any) -> str:
    return scale.get("score") or spec["defaults"]["score"]  # type: ignore[no-any-return]


def rounded(scale: Any, x: Fraction | None) -> Fraction | None:
    if x is None or "round" not in scale:
        return x
    given = scale["round"]
    mode, decimals = (
        (given, 0) if isinstance(given, str) else (given["mode"], given.get("decimals", 0))
    )
    units = nine(x) * 10**decimals
    half = Fraction(1, 2)
    whole = {
        "Up": math.ceil(units),
        "Down": math.floor(units),
        "HalfUp": math.floor(units + half),
        "HalfEven": round(units),
    }[mode]
    return Fraction(whole, 10**decimals)


def part(outcome: Outcome, name: str) -> Fraction | None:
    return outcome.get(name.split(".")[1] if "." in name else "raw")


def finish(spec: Any, scale: Any, person: Person, outcome: Outcome) -> Outcome:
    raw, defaults = outcome["raw"], spec.get("defaults", {})
    outcome["norm"] = outcome["bandGroup"] = outcome["band"] = None
    norms = scale.get("norms", {})
    group = first_group(spec, norms, person) if norms and raw is not None else None
    outcome["norm"] = group
    figures = norms[group] if group is not None else {}
    table = scale.get("lookup") or figures.get("lookup")
    status = outcome["status"]
    if raw is not None and table is not None:
        row = next((row for row in table if in_row(row, raw)), None)
        outcome["row"] = row
        outcome["score"] = None if row is None else exact(row["score"])
        if row is None:
            status = NOT_IN_LOOKUP
    if raw is not None and norms and group is None:
        status = NO_NORM
    if group is not None and "mean" in figures:
        z = (raw - exact(figures["mean"])) / exact(figures["sd"])
        outcome |= units(z)
        outcome["sd"] = exact(figures["sd"])
        outcome["mean"] = exact(figures["mean"])
    if group is not None and "frequencies" in figures:
        rows = [(exact(one["raw"]), one["count"]) for one in figures["frequencies"]]
        below, at = (
            sum(n for x, n in rows if x < nine(raw)),
            sum(n for x, n in rows if x == nine(raw)),
        )
        outcome["percentile"] = 100 * (below + Fraction(at, 2)) / sum(n for _, n in rows)
    unit = report(scale, defaults)
    outcome["unit"] = unit
    bands = scale.get("bands", defaults.get("bands", []))
    if isinstance(bands, dict):
        chosen = first_group(spec, bands, person) if raw is not None else None
        outcome["bandGroup"] = chosen
        if raw is not None and chosen is None and status == SCORED:
            status = NO_NORM
        bands = bands[chosen] if chosen is not None else []
    value = outcome.get(unit.lower())
    if value is not None:
        seen = nine(value) if isinstance(value, Fraction) else Fraction(round(value, 9))
        for band in bands:
            if (
                ("from" in band and seen >= exact(band["from"]))
                or ("above" in band and seen > exact(band["above"]))
                or not {"from", "above"} & set(band)
            ):
                outcome["band"] = band["id"]
    outcome["status"] = status
    return outcome


def units(z: Fraction) -> dict[str, Any]:
    return {
        "z": z, "t": 50 + 10 * z, "sten": min(max(math.floor(nine(2 * z + 6)), 1), 10),
        "stanine": min(max(math.floor(nine(2 * z + Fraction(11, 2))), 1), 9), "percentile": 100 * NormalDist().cdf(float(z)),
    }  # fmt: skip


def in_row(row: Any, raw: Fraction) -> bool:
    return nine(raw) == exact(row["raw"]) if "raw" in row else inside(row, nine(raw))


def first_group(spec: Any, named: Any, person: Person) -> str | None:
    kinds = {one["id"]: one for one in spec.get("attributes", [])}
    for group in spec["normGroups"]:
        if group["id"] in named and all(
            clause(kinds[name], wanted, person.attributes.get(name))
            for name, wanted in group.get("where", {}).items()
        ):
            return group["id"]  # type: ignore[no-any-return]
    return None


def clause(attribute: Any, wanted: Any, value: Any) -> bool:
    if value is None:
        return False
    if attribute.get("type") in ("Integer", "Number"):
        low, high = wanted
        return (low is None or exact(value) >= exact(low)) and (
            high is None or exact(value) <= exact(high)
        )
    return value in (wanted if isinstance(wanted, list) else [wanted])


def report(scale: Any, defaults: Any) -> str:
    norms = scale.get("norms", {})
    one: dict[str, Any] = next(iter(norms.values()), {})
    has_table = "lookup" in scale or "lookup" in one
    possible = (
        {"Raw"}
        | ({"Score"} if has_table else set())
        | ({"Z", "T", "Sten", "Stanine", "Percentile"} if "mean" in one else set())
    )
    possible |= {"Percentile"} if "frequencies" in one else set()
    if "report" in scale:
        return scale["report"]  # type: ignore[no-any-return]
    if norms and defaults.get("report") in possible:
        return defaults["report"]  # type: ignore[no-any-return]
    return "Score" if has_table else "Raw"


def profile(one: Any, done: dict[str, Outcome]) -> tuple[str, tuple[str, ...] | None, bool | None]:
    """Return a profile's status, code and whether it is tied."""
    values = [part(done[name.split(".")[0]], name) for name in one["of"]]
    if any(value is None for value in values):
        return TOO_FEW, None, None
    seen = [nine(Fraction(value)) for value in values if value is not None]
    order = sorted(range(len(seen)), key=lambda place: (-seen[place], place))
    top = one.get("top", 1)
    code = order[:top]
    rest = order[top:]
    last = seen[code[-1]]
    tied = len({seen[place] for place in code}) < len(code) or any(
        seen[place] == last for place in rest
    )
    if one.get("ties", "List") == "List":
        code += [place for place in rest if seen[place] == last]
    return SCORED, tuple(one["of"][place].split(".")[0] for place in code), tied
