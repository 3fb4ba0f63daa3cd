"""Generated files are up to date, and unknown values are rejected with their place."""

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
from tests.chart.rendering import (
    CHART,
    CI_FILES,
    ROOT,
    RefusedError,
    environment,
    of_kind,
    pod_specs,
    render,
    render_text,
)

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_generated_files_are_up_to_date() -> None:
    for path, text in make_files(ROOT).items():
        assert path.read_text() == text, (
            f"{path.name} is out of date: python -m charts.values_model"
        )


def groups(
    schema: dict[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    if "properties" in schema:
        yield path, schema
        for name, inner in schema["properties"].items():
            yield from groups(inner, (*path, name))


def at(path: tuple[str, ...], value: dict[str, Any]) -> dict[str, Any]:
    for name in reversed(path):
        value = {name: value}
    return value


def test_every_value_has_a_visible_default() -> None:
    for path, schema in groups(SCHEMA):
        if path and path[0] in ("redisConfig", "global") and path != ("redisConfig",):
            continue  # the schema of the resource
        found: Any = VALUES
        for name in path:
            found = found[name]
        assert set(schema["properties"]) - {"global"} == set(found), path


def test_unknown_values_are_rejected_everywhere() -> None:
    places = [path for path, _ in groups(SCHEMA)]
    assert len(places) > 40
    for path in places:
        with pytest.raises(jsonschema.ValidationError, match="misspelt"):
            jsonschema.validate(at(path, {"misspelt": 1}), SCHEMA)


def test_the_schema_accepts_all_defaults_and_ci_files() -> None:
    jsonschema.validate(VALUES, SCHEMA)
    for file in CI_FILES:
        merged = copy.deepcopy(VALUES) | yaml.safe_load(file.read_text())
        jsonschema.validate(merged, SCHEMA)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"api": {"replica": 2}}, "at '/api': additional properties 'replica' not allowed"),
        (
            {"valkey": {"persistance": {"enabled": False}}},
            "at '/valkey': additional properties 'persistance' not allowed",
        ),
        (
            {"redisConfig": {"spec": {"settings": {"durabilty": "Fsync"}}}},
            "additional properties 'durabilty' not allowed",
        ),
        (
            {"queues": {"results": {"maxRetrys": 3}}},
            "at '/queues/results': additional properties 'maxRetrys' not allowed",
        ),
        (
            {"image": {"pullPolicy": "Sometimes"}},
            "value must be one of 'Always', 'IfNotPresent', 'Never'",
        ),
        (
            {"resultWatcher": {"keda": {"minReplicas": 0}}},
            "at '/resultWatcher/keda/minReplicas': minimum: got 0, want 1",
        ),
        ({"resultWatcher": {"terminationGracePeriodSeconds": 10}}, "minimum: got 10, want 26"),
        (
            {"resultWatcher": {"keda": {"enabled": True}, "autoscaling": {"enabled": True}}},
            "exclude each other: choose one",
        ),
        (
            {
                "api": {
                    "ingress": {"enabled": True},
                    "httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}]},
                }
            },
            "exclude each other",
        ),
        ({"api": {"httpRoute": {"enabled": True}}}, "name the Gateway to attach to"),
        (
            {"pages": {"enabled": True, "httpRoute": {"enabled": True}}},
            "pages.httpRoute.parentRefs is empty: name the Gateway to attach to",
        ),
        (
            {
                "pages": {"enabled": True, "basePath": "/survey"},
                "redisConfig": {"spec": {"settings": {"publicUrl": "https://h.example/x"}}},
            },
            'publicUrl (https://h.example/x), whose path must be pages.basePath ("/survey")',
        ),
        ({"valkey": {"enabled": False}}, "say where Redis is"),
        ({"externalRedis": {"host": "h"}}, "set valkey.enabled=false to use it"),
        ({"api": {"keys": {"generateAdminKey": False}}}, "the API would have no keys"),
        (
            {"api": {"autoscaling": {"enabled": True, "minReplicas": 9}}},
            "api.autoscaling.minReplicas is above maxReplicas",
        ),
        (
            {"resultWatcher": {"keda": {"enabled": True, "minReplicas": 9}}},
            "resultWatcher.keda.minReplicas is above maxReplicas",
        ),
        (
            {"valkey": {"maxMemory": "1gb"}},
            "valkey.maxMemory (1gb) does not fit into valkey.resources.limits.memory (1Gi)",
        ),
        (
            {"valkey": {"enabled": False}, "externalRedis": {"sentinel": {"enabled": True}}},
            "name the sentinels",
        ),
    ],
)
def test_invalid_values_are_rejected_with_readable_messages(
    helm: str, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(RefusedError, match=re.escape(said)):
        render(values, helm=helm)


def test_comments_belong_to_the_value_below_them() -> None:
    text = "# Of a.\na:\n  # Of b,\n  # both lines.\n  b: 1\n  c: 2\n\n# Nobody's.\n\nd: {e: 1}\n"
    assert read_comments(text) == {
        ("a",): "Of a.",
        ("a", "b"): "Of b, both lines.",
        ("a", "c"): "",
        ("d",): "",
    }


def empty_ones(values: dict[str, Any]) -> dict[str, Any]:
    """Return each value whose default is an empty list or map, as null: how a user may clear it."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if value in ([], {}):
            found[name] = None
        elif isinstance(value, dict) and (inner := empty_ones(value)):
            found[name] = inner
    return found


@pytest.mark.parametrize("more", [{}, {"autoscaling": {"enabled": True}}])
def test_null_is_accepted_for_an_empty_list_or_map(helm: str, more: dict[str, Any]) -> None:
    nulls = empty_ones(VALUES)
    assert len(str(nulls).split("None")) > 60
    on: dict[str, Any] = {"enabled": True}
    monitoring = nulls["monitoring"] | on
    monitoring |= {
        "rules": nulls["monitoring"]["rules"] | on,
        "dashboard": nulls["monitoring"]["dashboard"] | on,
    }
    given = nulls | {
        "api": nulls["api"] | more | {"ingress": nulls["api"]["ingress"] | on},
        "pages": nulls["pages"] | more | on | {"ingress": nulls["pages"]["ingress"] | on},
        "otel": nulls["otel"] | on,
        "monitoring": monitoring,
    }
    assert len(render(given, helm=helm)) > 30


def test_numbers_keep_their_notation(helm: str) -> None:
    # Helm parses numbers of values files as floats and would render large ones as 1.048576e+07
    values = {
        "valkey": {"config": {"proto-max-bulk-len": 10485760, "hz": 10}},
        "api": {"extraEnv": {"BYTES": 10485760, "PART": 0.25, "ON": True}},
        "otel": {"enabled": True, "samplerArgument": 1},
    }
    objects = render(values, helm=helm)
    text = of_kind(objects, "ConfigMap")["trial-stanine-valkey"]["data"]["valkey.conf"].splitlines()
    assert {"proto-max-bulk-len 10485760", "hz 10"} <= set(text)
    given = environment(pod_specs(objects)["Deployment/trial-stanine-api"])
    assert (given["BYTES"], given["PART"], given["ON"]) == ("10485760", "0.25", "true")


def test_rendering_with_existing_secrets_is_deterministic(helm: str) -> None:
    values = {
        "valkey": {"auth": {"existingSecret": "redis"}},
        "api": {"keys": {"existingSecret": "keys"}},
    }
    texts = [render_text.__wrapped__(json.dumps(values), helm) for _ in range(2)]
    assert texts[0] == texts[1]
    assert "kind: Secret\n" not in texts[0]


@pytest.mark.parametrize(
    ("memory", "limit", "fits"),
    [
        ("640mb", "1Gi", True),
        ("1024mb", "1Gi", False),
        ("1073741823", 1073741824, True),
        ("2GB", "1.9G", False),
        ("2g", None, True),
        ("9gb", "9e9", True),
    ],
)
def test_the_memory_check_supports_both_notations(
    memory: str, limit: str | int | None, fits: bool
) -> None:
    values = {"valkey": {"maxMemory": memory, "resources": {"limits": {"memory": limit}}}}
    if fits:
        render(values)
    else:
        with pytest.raises(RefusedError, match="does not fit"):
            render(values)
