"""Remove the operator's finalizer from resources whose operator is being removed.

Called by the uninstall hook, and by main.py when the operator's own namespace is being deleted, so that no resource
waits for an operator that no longer runs.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from stanine_operator.controller.kinds import FINALIZER, KindHandler
from stanine_operator.controller.resource import Resource, read_resource
from stanine_operator.kubernetes.client import Body, ClusterError
from stanine_operator.kubernetes.cluster import Cluster

#: Attempts per resource: other clients may change it concurrently.
TRIES = 5


@dataclass
class FreeResult:
    """Names of the freed resources, and error messages for the others."""

    freed: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


async def free(
    cluster: Cluster,
    kinds: Iterable[KindHandler],
    namespaces: Sequence[str | None],
    concerns: Callable[[str], bool] = lambda _namespace: True,
) -> FreeResult:
    """Remove the finalizer from all resources in some namespaces (None: all).

    Their data in Redis is kept. `concerns` returns whether a namespace is this operator's. Raises ClusterError if a
    kind cannot be listed.
    """
    done = FreeResult()
    for kind in kinds:
        for namespace in namespaces:
            for body in await _list_with_finalizer(cluster, kind, namespace):
                resource = read_resource(kind.name, body)
                if not concerns(resource.namespace):
                    continue
                name = f"{kind.plural}/{resource.namespace}/{resource.name}"
                try:
                    await _free(cluster, kind, resource)
                    done.freed.append(name)
                except ClusterError as error:
                    done.failures.append(str(error))
    return done


async def _list_with_finalizer(
    cluster: Cluster, kind: KindHandler, namespace: str | None
) -> list[Body]:
    """Return the objects with the finalizer, without spec; empty if the kind is not installed."""
    try:
        listed = await cluster.list_metadata(kind, namespace)
    except ClusterError as error:
        if error.not_found:
            return []
        raise
    return [
        {"metadata": metadata}
        for metadata in listed
        if FINALIZER in (metadata.get("finalizers") or ())
    ]


async def _free(cluster: Cluster, kind: KindHandler, resource: Resource) -> None:
    """Remove the finalizer from a resource; retry if it changes concurrently."""
    for left in reversed(range(TRIES)):
        try:
            await cluster.set_finalizers(
                kind, resource, [each for each in resource.finalizers if each != FINALIZER]
            )
            return
        except ClusterError as error:
            if error.not_found:
                return
            if not error.conflict or not left:
                raise
        try:
            resource = read_resource(
                kind.name, await cluster.read_object(kind, resource.namespace, resource.name)
            )
        except ClusterError as error:
            if error.not_found:
                return
            raise
        if FINALIZER not in resource.finalizers:
            return
