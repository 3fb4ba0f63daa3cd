"""Two RedisConfigs for one thing: the older has it, the other says so. Pure; called by turn.py.

There are two things to have, each on its own: a server's parameters (by its address, whatever the database or namespace), and the
settings of one key namespace (by address, database and namespace). Namespaces of Kubernetes do not count: a server is one server for all
of them. Two resources mean the same server if their `connection` names the same one (places.py), or if what answered both had the same run
id. Of two, the older is the one with the earlier creationTimestamp, then with the smaller uid.
"""

from collections.abc import Callable, Iterable
from typing import Any

from stanine.broker.connection.ownership import Owner
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.resource_cache import ResourceCache, older
from stanine_operator.redis_servers.connections import key_namespace_of
from stanine_operator.redis_servers.places import address_of


def find_parameters_conflict(
    resource: Resource, others: Iterable[Resource], run_id: str
) -> Resource | None:
    """Return the oldest other RedisConfig that has this server's parameters, or None if they are this one's."""
    return _find(resource, others, run_id, _applies_parameters, lambda _one: ())


def find_settings_conflict(
    resource: Resource, others: Iterable[Resource], run_id: str
) -> Resource | None:
    """Return the oldest other RedisConfig that has this key namespace's settings, or None if they are this one's."""
    return _find(resource, others, run_id, lambda _one: True, _place)


def find_gone_holder(holder: Owner | None, neighbours: ResourceCache) -> str:
    """Return the uid of who holds the settings of a resource without a rival, if it is sure that it will not renew its hold; else "".

    That is one that was deleted a moment ago, or one that is known here and means other settings now. Of what other operators know, nothing
    is sure: their holds end by themselves.
    """
    if holder is None:
        return ""
    namespace, _, name = holder.name.removeprefix("RedisConfig ").partition("/")
    sure = [resource_cache.recently_deleted(namespace, name), *resource_cache.all("RedisConfig")]
    return holder.uid if any(each is not None and each.uid == holder.uid for each in sure) else ""


def name_of(resource: Resource) -> str:
    """Return a RedisConfig's name for messages: namespace/name."""
    return f"{resource.namespace}/{resource.name}"


def _find(
    resource: Resource,
    others: Iterable[Resource],
    run_id: str,
    has_claim: Callable[[Resource], bool],
    place: Callable[[Resource], tuple[Any, ...]],
) -> Resource | None:
    if not has_claim(resource):
        return None
    eldest = resource
    for other in others:
        if (
            other.uid == resource.uid
            or other.deleting
            or not has_claim(other)
            or place(other) != place(resource)
        ):
            continue
        if _same_server(resource, other, run_id):
            eldest = older(eldest, other)
    return None if eldest.uid == resource.uid else eldest


def _same_server(resource: Resource, other: Resource, run_id: str) -> bool:
    # A restart gives a new run id to both, but not in the same moment: what was the same stays so until the other is seen elsewhere.
    known = {run_id, str(resource.status.get("runId") or "")} - {""}
    return (
        address_of(resource) == address_of(other) or str(other.status.get("runId") or "") in known
    )


def _applies_parameters(resource: Resource) -> bool:
    return (
        bool(resource.spec.get("server"))
        and resource.spec.get("managementPolicy", "Apply") == "Apply"
    )


def _place(resource: Resource) -> tuple[Any, ...]:
    return int((resource.spec.get("connection") or {}).get("db") or 0), key_namespace_of(resource)
