"""What a turn may use, without a loop and an API server: real connections to real servers, resources put in by hand."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from stanine_operator.controller.catalogue import all_kinds
from stanine_operator.controller.conditions import merge_conditions
from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.reconcile_result import FinalizeResult, Outcome
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.resource_cache import ResourceCache
from stanine_operator.redis_servers.connections import Connections

KINDS = {kind.name: kind for kind in all_kinds()}
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class Land:
    """Some resources, and turns for them one by one, their statuses kept as the loop keeps them."""

    port: int
    operator_id: str = "operator"
    connections: Connections = field(
        default_factory=lambda: Connections(lambda _namespace, _name: {})
    )
    neighbours: ResourceCache = field(default_factory=ResourceCache)
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
        """Apply a resource: a new one, or the next generation of the one there is."""
        before = self.neighbours.get((kind, namespace, name))
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
        self.neighbours.put(made)
        return made

    def redis(self, name: str = "default", **spec: Any) -> Resource:
        return self.put(
            "RedisConfig", name, **{"connection": {"host": "127.0.0.1", "port": self.port}, **spec}
        )

    def turn(self, resource: Resource) -> Outcome:
        """Reconcile the newest state of a resource, and write its status."""
        current = self.neighbours.get(resource.key)
        assert current is not None
        kind = KINDS[current.kind]
        outcome = kind.reconcile(current, kind.read(current), self.world())
        conditions = merge_conditions(
            current.status.get("conditions") or (),
            outcome.verdicts,
            generation=current.generation,
            now="now",
        )
        self._versions += 1
        status = {
            "observedGeneration": current.generation,
            "conditions": conditions,
            **outcome.fields,
        }
        self.neighbours.put(
            msgspec.structs.replace(current, status=status, version=str(self._versions))
        )
        return outcome

    def delete(self, resource: Resource) -> FinalizeResult:
        """Release a resource, as with deletionPolicy Delete, and forget it."""
        current = self.neighbours.get(resource.key)
        assert current is not None
        kind = KINDS[current.kind]
        assert kind.release is not None
        released = kind.release(current, kind.read(current), self.world())
        self.drop(resource)
        return released

    def drop(self, resource: Resource) -> None:
        self.neighbours.drop(resource.key)

    def lose_status(self, resource: Resource) -> None:
        current = self.neighbours.get(resource.key)
        assert current is not None
        self._versions += 1
        self.neighbours.put(
            msgspec.structs.replace(current, status={}, version=str(self._versions))
        )

    def world(self) -> ReconcileContext:
        return ReconcileContext(self.connections, self.neighbours, NOW, self.operator_id)


def ready(outcome: Outcome) -> tuple[bool | None, str]:
    """Return what the summary says."""
    first = outcome.verdicts[0]
    assert first.type == "Ready"
    return first.status, first.reason


def said(outcome: Outcome, condition: str) -> tuple[bool | None, str, str]:
    """Return what one condition says."""
    found = next(verdict for verdict in outcome.verdicts if verdict.type == condition)
    return found.status, found.reason, found.message
