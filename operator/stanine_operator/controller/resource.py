"""A custom resource as the operator uses it, read from an object of kopf or the API server."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

#: Kind, namespace and name: identifies a resource.
Key = tuple[str, str, str]

#: While this annotation is "true", the operator changes nothing for the resource.
PAUSED_ANNOTATION = "stanine.dev/paused"

#: Written by client-side `kubectl apply`: a second copy of the spec.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Resource(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One RedisConfig, Queue or Instrument; what is derived from its fields is computed once.

    `spec` and `status` are the API server's and must not be modified.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int = 1
    #: creationTimestamp, RFC 3339.
    created: str = ""
    annotations: Mapping[str, str] = {}
    spec: dict[str, Any] = {}
    status: dict[str, Any] = {}
    deleting: bool = False
    #: deletionTimestamp, RFC 3339; empty if the resource is not being deleted.
    deleted: str = ""
    finalizers: tuple[str, ...] = ()
    #: The API server's resourceVersion.
    version: str = ""
    #: Number of the history that the version belongs to (history.py).
    history: int = 0

    @cached_property
    def key(self) -> Key:
        """Return the key of the resource."""
        return self.kind, self.namespace, self.name

    @cached_property
    def title(self) -> str:
        """Return the name for messages: kind, namespace, name."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @cached_property
    def redis_config_name(self) -> str:
        """Return the name of the RedisConfig that it refers to; a RedisConfig's own name."""
        if self.kind == "RedisConfig":
            return self.name
        return str((self.spec.get("redisConfigRef") or {}).get("name") or "default")

    @cached_property
    def object_name(self) -> str:
        """Return the name of the object in Redis that it claims: of a queue, or its own."""
        return str(self.spec.get("queueName") or "") if self.kind == "Queue" else self.name

    @cached_property
    def paused(self) -> bool:
        """Return whether the owner paused the resource by annotation."""
        return self.annotations.get(PAUSED_ANNOTATION, "").lower() == "true"

    @cached_property
    def deletes_data(self) -> bool:
        """Return whether its data in Redis is deleted with it."""
        return self.spec.get("deletionPolicy") == "Delete"

    def is_newer_than(self, other: "Resource") -> bool:
        """Return whether this is a later state of the object, or a newer object of the same name.

        Versions are ordered within one history only; a state of a later history is newer regardless of version and
        creation time. Equal states are not newer.
        """
        if self.history != other.history:
            return self.history > other.history
        if self.uid != other.uid:
            return self.created >= other.created
        if (
            self.version.isdigit() and other.version.isdigit()
        ):  # documented since Kubernetes 1.35, true before
            return int(self.version) > int(other.version)
        return self.version != other.version


def read_resource(kind: str, body: Mapping[str, Any], history: int = 0) -> Resource:
    """Create a Resource from an API object that was read in the given history."""
    metadata: Mapping[str, Any] = body.get("metadata") or {}
    deleted = metadata.get("deletionTimestamp") or ""
    annotations = metadata.get("annotations") or {}
    return Resource(
        kind=kind,
        namespace=metadata.get("namespace") or "",
        name=metadata.get("name") or "",
        uid=metadata.get("uid") or "",
        generation=int(metadata.get("generation") or 1),
        created=metadata.get("creationTimestamp") or "",
        annotations={name: value for name, value in annotations.items() if name != _LAST_APPLIED},
        spec=dict(body.get("spec") or {}),
        status=dict(body.get("status") or {}),
        deleting=bool(deleted),
        deleted=deleted,
        finalizers=tuple(metadata.get("finalizers") or ()),
        version=str(metadata.get("resourceVersion") or ""),
        history=history,
    )
