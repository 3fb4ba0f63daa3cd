"""CRDs only grow: whatever an earlier version accepted is accepted.

`kubectl apply` therefore upgrades them. `earlier/` contains the CRDs of the previous release and is replaced at each
release.
"""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

Schema = dict[str, Any]
NOW = Path(__file__).parents[3] / "charts/stanine/crds"
EARLIER = Path(__file__).parent / "earlier"
KINDS = sorted(path.name for path in EARLIER.glob("*.yaml"))
#: Limits of a field, and the direction in which each may change.
LIMITS: dict[str, Callable[[Any, Any], bool]] = {
    "maxLength": lambda then, now: now >= then,
    "maxItems": lambda then, now: now >= then,
    "maxProperties": lambda then, now: now >= then,
    "maximum": lambda then, now: now >= then,
    "minLength": lambda then, now: now <= then,
    "minItems": lambda then, now: now <= then,
    "minimum": lambda then, now: now <= then,
    "enum": lambda then, now: set(then) <= set(now),
    "required": lambda then, now: set(now) <= set(then),
}
#: Limits of a field without earlier limits.
NEW_LIMITS = {*LIMITS, "pattern", "format"}


def definition(folder: Path, name: str) -> Schema:
    loaded: Schema = yaml.safe_load((folder / name).read_text())
    return loaded


def root(crd: Schema) -> Schema:
    (version,) = crd["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def narrowed(then: Schema, now: Schema, place: str = "") -> Iterator[str]:  # noqa: C901 - one kind of limit after the other
    """Yield what the earlier schema accepted and the current one may not.

    Unsupported fields of the earlier version were rejected regardless of its schema; unstructured places accept
    everything.
    """
    if then.get("description", "").startswith("Not supported by this version") or now.get(
        "x-kubernetes-preserve-unknown-fields"
    ):
        return
    if then.get("type") != now.get("type"):
        yield f"{place}: was {then.get('type')}, is {now.get('type')}"
    for limit, is_wider in LIMITS.items():
        if (
            limit in now
            and not (limit in then and is_wider(then[limit], now[limit]))
            and not (limit == "required" and not now[limit])
        ):
            yield f"{place}: {limit} was {then.get(limit)}, is {now[limit]}"
    for limit in ("pattern", "format"):
        if limit in now and now[limit] != then.get(limit):
            yield f"{place}: {limit} was {then.get(limit)}, is {now[limit]}"
    if then.get("default") != now.get("default"):
        yield f"{place}: the default was {then.get('default')}, is {now.get('default')}"
    if {rule["rule"] for rule in now.get("x-kubernetes-validations", ())} - {
        rule["rule"] for rule in then.get("x-kubernetes-validations", ())
    }:
        yield f"{place}: a rule is new"
    for name, field in then.get("properties", {}).items():
        if name not in now.get("properties", {}):
            yield f"{place}.{name}: is gone"
        else:
            yield from narrowed(field, now["properties"][name], f"{place}.{name}")
    for part in ("items", "additionalProperties"):
        if isinstance(then.get(part), dict):
            yield from narrowed(then[part], now.get(part, {}), f"{place}[]")


@pytest.mark.parametrize("name", KINDS)
def test_specs_valid_in_earlier_definitions_remain_valid(name: str) -> None:
    then, now = definition(EARLIER, name), definition(NOW, name)
    assert list(narrowed(root(then), root(now))) == []
    versions = [
        {each["name"] for each in crd["spec"]["versions"] if each["served"]} for crd in (then, now)
    ]
    assert versions[0] <= versions[1]
    for what in ("group", "scope"):
        assert then["spec"][what] == now["spec"][what]
    assert then["spec"]["names"] == now["spec"]["names"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda spec: spec["properties"].pop("maxRetries"), ".spec.maxRetries: is gone"),
        (
            lambda spec: spec["properties"]["queueName"].update(maxLength=3),
            ".spec.queueName: maxLength was",
        ),
        (
            lambda spec: spec["properties"]["desiredState"]["enum"].remove("Paused"),
            ".spec.desiredState: enum was",
        ),
        (lambda spec: spec.setdefault("required", []).append("maxRetries"), ".spec: required was"),
        (
            lambda spec: spec["properties"]["maxRetries"].update(type="string"),
            ".spec.maxRetries: was integer, is string",
        ),
        (
            lambda spec: spec.update({"x-kubernetes-validations": [{"rule": "false"}]}),
            ".spec: a rule is new",
        ),
    ],
)
def test_a_narrowed_definition_is_detected(change: Callable[[Schema], object], told: str) -> None:
    then = root(definition(EARLIER, "queues.yaml"))
    now = copy.deepcopy(then)
    change(now["properties"]["spec"])
    assert any(each.startswith(told) for each in narrowed(then, now))
