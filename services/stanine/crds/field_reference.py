"""Writes the reference of every field of the kinds, from their schemas, into docs/reference/custom-resources.md. Called by `crds`."""

from collections.abc import Iterator

from stanine.crds.kinds import ResourceKind
from stanine.crds.schema import Schema
from stanine.crds.server_parameters import PARAMETERS, ParameterDefinition, ParameterType

#: Markers around the generated part of the page.
BEGIN = "<!-- made by `python -m stanine.crds.generate`: begin -->"
END = "<!-- made by `python -m stanine.crds.generate`: end -->"
#: Maximum number of enum values that are listed; otherwise only their number is given.
_WORDS_SHOWN = 8
_LARGEST_SHOWN = (1 << 53) - 1
_VALUES = {
    ParameterType.BYTES: "size: `1048576`, `1mb`",
    ParameterType.BYTES_OR_PERCENT: "size, or share of maxmemory: `5%`",
    ParameterType.SAVE_POINTS: "pairs of seconds and changes: `3600 1 300 100`; empty: none",
    ParameterType.BUFFER_LIMITS: "class, hard limit, soft limit, seconds: `pubsub 32mb 8mb 60`; classes: `normal`, `replica`, `pubsub`",
    ParameterType.EVENTS: "letters: `KEA`; empty: none",
}


def renew(page: str, reference: str) -> str:
    """Return the page with its generated part replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference}\n{END}{after}"


def describe(kind: ResourceKind, root: Schema) -> str:
    """Return the reference of one kind: fields, rules and status."""
    spec, status = root["properties"]["spec"], root["properties"]["status"]
    rules = [f"- `{place}`: {text}" for place, text in _rules(spec, "spec")]
    return "\n".join([
        f"### {kind.kind}",
        "",
        f"{kind.about} Short name `{kind.short}`.",
        "",
        *_table(spec, "spec"),
        "",
        "Between the fields:",
        "",
        *rules,
        "",
        *_table(status, "status"),
        "",
    ])  # fmt: skip


def describe_parameters() -> str:
    """Return the table of permitted server parameters."""
    rows = [f"| `{name}` | {_value(parameter)} |" for name, parameter in PARAMETERS.items()]
    return "\n".join(
        [
            "### Server parameters",
            "",
            "The parameters that `spec.server` of a RedisConfig may set.",
            "",
            "| name | value |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def _value(parameter: ParameterDefinition) -> str:
    match parameter.type:
        case ParameterType.CHOICE:
            return " \\| ".join(f"`{choice}`" for choice in parameter.choices)
        case ParameterType.INTEGER:
            highest = "" if parameter.highest > _LARGEST_SHOWN else f" to {parameter.highest:,}"
            return f"whole number, {parameter.lowest:,}{highest or ' or more'}"
    return _VALUES[parameter.type]


def _table(schema: Schema, place: str) -> list[str]:
    rows = [f"| `{name}` | {kind} | {about} |" for name, kind, about in _fields(schema, place)]
    return ["| field | type | meaning |", "| --- | --- | --- |", *rows]


def _fields(schema: Schema, place: str) -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", ())
    for name, one in schema["properties"].items():
        at = f"{place}.{name}"
        needed = "**required.** " if name in required else ""
        yield at, _type(one), needed + one.get("description", "").replace("|", "\\|")
        inner = one["items"] if one.get("type") == "array" else one
        if at == "status.conditions":
            continue  # metav1.Condition
        if "properties" in inner:
            yield from _fields(inner, at + ("[]" if one.get("type") == "array" else ""))


def _type(schema: Schema) -> str:
    kind = schema.get("type", "any")
    match kind:
        case "array":
            return f"list of {_type(schema['items'])}, ≤ {schema['maxItems']}"
        case "object" if "additionalProperties" in schema:
            return f"map of {_type(schema['additionalProperties'])}"
        case "integer" | "number":
            return _range(schema)
        case "string" if "enum" in schema:
            words = schema["enum"]
            return (
                " \\| ".join(f"`{word}`" for word in words)
                if len(words) <= _WORDS_SHOWN
                else f"one of {len(words)} words"
            )
        case "string":
            return f"text, ≤ {schema['maxLength']}" if "maxLength" in schema else "text"
    return str(kind)


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None or high is None or high >= _LARGEST_SHOWN:
        return str(schema["type"])
    return f"{schema['type']}, {low:,} to {high:,}"


def _rules(schema: Schema, place: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield place + rule.get("fieldPath", ""), rule["message"]
    for name, one in schema.get("properties", {}).items():
        yield from _rules(one, f"{place}.{name}")
    if "items" in schema:
        yield from _rules(schema["items"], f"{place}[]")
