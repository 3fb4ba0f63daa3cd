"""Validate objects by the schemas of Kubernetes, of our custom resources, and of third parties.

Third parties' schemas are in schemas/.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml
from tests.chart.rendering import CHART, KUBERNETES, Object

SCHEMAS = Path(__file__).parent / "schemas"


def judge(each: Object) -> None:
    """Validate an object; raise an error for unknown fields as well."""
    schema = _foreign_schema(each["apiVersion"], each["kind"])
    if schema is None:
        kubernetes_validate.validate(each, KUBERNETES.rpartition(".")[0], strict=True)
    else:
        jsonschema.validate(each, schema)


@cache
def _foreign_schema(api_version: str, kind: str) -> dict[str, Any] | None:
    group, _, version = api_version.rpartition("/")
    if group == "stanine.dev":
        for path in (CHART / "crds").glob("*.yaml"):
            definition = yaml.safe_load(path.read_text())["spec"]
            if definition["names"]["kind"] == kind:
                ours: dict[str, Any] = _strict(
                    definition["versions"][0]["schema"]["openAPIV3Schema"]
                )
                return ours
        raise AssertionError(f"no definition of {kind} in {CHART / 'crds'}")
    kept = SCHEMAS / f"{kind.lower()}.{group}.{version}.json"
    return _strict(json.loads(kept.read_text())) if kept.exists() else None


def _strict(schema: Any) -> Any:
    """Return a schema that rejects unknown fields and supports Kubernetes' int-or-string."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        name: {key: _strict(value) for key, value in inner.items()}
        if name == "properties"
        else _strict(inner)
        for name, inner in schema.items()
    }
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if (
        schema.get("properties", {}).get("kind") == {"type": "string"}
        and "metadata" in schema["properties"]
    ):
        made["properties"]["metadata"] = {"type": "object"}
    if schema.get("properties", {}).get("metadata", {}).get("type") == "object":
        made["properties"]["metadata"].pop("additionalProperties", None)  # Kubernetes' own metadata
    if schema.get("nullable"):
        made["type"] = [made["type"], "null"]
    return made
