"""Reconciliation without controller and API server: real servers, a cache filled by the test."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from stanine_operator.controller.catalogue import all_kinds
from stanine_operator.controller.conditions import merge_conditions
from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.reconcile_result import FinalizeResult, ReconcileResult
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.resource_cache import ResourceCache
from stanine_operator.redis_servers.connections import Connections, Server

KINDS = {kind.name: kind for kind in all_kinds()}


@dataclass
class Environment:
    """Resources and their reconciliation, with statuses kept as the controller keeps them."""

    port: int
    operator_id: str = "operator"
    connections: Connections = field(
        default_factory=lambda: Connections(lambda _namespace, _name: {})
    )
    resource_cache: ResourceCache = field(default_factory=ResourceCache)
    _versions: int = 0

    def put(
        self,
        kind: str,
        name: str,
        *,
        namespace: str = "ns",
        created: str = "2026-11-01T00:00:00Z",
        uid: str = "",
        **spec: Any,
    ) -> Resource:
        """Apply a resource: a new one, or the next generation of an existing one."""
        before = self.resource_cache.get((kind, namespace, name))
        self._versions += 1
        if before is None or (uid and before.uid != uid):
            made = Resource(
                kind=kind, namespace=namespace, name=name, uid=uid or f"{self.operator_id}-{self._versions}", created=created, spec=spec,
                version=str(self._versions),
            )  # fmt: skip
        else:
            made = msgspec.structs.replace(
                before, spec=spec, generation=before.generation + 1, version=str(self._versions)
            )
        self.resource_cache.put(made)
        return made

    def redis(self, name: str = "default", **spec: Any) -> Resource:
        return self.put(
            "RedisConfig", name, **{"connection": {"host": "127.0.0.1", "port": self.port}, **spec}
        )

    def reconcile(self, resource: Resource) -> ReconcileResult:
        """Reconcile the newest state of a resource and write its status."""
        current = self.resource_cache.get(resource.key)
        assert current is not None
        kind = KINDS[current.kind]
        outcome = kind.reconcile(current, kind.read(current), self.context())
        conditions = merge_conditions(
            current.status.get("conditions") or (),
            outcome.conditions,
            generation=current.generation,
            now="now",
        )
        self._versions += 1
        status = {
            "observedGeneration": current.generation,
            "conditions": conditions,
            **outcome.fields,
        }
        self.resource_cache.put(
            msgspec.structs.replace(current, status=status, version=str(self._versions))
        )
        return outcome

    def delete(self, resource: Resource) -> FinalizeResult:
        """Finalize a resource with deletionPolicy Delete and remove it."""
        current = self.resource_cache.get(resource.key)
        assert current is not None
        kind = KINDS[current.kind]
        assert kind.finalize is not None
        released = kind.finalize(current, kind.read(current), self.context())
        self.drop(resource)
        return released

    def drop(self, resource: Resource) -> None:
        self.resource_cache.drop(resource.key)

    def lose_status(self, resource: Resource) -> None:
        current = self.resource_cache.get(resource.key)
        assert current is not None
        self._versions += 1
        self.resource_cache.put(
            msgspec.structs.replace(current, status={}, version=str(self._versions))
        )

    def server_of(self, resource: Resource) -> Server:
        """Return the connection to a resource's server."""
        return self.context().connect(resource)[0]

    def context(self) -> ReconcileContext:
        return ReconcileContext(self.connections, self.resource_cache, self.operator_id)


def ready(outcome: ReconcileResult) -> tuple[bool | None, str]:
    """Return status and reason of the condition Ready."""
    first = outcome.conditions[0]
    assert first.type == "Ready"
    return first.status, first.reason


def said(outcome: ReconcileResult, condition: str) -> tuple[bool | None, str, str]:
    """Return status, reason and message of a condition."""
    found = next(each for each in outcome.conditions if each.type == condition)
    return found.status, found.reason, found.message
