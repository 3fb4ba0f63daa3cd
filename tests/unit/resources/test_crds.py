"""The CRDs in the charts are current, and follow the rules of Kubernetes and GitOps tools."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from stanine.broker.settings import QueueSettings
from stanine.crds.generate import CRDS, CRDS_CHART, make_crd, make_files, root_schema
from stanine.crds.kinds import KINDS, ResourceKind
from stanine.crds.queue import QueueSpec, broker_settings
from stanine.crds.redis_config import RedisConfigSpec
from stanine.crds.settings import SettingsSpec, given_settings
from stanine.store.settings.model import Settings

ROOT = Path(__file__).parents[3]
PRESERVE = "x-kubernetes-preserve-unknown-fields"
#: Unstructured places (DESIGN 4.1): the domain validates them.
SCHEMALESS = {"value", "values[]", "key", "points", "where", "norms", "bands", "round", "notShown"}

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.kind)


def nodes(schema: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield place, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{place}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{place}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{place}{{}}")


def own_nodes(kind: ResourceKind) -> list[tuple[str, dict[str, Any]]]:
    schema = root_schema(kind)["properties"]
    return [*nodes(schema["spec"], "spec"), *nodes(schema["status"], "status")]


def test_the_generated_files_are_current() -> None:
    for path, text in make_files(ROOT).items():
        assert path.read_text(encoding="utf-8") == text, (
            f"{path}: run python -m stanine.crds.generate"
        )
    made = {path.name for path in make_files(ROOT)}
    for folder in (CRDS, CRDS_CHART):
        assert {
            path.name for path in (ROOT / folder).iterdir()
        } <= made  # no file of a removed kind remains


@each_kind
def test_every_value_in_a_resource_is_bounded(kind: ResourceKind) -> None:
    for place, schema in own_nodes(kind):
        match schema.get("type"):
            case "string":
                assert "enum" in schema or 0 < schema["maxLength"] <= 50_000, place
            case "array":
                assert 0 < schema["maxItems"] <= 2_000, place
                assert schema["x-kubernetes-list-type"] in ("atomic", "map"), place
            case "integer" | "number":
                assert "minimum" in schema, place
                assert "maximum" in schema, place
            case "object":
                assert "properties" in schema or schema["maxProperties"] <= 2_000, place
            case "boolean":
                pass
            case None:
                assert schema[PRESERVE] is True, place
            case other:
                pytest.fail(f"{place} is of type {other}")


@each_kind
def test_unstructured_values_are_allowed_only_where_intended(kind: ResourceKind) -> None:
    places = {place.rpartition(".")[2] for place, schema in own_nodes(kind) if PRESERVE in schema}
    assert places <= SCHEMALESS if kind.kind == "Instrument" else not places


@each_kind
def test_every_field_has_a_description(kind: ResourceKind) -> None:
    for place, schema in own_nodes(kind):
        if not place.endswith(("[]", "{}")):
            assert re.fullmatch(r"[A-Z\w].*[.:]", schema["description"]), (
                place,
                schema.get("description"),
            )


@each_kind
def test_the_crds_cause_no_diff_in_gitops_tools(kind: ResourceKind) -> None:
    """The API server drops or fills empty values; defaults would be written into resources."""
    text = yaml.safe_dump(make_crd(kind))
    assert not re.search(
        r": (\[\]|\{\}|null|''|false)$", text.replace("status: {}", ""), re.MULTILINE
    )
    assert not any("default" in schema for _, schema in own_nodes(kind))
    assert "{{" not in (ROOT / CRDS_CHART / f"{kind.plural}.yaml").read_text(
        encoding="utf-8"
    )  # Helm would parse it as a template


@each_kind
def test_crds_survive_the_uninstallation_of_their_chart(kind: ResourceKind) -> None:
    crd = yaml.safe_load((ROOT / CRDS_CHART / f"{kind.plural}.yaml").read_text(encoding="utf-8"))
    assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert crd == make_crd(kind)


def test_conditions_are_as_kubernetes_defines_them() -> None:
    for kind in KINDS.values():
        conditions = root_schema(kind)["properties"]["status"]["properties"]["conditions"]
        assert conditions["x-kubernetes-list-map-keys"] == ["type"]
        assert set(conditions["items"]["required"]) == {
            "type",
            "status",
            "lastTransitionTime",
            "reason",
            "message",
        }
        assert set(conditions["items"]["properties"]) == {
            *conditions["items"]["required"],
            "observedGeneration",
        }
        assert conditions["items"]["properties"]["lastTransitionTime"]["format"] == "date-time"


def test_queue_fields_have_the_brokers_ranges_and_names() -> None:
    names = {field.name for field in msgspec.structs.fields(QueueSpec)}
    written = broker_settings(QueueSpec(queue_name="q"))
    assert set(written) == set(asdict(QueueSettings())) - {"batch_max_bytes"}
    assert set(written.values()) == {None}
    assert names >= {"max_retries", "lease_seconds", "max_deliveries"}
    spec = root_schema(KINDS["Queue"])["properties"]["spec"]["properties"]
    for name, place in (
        ("leaseSeconds", spec["leaseSeconds"]),
        ("ttlSeconds", spec["deadLetter"]["properties"]["ttlSeconds"]),
    ):
        for edge in ("minimum", "maximum"):
            seconds = place[edge]
            QueueSettings(
                **{
                    "leaseSeconds": {"lease_ms": seconds * 1000},
                    "ttlSeconds": {"dead_max_age_ms": seconds * 1000},
                }[name]
            )


def test_described_defaults_are_the_defaults() -> None:
    broker = QueueSettings()
    spec = root_schema(KINDS["Queue"])["properties"]["spec"]["properties"]
    said = {
        spec["leaseSeconds"]["description"]: broker.lease_ms // 1000,
        spec["maxDeliveries"]["description"]: broker.max_deliveries,
        spec["deadLetter"]["properties"]["maxLength"]["description"]: broker.dead_max_length,
        spec["deadLetter"]["properties"]["ttlSeconds"]["description"]: broker.dead_max_age_ms
        // 1000,
        spec["rateLimit"]["properties"]["periodMilliseconds"]["description"]: broker.rate_period_ms,
    }
    for description, default in said.items():
        assert f"Default: {default}" in description
    for record, schema in (
        (RedisConfigSpec, root_schema(KINDS["RedisConfig"])["properties"]["spec"]),
        (QueueSpec, {"properties": spec}),
    ):
        for field in msgspec.structs.fields(record):
            if isinstance(field.default, str | int):
                assert schema["properties"][field.encode_name]["description"].endswith(
                    f"Default: {field.default}."
                ), field.name


def test_a_redis_config_has_all_settings_of_the_services() -> None:
    settings = root_schema(KINDS["RedisConfig"])["properties"]["spec"]["properties"]["settings"][
        "properties"
    ]
    assert list(settings) == list(Settings.__struct_encode_fields__)
    everything = msgspec.to_builtins(Settings())
    assert given_settings(msgspec.convert(everything, SettingsSpec)) == everything
    assert given_settings(SettingsSpec()) == {}
    for name, schema in settings.items():
        assert (
            f"Default: {'empty' if everything[name] == '' else everything[name]}."
            in schema["description"]
        )
        if schema["type"] == "integer":
            for edge in (schema["minimum"], schema["maximum"]):
                msgspec.convert({name: edge}, Settings)
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert({name: schema["maximum"] + 1}, Settings)
