"""The slow, obvious scorer: DESIGN 4.1 read aloud, straight from a document (as plain data) and a person's answers. Shares no code with
the engine. `test_scoring` demands the engine's scores to be these, bit for bit.
"""

from typing import Any

Scored = tuple[float | None, int, str, str | None]  # raw, valid, status, band


def score(document: Any, answers: dict[str, Any]) -> dict[str, Scored]:
    """Return every scale's (raw, valid, status, band) for the answers of one person."""
    spec = document["spec"]
    return {scale["id"]: score_scale(spec, scale, answers) for scale in spec["scales"]}


def score_scale(spec: Any, scale: Any, answers: dict[str, Any]) -> Scored:  # noqa: C901 - one rule after the other, as DESIGN has them
    defaults = spec.get("defaults", {})
    method = scale.get("score") or defaults["score"]
    its_items = [item for item in spec["items"] if role_of(scale, item["id"]) is not None]
    min_valid = scale.get("minValid", 1 if "unanswered" in scale else len(its_items))

    valid = 0
    gathered = []  # weight, points, lowest, highest of every item that has points
    all_weights = 0.0
    for item in its_items:
        weight = float(scale.get("weights", {}).get(item["id"], 1))
        all_weights = all_weights + weight
        options = options_of(spec, item)
        table = [points_of(scale, item["id"], options, place) for place in range(len(options))]
        known = [x for x in table if x is not None]
        answer = answers.get(item["id"])
        if answer is None:
            x = scale.get("unanswered")
        else:
            x = table[[option["value"] for option in options].index(answer)]
            if x is not None:
                valid += 1
            else:
                x = scale.get("unanswered")
        ends = (float(min(known)), float(max(known)))
        if role_of(scale, item["id"]) == "key" or (
            "threshold" in scale and role_of(scale, item["id"]) in ("plain", "reversed")
        ):
            ends = 0.0, 1.0
        if x is not None:
            gathered.append((weight, float(x), *ends))

    if valid < min_valid:
        return None, valid, "TooFewAnswers", None
    if method == "Percent":
        above, possible = 0.0, 0.0
        for weight, x, lowest, highest in gathered:
            above = above + weight * (x - lowest)
            possible = possible + weight * (highest - lowest)
        if possible == 0:
            return None, valid, "DivisionByZero", None
        raw = (100 * above) / possible
    else:
        total, weights = 0.0, 0.0
        for weight, x, _, _ in gathered:
            total = total + weight * x
            weights = weights + weight
        if method == "Mean":
            raw = total / weights
        elif len(gathered) == len(its_items):
            raw = total
        else:
            raw = (all_weights * total) / weights
    raw = raw * scale.get("multiply", 1)
    raw = raw + scale.get("constant", 0)
    return raw, valid, "Scored", band_of(scale.get("bands", defaults.get("bands", [])), raw)


def role_of(scale: Any, item: str) -> str | None:
    if item in scale.get("items", []):
        return "plain"
    if "-" + item in scale.get("items", []):
        return "reversed"
    if item in scale.get("key", {}):
        return "key"
    return "points" if item in scale.get("points", {}) else None


def options_of(spec: Any, item: Any) -> Any:
    if "options" in item:
        return item["options"]
    name = item.get("responses") or spec["defaults"]["responses"]
    return next(one["options"] for one in spec["responseSets"] if one["name"] == name)


def points_of(scale: Any, item: str, options: Any, place: int) -> float | None:
    if options[place].get("missing"):
        return None
    role = role_of(scale, item)
    value = options[place]["value"]
    if role == "points":
        return float(scale["points"][item][place])
    if role == "key":
        right = scale["key"][item]
        return 1.0 if value in (right if isinstance(right, list) else [right]) else 0.0
    numbers = [float(option["value"]) for option in options if not option.get("missing")]
    x = float(value)
    if role == "reversed":
        x = min(numbers) + max(numbers) - x
    if "threshold" in scale:
        x = 1.0 if x >= scale["threshold"] else 0.0
    return x


def band_of(bands: Any, raw: float) -> str | None:
    seen = round(raw, 9)
    inside = None
    for band in bands:
        if (
            ("from" in band and seen >= band["from"])
            or ("above" in band and seen > band["above"])
            or not ({"from", "above"} & set(band))
        ):
            inside = band["id"]
    return inside
