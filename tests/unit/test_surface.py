"""What others rely on stays: HTTP API, custom resources, values, commands and metric names are those of surface.json, apart from texts.

A deliberate change: `STANINE_WRITE_SURFACE=1 pytest tests/unit/test_surface.py`, and look at the difference.
"""

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from opentelemetry import trace

from stanine.api.app import Api
from stanine.api.settings import ApiSettings
from stanine.api.web.auth import Keyring
from stanine.api.web.openapi import describe
from stanine.cli.application import make_app
from stanine.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
SURFACE = Path(__file__).with_name("surface.json")
#: Members of schemas that are texts for people.
TEXTS = {"description", "summary", "title", "example", "examples", "markdownDescription"}
METRICS = {
    "Counter",
    "Gauge",
    "Histogram",
    "Summary",
    "GaugeMetricFamily",
    "CounterMetricFamily",
    "HistogramMetricFamily",
}


def without_texts(value: Any, *, names: bool = False) -> Any:
    """Return a document without its texts; the members of `properties` are names, whatever they are called."""
    if isinstance(value, dict):
        kept = {
            key: each
            for key, each in value.items()
            if names or key not in TEXTS or not isinstance(each, str | list | dict)
        }
        return {
            key: without_texts(each, names=key in {"properties", "schemas"} and not names)
            for key, each in kept.items()
        }
    if isinstance(value, list):
        return [without_texts(each) for each in value]
    return value


def http_api() -> Any:
    api = Api(
        ApiSettings("redis://127.0.0.1:1/0", Path("keys.yaml")),
        Keyring(Path("keys.yaml")),
        trace.NoOpTracerProvider(),
    )
    return without_texts(describe(api.asgi.router.routes))


def custom_resources() -> Any:
    found = {}
    for path in sorted((ROOT / "charts" / "stanine-crds" / "templates").glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        found[document["metadata"]["name"]] = without_texts(document["spec"])
    return found


def values() -> Any:
    return without_texts(
        json.loads((ROOT / "charts" / "stanine" / "values.schema.json").read_text())
    )


def commands() -> Any:
    def shape(command: Any) -> Any:
        parameters = [
            [
                each.param_type_name,
                each.name,
                sorted(each.opts),
                sorted(each.secondary_opts),
                each.required,
            ]
            if each.param_type_name == "option"
            else [each.param_type_name, each.name, each.required]
            for each in command.params
        ]
        groups = getattr(command, "commands", {})
        return {
            "parameters": parameters,
            **(
                {"commands": {name: shape(each) for name, each in sorted(groups.items())}}
                if groups
                else {}
            ),
        }

    return shape(typer.main.get_command(make_app(COMMANDS)))


def metric_names() -> list[str]:
    def calls() -> Iterator[ast.Call]:
        for folder in ("services", "operator"):
            for path in (ROOT / folder).rglob("*.py"):
                yield from (
                    node
                    for node in ast.walk(ast.parse(path.read_text()))
                    if isinstance(node, ast.Call)
                )

    def text(node: ast.expr) -> str:
        if isinstance(node, ast.JoinedStr):
            return "".join(
                str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values
            )
        return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)

    names = {
        text(call.args[0])
        for call in calls()
        if call.args and getattr(call.func, "id", getattr(call.func, "attr", "")) in METRICS
    }
    return sorted(name for name in names if name.startswith(("stanine_", "*_")))


PARTS = {
    "http api": http_api,
    "custom resources": custom_resources,
    "values": values,
    "commands": commands,
    "metric names": metric_names,
}


@pytest.mark.parametrize("part", PARTS)
def test_what_others_rely_on_is_as_recorded(part: str) -> None:
    found = json.loads(json.dumps(PARTS[part]()))
    recorded = json.loads(SURFACE.read_text()) if SURFACE.exists() else {}
    if os.environ.get("STANINE_WRITE_SURFACE"):
        SURFACE.write_text(json.dumps({**recorded, part: found}, indent=1, sort_keys=True) + "\n")
        return
    assert found == recorded[part]
