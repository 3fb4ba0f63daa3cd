"""The dependencies of a kind's `reconcile` and `finalize`. Created by main.py."""

from dataclasses import dataclass

import msgspec

from stanine.broker.connection.ownership import Owner
from stanine_operator.controller.problems import REDIS_CONFIG_NOT_FOUND, OperatorProblem
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.resource_cache import ResourceCache
from stanine_operator.redis_servers.connections import Connections, Server


@dataclass(frozen=True)
class ReconcileContext:
    """Thread-safe dependencies. `operator_id` identifies this installation as an owner in Redis."""

    connections: Connections
    resource_cache: ResourceCache
    operator_id: str

    def connect(self, resource: Resource) -> tuple[Server, Owner]:
        """Return the server of the RedisConfig that a resource refers to, and its owner record.

        A resource that is being deleted may still use a RedisConfig that was deleted within the last two minutes.
        Raises OperatorProblem: RedisConfigNotFound, and those of Connections.open.
        """
        namespace, name = resource.namespace, resource.redis_config_name
        config = self.resource_cache.redis_config(namespace, name)
        if config is None and resource.deleting:
            deleted = self.resource_cache.recently_deleted(namespace, name)
            config = None if deleted is None else msgspec.structs.replace(deleted, deleting=True)
        if config is None:
            raise OperatorProblem(
                REDIS_CONFIG_NOT_FOUND,
                f"There is no RedisConfig {name} in this namespace: apply it, or correct spec.redisConfigRef.",
            )
        owner = Owner(resource.title, resource.uid, resource.created, self.operator_id, config.uid)
        return self.connections.open(config), owner
