"""The dependencies of a kind's `reconcile` and `finalize`.

Created by the reconciler for every reconciliation.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from stanine_operator.controller.problems import REDIS_CONFIG_NOT_FOUND, OperatorProblem
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.resource_cache import ResourceCache, redis_config_of
from stanine_operator.redis_servers.connections import Connections


@dataclass(frozen=True)
class ReconcileContext:
    """Thread-safe dependencies. `now` is timezone-aware.

    `operator_id` identifies this installation as an owner in Redis.
    """

    connections: Connections
    resource_cache: ResourceCache
    now: datetime
    operator_id: str

    def redis_config_of(self, resource: Resource) -> Resource:
        """Return the RedisConfig that a resource refers to, or the RedisConfig itself.

        A resource that is being deleted may still use a RedisConfig that was deleted within the last two minutes.
        Raises OperatorProblem RedisConfigNotFound.
        """
        name = redis_config_of(resource)
        if name is None:
            return resource
        found = self.resource_cache.redis_config(resource.namespace, name)
        if found is None and resource.deleting:
            recently_deleted = self.resource_cache.recently_deleted(resource.namespace, name)
            found = (
                None
                if recently_deleted is None
                else msgspec.structs.replace(recently_deleted, deleting=True)
            )
        if found is None:
            raise OperatorProblem(
                REDIS_CONFIG_NOT_FOUND,
                f"There is no RedisConfig {name} in this namespace: apply it, or correct spec.redisConfigRef.",
            )
        return found
