"""Random instrument documents as plain data, valid by construction, and random answers to them (hypothesis strategies)."""

from typing import Any

from hypothesis import strategies as st

#: Numbers that people give to options and weights, odd ones included.
NUMBERS = st.one_of(
    st.integers(-5, 12),
    st.sampled_from(
        [0.5, 1.5, 2.5, 0.1, 0.2, 0.3, 1 / 3, -0.7, 1e-9, 1e9, -1e9, 123456.789, 3.3000000000000003]
    ),
    st.floats(-100, 100).map(lambda x: round(x, 3)),
).map(lambda x: x + 0)
WEIGHTS = st.one_of(st.integers(1, 5), st.sampled_from([0.5, 0.1, 1 / 3, 2.7, 1e-9, 1e9]))
ROLES = ("plain", "reversed", "key", "points")


@st.composite
def options(draw: st.DrawFn) -> list[dict[str, Any]]:
    shape = draw(st.sampled_from(["even", "odd", "text"]))
    if shape == "even":
        first, step = draw(st.integers(-2, 2)), draw(st.sampled_from([1, 2, 0.5]))
        values: list[Any] = [first + step * n for n in range(draw(st.integers(1, 7)))]
    elif shape == "odd":
        values = draw(st.lists(NUMBERS, min_size=1, max_size=6, unique_by=float))
    else:
        values = draw(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=6, unique=True))
    result: list[dict[str, Any]] = [{"value": value} for value in values]
    for n in range(draw(st.integers(0, 2))):
        result.insert(draw(st.integers(0, len(result))), {"value": f"missing{n}", "missing": True})
    return result


def is_reversible(numbers: list[float]) -> bool:
    return sorted(min(numbers) + max(numbers) - x for x in numbers) == sorted(numbers)


@st.composite
def scale(  # noqa: C901 - one choice after the other, as the rules of a scale have it
    draw: st.DrawFn, name: str, items: list[dict[str, Any]], sets: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(items), min_size=1, unique_by=lambda item: item["id"]))
    result: dict[str, Any] = {"id": name, "items": [], "key": {}, "points": {}}
    known: dict[str, list[Any]] = {}
    for item in chosen:
        its = item.get("options") or sets[item["responses"]]
        numbers = [option["value"] for option in its if not option.get("missing")]
        roles = ["key", "points"]
        if not any(isinstance(value, str) for value in numbers):
            roles += ["plain"] * 3 + ["reversed"] * 3 * is_reversible(numbers)
        match draw(st.sampled_from(roles)):
            case "plain":
                result["items"].append(item["id"])
            case "reversed":
                result["items"].append("-" + item["id"])
            case "key":
                right = draw(st.lists(st.sampled_from(numbers), min_size=1, unique=True))
                result["key"][item["id"]] = (
                    right[0] if len(right) == 1 and draw(st.booleans()) else right
                )
                known[item["id"]] = [int(value in right) for value in numbers]
            case "points":
                given = [None if option.get("missing") else draw(NUMBERS) for option in its]
                result["points"][item["id"]] = given
                known[item["id"]] = [x for x in given if x is not None]
        known.setdefault(item["id"], numbers)
    result["score"] = draw(st.sampled_from(["Mean", "Sum", "Percent"]))
    if result["items"] and draw(st.integers(0, 3)) == 0:
        result["threshold"] = draw(NUMBERS)
        for reference in result["items"]:
            numbers = known[reference.lstrip("-")]
            ends = min(numbers) + max(numbers)
            known[reference.lstrip("-")] = [
                int((ends - x if reference[0] == "-" else x) >= result["threshold"])
                for x in numbers
            ]
    if draw(st.integers(0, 2)) == 0:
        result["unanswered"] = draw(NUMBERS)
        if result["score"] == "Percent":
            low, high = (
                max(min(numbers) for numbers in known.values()),
                min(max(numbers) for numbers in known.values()),
            )
            result["unanswered"] = low
            if low > high:
                del result["unanswered"]
    if draw(st.booleans()):
        result["minValid"] = draw(st.integers(1, len(chosen)))
    needs_all = result["score"] == "Sum" and result.get(
        "minValid", 1 if "unanswered" in result else len(chosen)
    ) == len(chosen)
    if draw(st.booleans()):
        weights = st.one_of(WEIGHTS, NUMBERS) if needs_all else WEIGHTS
        result["weights"] = {item["id"]: draw(weights) for item in chosen if draw(st.booleans())}
    if draw(st.booleans()):
        result["multiply"] = draw(NUMBERS.filter(bool))
    if draw(st.booleans()):
        result["constant"] = draw(NUMBERS)
    if draw(st.booleans()):
        result["bands"] = draw(bands())
    return {name: value for name, value in result.items() if value not in ([], {})}


@st.composite
def bands(draw: st.DrawFn) -> list[dict[str, Any]]:
    edges = st.tuples(
        st.one_of(
            st.integers(-20, 120),
            st.floats(-20, 120).map(lambda x: round(x, draw(st.sampled_from([1, 9])))),
        ),
        st.booleans(),
    )
    marks = sorted(draw(st.lists(edges, min_size=1, max_size=6, unique=True)))
    result: list[dict[str, Any]] = [
        {"id": f"b{n}", "above" if above else "from": edge} for n, (edge, above) in enumerate(marks)
    ]
    return [{"id": "lowest"}, *result] if draw(st.booleans()) else result


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    sets = {f"set{n}": draw(options()) for n in range(draw(st.integers(1, 3)))}
    items = []
    for n in range(draw(st.integers(1, 12))):
        item: dict[str, Any] = {"id": f"i{n}", "text": "t"}
        if draw(st.integers(0, 3)) == 0:
            item["options"] = draw(options())
        else:
            item["responses"] = draw(st.sampled_from(sorted(sets)))
        items.append(item)
    return {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": "random"},
        "spec": {
            "title": "Random",
            "responseSets": [{"name": name, "options": its} for name, its in sets.items()],
            "items": items,
            "scales": [draw(scale(f"s{n}", items, sets)) for n in range(draw(st.integers(1, 4)))],
        },
    }


@st.composite
def documents_with_answers(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    document = draw(documents())
    spec = document["spec"]
    sets = {one["name"]: one["options"] for one in spec["responseSets"]}
    values = {
        item["id"]: [option["value"] for option in item.get("options") or sets[item["responses"]]]
        for item in spec["items"]
    }
    person = st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(its) for name, its in values.items()}
    )
    return document, draw(st.lists(person, min_size=1, max_size=12))
