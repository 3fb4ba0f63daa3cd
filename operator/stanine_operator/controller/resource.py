"""A custom resource as the operator sees it: what everything else here works on. Made from what kopf or the API server hands over."""

from collections.abc import Mapping
from typing import Any

import msgspec

#: kind, namespace, name: what a resource is known by.
Key = tuple[str, str, str]

#: While this annotation is "true", nothing is changed for the resource.
PAUSED_ANNOTATION = "stanine.dev/paused"

#: What `kubectl apply` of the client's side leaves behind: a second copy of the spec, of no use here.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One RedisConfig, Queue or Instrument. `spec` and `status` are as the API server has them and must not be changed."""

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int = 1
    #: RFC 3339, as the API server gave it.
    created: str = ""
    annotations: Mapping[str, str] = {}
    spec: dict[str, Any] = {}
    status: dict[str, Any] = {}
    deleting: bool = False
    #: When deletion was asked for, RFC 3339; empty while it was not.
    deleted: str = ""
    finalizers: tuple[str, ...] = ()
    #: The API server's resourceVersion.
    version: str = ""
    #: Number of the history that the version belongs to (history.py).
    history: int = 0

    @property
    def key(self) -> Key:
        """What the resource is known by."""
        return self.kind, self.namespace, self.name

    @property
    def paused(self) -> bool:
        """Whether its owner asked for no changes."""
        return self.annotations.get(PAUSED_ANNOTATION, "").lower() == "true"

    @property
    def deletes_data(self) -> bool:
        """Whether what it stands for in Redis is to be deleted with it."""
        return self.spec.get("deletionPolicy") == "Delete"

    def is_newer_than(self, other: "Resource") -> bool:
        """Tell whether this is a later state of the same object (or another object of that name). Equal states are not newer.

        Versions order states of one history only; a state of a later history is newer, whatever its version and creation time are.
        """
        if self.history != other.history:
            return self.history > other.history
        if self.uid != other.uid:
            return self.created >= other.created
        if (
            self.version.isdigit() and other.version.isdigit()
        ):  # Kubernetes 1.35 makes official what has always been so
            return int(self.version) > int(other.version)
        return self.version != other.version


def read_resource(kind: str, body: Mapping[str, Any], history: int = 0) -> Resource:
    """Make a Resource of an object of the API server, read in a history with this number."""
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
