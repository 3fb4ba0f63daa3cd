"""Conflicts between RedisConfigs: the oldest owns, the others report the conflict.

Pure; called by reconcile.py. Two objects are owned independently: a server's parameters (by address, regardless of
database and namespace), and the settings of one key namespace (by address, database and namespace). Kubernetes
namespaces do not matter: a server is shared by all of them. Two resources mean the same server if their `connection`
has the same address (places.py), or if both connected to a server with the same run id. The older resource is the one
with the earlier creationTimestamp, then with the smaller uid.
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
    """Return the RedisConfig that owns this server's parameters, or None if this one does."""
    return _find_owner(resource, others, run_id, _applies_parameters, lambda _one: ())


def find_settings_conflict(
    resource: Resource, others: Iterable[Resource], run_id: str
) -> Resource | None:
    """Return the RedisConfig that owns this key namespace's settings, or None if this one does."""
    return _find_owner(resource, others, run_id, lambda _one: True, _key_space)


def find_expired_holder(holder: Owner | None, resource_cache: ResourceCache) -> str:
    """Return the uid of a holder of settings that certainly will not renew its hold, else "".

    That is a RedisConfig that was deleted recently, or one in the cache that refers to other settings now. Nothing is
    certain about resources of other operators: their holds expire.
    """
    if holder is None:
        return ""
    namespace, _, name = holder.name.removeprefix("RedisConfig ").partition("/")
    candidates = [
        resource_cache.recently_deleted(namespace, name),
        *resource_cache.all("RedisConfig"),
    ]
    return (
        holder.uid
        if any(each is not None and each.uid == holder.uid for each in candidates)
        else ""
    )


def _find_owner(
    resource: Resource,
    others: Iterable[Resource],
    run_id: str,
    has_claim: Callable[[Resource], bool],
    key_space: Callable[[Resource], tuple[Any, ...]],
) -> Resource | None:
    if not has_claim(resource):
        return None
    owner = resource
    for other in others:
        if (
            other.uid == resource.uid
            or other.deleting
            or not has_claim(other)
            or key_space(other) != key_space(resource)
        ):
            continue
        if _same_server(resource, other, run_id):
            owner = older(owner, other)
    return None if owner.uid == resource.uid else owner


def _same_server(resource: Resource, other: Resource, run_id: str) -> bool:
    # A restart changes the run id of both, but they notice at different times: they count as the same server until
    # the other one reports another run id.
    known = {run_id, str(resource.status.get("runId") or "")} - {""}
    return (
        address_of(resource) == address_of(other) or str(other.status.get("runId") or "") in known
    )


def _applies_parameters(resource: Resource) -> bool:
    return (
        bool(resource.spec.get("server"))
        and resource.spec.get("managementPolicy", "Apply") == "Apply"
    )


def _key_space(resource: Resource) -> tuple[Any, ...]:
    return int((resource.spec.get("connection") or {}).get("db") or 0), key_namespace_of(resource)
