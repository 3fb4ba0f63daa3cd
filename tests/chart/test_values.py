"""The chart's values: what is made from the records is up to date, and a misspelt value is refused where it stands."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml
from charts.values_model.comments import read_comments
from charts.values_model.making import make_files
from tests.chart.rendering import CHART, CI_FILES, ROOT, RefusedError, render

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_the_schema_and_the_table_are_those_of_the_records() -> None:
    for path, text in make_files(ROOT).items():
        assert path.read_text() == text, f"{path.name} is out of date: python -m charts.values_model"


def groups(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    if "properties" in schema:
        yield path, schema
        for name, inner in schema["properties"].items():
            yield from groups(inner, (*path, name))


def at(path: tuple[str, ...], value: dict[str, Any]) -> dict[str, Any]:
    for name in reversed(path):
        value = {name: value}
    return value


def test_every_value_has_a_default_that_can_be_seen() -> None:
    for path, schema in groups(SCHEMA):
        if path and path[0] in ("redisConfig", "global") and path != ("redisConfig",):
            continue  # the resource's own schema
        found: Any = VALUES
        for name in path:
            found = found[name]
        assert set(schema["properties"]) - {"global"} == set(found), path


def test_an_unknown_value_is_refused_at_every_place() -> None:
    places = [path for path, _ in groups(SCHEMA)]
    assert len(places) > 40
    for path in places:
        with pytest.raises(jsonschema.ValidationError, match="misspelt"):
            jsonschema.validate(at(path, {"misspelt": 1}), SCHEMA)


def test_the_schema_takes_every_default_and_every_ci_file() -> None:
    jsonschema.validate(VALUES, SCHEMA)
    for file in CI_FILES:
        merged = copy.deepcopy(VALUES) | yaml.safe_load(file.read_text())
        jsonschema.validate(merged, SCHEMA)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"api": {"replica": 2}}, "at '/api': additional properties 'replica' not allowed"),
        ({"valkey": {"persistance": {"enabled": False}}}, "at '/valkey': additional properties 'persistance' not allowed"),
        ({"redisConfig": {"spec": {"settings": {"durabilty": "Fsync"}}}}, "additional properties 'durabilty' not allowed"),
        ({"queues": {"results": {"maxRetrys": 3}}}, "at '/queues/results': additional properties 'maxRetrys' not allowed"),
        ({"image": {"pullPolicy": "Sometimes"}}, "value must be one of 'Always', 'IfNotPresent', 'Never'"),
        ({"resultWatcher": {"keda": {"minReplicas": 0}}}, "at '/resultWatcher/keda/minReplicas': minimum: got 0, want 1"),
        ({"resultWatcher": {"terminationGracePeriodSeconds": 10}}, "minimum: got 10, want 26"),
        ({"resultWatcher": {"keda": {"enabled": True}, "autoscaling": {"enabled": True}}}, "exclude each other: choose one"),
        ({"api": {"ingress": {"enabled": True}, "httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}]}}}, "exclude each other"),
        ({"api": {"httpRoute": {"enabled": True}}}, "name the Gateway to attach to"),
        ({"valkey": {"enabled": False}}, "say where Redis is"),
        ({"externalRedis": {"host": "h"}}, "set valkey.enabled=false to use it"),
        ({"api": {"keys": {"generateAdminKey": False}}}, "the API would have no keys"),
        ({"valkey": {"enabled": False}, "externalRedis": {"sentinel": {"enabled": True}}}, "name the sentinels"),
    ],
)
def test_what_cannot_be_meant_is_refused_readably(helm: str, values: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(said)):
        render(values, helm=helm)


def test_comments_belong_to_the_value_below_them() -> None:
    text = "# Of a.\na:\n  # Of b,\n  # both lines.\n  b: 1\n  c: 2\n\n# Nobody's.\n\nd: {e: 1}\n"
    assert read_comments(text) == {("a",): "Of a.", ("a", "b"): "Of b, both lines.", ("a", "c"): "", ("d",): ""}
