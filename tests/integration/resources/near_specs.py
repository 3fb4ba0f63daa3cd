"""Strategies for resources that a schema nearly accepts: mostly valid, some values just invalid."""

from typing import Any

from hypothesis import strategies as st

#: One in this many parts is invalid.
_RARITY = 250
_JUNK = st.sampled_from([None, True, 7, 1.5, "", "junk", [], [1], {}, {"a": 1}])


@st.composite
def near(draw: st.DrawFn, schema: dict[str, Any]) -> Any:
    """Draw a value that the schema accepts, or nearly."""
    if draw(st.integers(1, _RARITY)) == 1:
        return draw(_JUNK)
    match schema.get("type"):
        case "object" if "properties" in schema:
            return _object(draw, schema)
        case "object":
            return draw(
                st.dictionaries(
                    st.sampled_from(["A1", "B_2", "x"]),
                    near(schema["additionalProperties"]),
                    max_size=2,
                )
            )
        case "array":
            most = min(3, schema["maxItems"])
            return draw(
                st.lists(near(schema["items"]), min_size=schema.get("minItems", 0), max_size=most)
            )
        case "string":
            return _text(draw, schema)
        case "integer":
            return _number(
                draw, schema, st.integers(schema.get("minimum", 0), schema.get("maximum", 9))
            )
        case "number":
            return _number(
                draw, schema, st.floats(schema.get("minimum", 0), schema.get("maximum", 9))
            )
        case "boolean":
            return draw(st.booleans())
    return draw(_JUNK)


def _object(draw: st.DrawFn, schema: dict[str, Any]) -> dict[str, Any]:
    made = {}
    for name, inner in schema["properties"].items():
        is_there = (
            draw(st.integers(1, _RARITY)) > 1
            if name in schema.get("required", ())
            else draw(st.integers(1, 3)) == 1
        )
        if is_there:
            made[name] = draw(near(inner))
    if draw(st.integers(1, _RARITY)) == 1:
        made["unknown"] = draw(_JUNK)
    return made


def _text(draw: st.DrawFn, schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    longest = schema.get("maxLength", 10)
    if draw(st.integers(1, _RARITY)) == 1:
        return "a" * (longest + draw(st.integers(0, 1)))
    if "pattern" in schema:
        return draw(st.from_regex(schema["pattern"], fullmatch=True))
    return draw(
        st.text(st.characters(codec="utf-8"), min_size=schema.get("minLength", 0), max_size=12)
    )


def _number(draw: st.DrawFn, schema: dict[str, Any], usual: "st.SearchStrategy[Any]") -> Any:
    edges = [
        schema[edge] + step
        for edge in ("minimum", "maximum")
        if edge in schema
        for step in (-1, 0, 1)
    ]
    if edges and draw(st.integers(1, 10)) == 1:
        return draw(st.sampled_from([*edges, float(edges[1])]))
    return draw(usual)
