"""Who has a queue or an instrument that several resources claim. Used by the kinds Queue and Instrument.

Among the resources known here the older wins, and the younger touches nothing. What is not known here (another cluster, a server under
two names) meets in Redis, where a hold by the same rule decides (stanine.broker.connection.ownership).
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from stanine.broker.connection.ownership import Owner, OwnershipConflictError
from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.resource_cache import ResourceCache, oldest, redis_config_of
from stanine_operator.redis_servers.connections import key_namespace_of
from stanine_operator.redis_servers.places import address_of

T = TypeVar("T")

#: The reason of every condition that another resource is in the way of.
RESOURCE_CONFLICT = "ResourceConflict"


def manager_of(resource: Resource, redis_config: Resource, operator_id: str) -> Owner:
    """Return the name under which a resource holds what it manages."""
    return Owner(name_of(resource), resource.uid, resource.created, operator_id, redis_config.uid)


def name_of(resource: Resource) -> str:
    """Return a resource's name for messages: kind, namespace, name."""
    return f"{resource.kind} {resource.namespace}/{resource.name}"


def find_conflict(
    resource: Resource, resource_cache: ResourceCache, thing: Callable[[Resource], Any]
) -> Resource | None:
    """Return the oldest resource, if it is not this one, that claims the same thing (by name) in the same key namespace of a server.

    One that is being deleted still claims it: what it stands for may be on its way out.
    """
    claimed = thing(resource)
    alike = [
        each
        for each in resource_cache.all(resource.kind)
        if each.uid != resource.uid and thing(each) == claimed
    ]
    mine = _place(resource, resource_cache) if alike else None
    first = oldest([resource, *(each for each in alike if _place(each, resource_cache) == mine)])
    return None if first is None or first.uid == resource.uid else first


def claim(attempt: Callable[[str], T], kind: str, world: ReconcileContext) -> T:
    """Do what needs a hold: `attempt(gone)`, once more past a holder that is known to be gone. Raises OwnershipConflictError."""
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
    """Tell whether a holder is surely no more: it came through a RedisConfig that is known here, and is not known itself."""
    if holder.operator != operator_id or not any(
        each.uid == holder.through for each in redis_configs
    ):
        return False
    return all(each.uid != holder.uid for each in resources)


def conflict_message(thing: str, holder: str) -> str:
    """Return what the younger of two is told."""
    return f"{holder} is older and has {thing}: change that one, or delete it (its hold ends within three minutes), or delete this one."


def _place(resource: Resource, resource_cache: ResourceCache) -> Any:
    """Return which keys of which server a resource speaks of; one whose RedisConfig is not there speaks of none."""
    config = resource_cache.redis_config(resource.namespace, redis_config_of(resource) or "")
    if config is None:
        return resource.uid
    return (
        address_of(config),
        int((config.spec.get("connection") or {}).get("db") or 0),
        key_namespace_of(config),
    )
