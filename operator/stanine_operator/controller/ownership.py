"""Ownership of a queue or an instrument that several resources claim.

Used by the kinds Queue and Instrument. Among the resources in the cache the oldest owns the object, and the others do
not touch it. Conflicts with resources outside the cache (another cluster, a server under two names) are resolved by a
hold in Redis that follows the same rule (stanine.broker.connection.ownership).
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from stanine.broker.connection.ownership import Owner, OwnershipConflictError
from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.resource_cache import ResourceCache, oldest
from stanine_operator.redis_servers.connections import key_namespace_of
from stanine_operator.redis_servers.places import address_of

T = TypeVar("T")

#: Reason of every condition that reports an ownership conflict.
RESOURCE_CONFLICT = "ResourceConflict"


def find_conflict(resource: Resource, resource_cache: ResourceCache) -> Resource | None:
    """Return the older resource that owns the same object in the same key namespace, or None.

    The oldest one owns it. A resource that is being deleted still owns its object until it is finalized.
    """
    same_name = [
        each
        for each in resource_cache.all(resource.kind)
        if each.uid != resource.uid and each.object_name == resource.object_name
    ]
    if not same_name:
        return None
    key_space = _key_space(resource, resource_cache)
    claims = [each for each in same_name if _key_space(each, resource_cache) == key_space]
    first = oldest([resource, *claims])
    return None if first is None or first.uid == resource.uid else first


def acquire(attempt: Callable[[str], T], kind: str, context: ReconcileContext) -> T:
    """Run `attempt(gone)`, and once more if the current holder is known to be deleted.

    Raises OwnershipConflictError.
    """
    try:
        return attempt("")
    except OwnershipConflictError as refused:
        if not is_gone(
            refused.holder,
            context.resource_cache.all(kind),
            context.resource_cache.all("RedisConfig"),
            context.operator_id,
        ):
            raise
        return attempt(refused.holder.uid)


def is_gone(
    holder: Owner,
    resources: Iterable[Resource],
    redis_configs: Iterable[Resource],
    operator_id: str,
) -> bool:
    """Return whether a holder was deleted: its RedisConfig is cached, and the holder is not."""
    if holder.operator != operator_id or not any(
        each.uid == holder.through for each in redis_configs
    ):
        return False
    return all(each.uid != holder.uid for each in resources)


def conflict_message(target: str, holder: str) -> str:
    """Return the message for the younger of two conflicting resources."""
    return f"{holder} is older and has {target}: change that one, or delete it (its hold ends within three minutes), or delete this one."


def _key_space(resource: Resource, resource_cache: ResourceCache) -> Any:
    """Return server, database and key namespace of a resource; its uid without a RedisConfig."""
    config = resource_cache.redis_config(resource.namespace, resource.redis_config_name)
    if config is None:
        return resource.uid
    return (
        address_of(config),
        int((config.spec.get("connection") or {}).get("db") or 0),
        key_namespace_of(config),
    )
