"""Check a custom resource as `kubectl apply` and the operator would.

Called by `stanine validate`.
"""

import functools
from typing import Any

import msgspec

from stanine.crds import schema_check
from stanine.crds.errors import InvalidResource, format_faults
from stanine.crds.generate import root_schema
from stanine.crds.kinds import GROUP, KINDS, VERSION, ResourceKind
from stanine.crds.references import MAX_NAME
from stanine.crds.schema import Schema
from stanine.domain.errors import Fault, Faults

_TEXT: Schema = {"type": "string"}
_ANY: Schema = {"x-kubernetes-preserve-unknown-fields": True}
#: Kubernetes' own rules for the metadata of an applied object, for the commonly written fields.
_METADATA: Schema = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": MAX_NAME, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"},
        "namespace": {"type": "string", "maxLength": 63, "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$"},
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": 63, "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"},
        },
        "annotations": {"type": "object", "additionalProperties": _TEXT},
        **dict.fromkeys(
            (
                "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generateName", "generation",
                "managedFields", "ownerReferences", "resourceVersion", "selfLink", "uid",
            ),
            _ANY,
        ),
    },
}  # fmt: skip


class Judgement(msgspec.Struct, frozen=True):
    """The result of a check."""

    kind: str
    namespace: str
    name: str
    #: Errors for which `kubectl apply` would reject it; empty if it would be accepted.
    refused: tuple[Fault, ...]
    refused_count: int
    #: Errors for which the condition Ready would be False; empty if the spec is valid.
    faults: tuple[Fault, ...]
    #: Reason and message of the condition; empty if the spec is valid or the resource would be rejected.
    reason: str = ""
    message: str = ""

    @property
    def is_valid(self) -> bool:
        """Return whether neither the API server nor the operator would report an error."""
        return not self.refused_count and not self.reason


def is_ours(plain: object) -> bool:
    """Return whether plain data is a resource of this API group, of any version and kind."""
    version = plain.get("apiVersion") if isinstance(plain, dict) else None
    return isinstance(version, str) and version.partition("/")[0] == GROUP


def judge(plain: dict[str, Any]) -> Judgement:
    """Check one resource of this API group."""
    metadata = plain.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    kind_name, name = str(plain.get("kind")), str(metadata.get("name", ""))
    where = (kind_name, str(metadata.get("namespace", "")), name)
    faults = Faults()
    kind = KINDS.get(kind_name)
    if plain.get("apiVersion") != f"{GROUP}/{VERSION}" or kind is None:
        faults.add(
            "",
            "WrongText",
            f"there is no {kind_name} in {plain.get('apiVersion')}; {GROUP}/{VERSION} has {', '.join(KINDS)}",
        )
        return Judgement(*where, tuple(faults.kept), faults.count, ())
    schema_check.check(plain.get("metadata"), _METADATA, faults, "metadata")
    schema_check.check(plain, _root_schema(kind_name), faults)
    if not faults.count:
        for rule in kind.rules:
            for place in rule.broken_at(plain["spec"]):
                faults.add(place, "Contradiction", rule.message)
    try:
        kind.read(name, plain.get("spec"))
    except InvalidResource as error:
        if not faults.count:
            return Judgement(*where, (), 0, error.faults, error.reason, format_faults(error))
        _add_rest(error, kind, faults)
        known = {fault.place for fault in faults.kept}
        rest = tuple(fault for fault in error.faults if fault.place not in known)
        return Judgement(*where, tuple(faults.kept), faults.count, rest)
    return Judgement(*where, tuple(faults.kept), faults.count, ())


def _add_rest(error: InvalidResource, kind: ResourceKind, faults: Faults) -> None:
    """Add the rules that only the reader found broken: those for well-formed fields."""
    messages = {rule.message for rule in kind.rules}
    known = {fault.place for fault in faults.kept}
    for fault in error.faults:
        if fault.code == "Contradiction" and fault.detail in messages and fault.place not in known:
            faults.add(fault.place, "Contradiction", fault.detail)


@functools.cache
def _root_schema(kind: str) -> Schema:
    """Return the schema of a kind, with only the name checked in `metadata`."""
    schema = root_schema(KINDS[kind])
    metadata = schema["properties"]["metadata"] | {"x-kubernetes-preserve-unknown-fields": True}
    return schema | {"properties": schema["properties"] | {"metadata": metadata, "status": _ANY}}
