"""Generate values.schema.json, files/texts.yaml and the README's table.

Sources: the records, the schemas of the custom resources, and values.yaml.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import yaml
from charts.values_model.comments import read_comments
from charts.values_model.records import Values
from charts.values_model.texts import take_numbers, text_shape

from stanine.crds.generate import root_schema
from stanine.crds.kinds import KINDS

CHART = Path("charts/stanine")
#: Lines of the README that enclose the table.
BEGIN, END = "<!-- values: made by `python -m charts.values_model` -->", "<!-- end of values -->"
#: Fields of a Queue that the chart sets itself.
_GIVEN_BY_CHART = ("queueName", "redisConfigRef")
#: Header of files/texts.yaml.
_TEXTS_HEAD = (
    "# Which values are texts that may be given as numbers: read by templates/_texts.tpl. "
    "Made by `python -m charts.values_model`.\n"
)

Schema = dict[str, Any]


def make_files(root: Path) -> dict[Path, str]:
    """Return the content of each generated file by path."""
    text = (root / CHART / "values.yaml").read_text()
    readme = root / CHART / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    after = rest.split(END)[1]
    schema = make_schema(read_comments(text))
    shape = yaml.safe_dump(text_shape(schema), default_flow_style=False)
    return {
        root / CHART / "values.schema.json": json.dumps(
            take_numbers(schema), indent=1, ensure_ascii=False
        )
        + "\n",
        root / CHART / "files/texts.yaml": f"{_TEXTS_HEAD}{shape}",
        readme: f"{before}{BEGIN}\n{make_table(text)}{END}{after}",
    }


def make_schema(comments: dict[tuple[str, ...], str]) -> Schema:
    """Return the schema of the values.

    It has no references, so that each value has its own description.
    """
    whole = msgspec.json.schema(Values)
    schema = _inline({"$ref": whole["$ref"]}, whole["$defs"], (), comments)
    redis_config = _as_values(root_schema(KINDS["RedisConfig"])["properties"]["spec"])
    redis_config["properties"]["connection"].pop("required", None)
    schema["properties"]["redisConfig"]["properties"]["spec"] |= redis_config
    queue = _as_values(root_schema(KINDS["Queue"])["properties"]["spec"])
    queue["properties"] = {
        name: value for name, value in queue["properties"].items() if name not in _GIVEN_BY_CHART
    }
    queue["type"] = ["object", "null"]
    schema["properties"]["queues"]["additionalProperties"] = queue
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart stanine",
        **schema,
    }


def make_table(text: str) -> str:
    """Return the table of values: name, default, description."""
    values = yaml.safe_load(text)
    rows = ["| value | default | what for |", "| --- | --- | --- |"]
    comments = read_comments(text)
    for path, comment in comments.items():
        default: Any = values
        for name in path:
            default = default[name]
        if any(other[: len(path)] == path and len(other) > len(path) for other in comments):
            if comment:
                rows.append(f"| **`{'.'.join(path)}`** | | {_cell(comment)} |")
        else:
            rows.append(
                f"| `{'.'.join(path)}` | `{_cell(json.dumps(default, ensure_ascii=False))}` | {_cell(comment)} |"
            )
    return "\n".join(rows) + "\n"


def _inline(
    schema: Schema, definitions: Schema, path: tuple[str, ...], comments: dict[tuple[str, ...], str]
) -> Schema:
    if reference := schema.get("$ref"):
        schema = definitions[reference.rsplit("/", 1)[1]]
    made = {
        name: value
        for name, value in schema.items()
        if name not in {"title", "description", "default", "required"}
    }
    if schema.get("required"):
        made["required"] = schema["required"]
    if comment := comments.get(path):
        made = {"description": comment, **made}
    if "properties" in schema:
        made["properties"] = {
            name: _inline(value, definitions, (*path, name), comments)
            for name, value in schema["properties"].items()
        }
    if isinstance(schema.get("items"), dict):
        made["items"] = _inline(schema["items"], definitions, (*path, "*"), comments)
    if "anyOf" in schema:
        made["anyOf"] = [
            _inline(each, definitions, (*path, "*"), comments) for each in schema["anyOf"]
        ]
    return made


def _as_values(schema: Schema, *, top: bool = True) -> Schema:
    """Convert a resource's schema to a schema of values.

    Rejects unknown fields; omits Kubernetes extensions; requires nothing at the top level.
    """
    made = {
        name: value
        for name, value in schema.items()
        if not name.startswith("x-kubernetes-") and name != "nullable"
    }
    if top:
        made.pop("required", None)
    if "properties" in schema:
        made["properties"] = {
            name: _as_values(value, top=False) for name, value in schema["properties"].items()
        }
        made["additionalProperties"] = False
    if "items" in schema:
        made["items"] = _as_values(schema["items"], top=False)
    return made


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
