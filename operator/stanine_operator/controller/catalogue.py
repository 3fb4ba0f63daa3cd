"""The custom resource kinds of this operator, assembled from their packages. Called by main.py."""

from stanine.crds.reading import read_queue, read_redis_config
from stanine_operator import instruments, queues, redis_configs
from stanine_operator.controller.kinds import KindHandler


def all_kinds() -> tuple[KindHandler, ...]:
    """Return the three kinds."""
    return (
        KindHandler(
            name="RedisConfig",
            plural="redisconfigs",
            conditions=(
                "Ready",
                "Reachable",
                "ServerConfigured",
                "SettingsApplied",
                "Migrated",
                "MemoryHigh",
            ),
            read=lambda resource: read_redis_config(resource.spec),
            reconcile=redis_configs.reconcile,
            finalize=None,
            reachable="Reachable",
            volatile=frozenset({"memory"}),
        ),
        KindHandler(
            name="Queue",
            plural="queues",
            conditions=("Ready", "Bootstrapped", "Paused"),
            read=lambda resource: read_queue(resource.spec),
            reconcile=queues.reconcile,
            finalize=queues.finalize,
            volatile=frozenset(
                {"ready", "delayed", "inFlight", "dead", "oldestSeconds", "consumers"}
            ),
        ),
        KindHandler(
            name="Instrument",
            plural="instruments",
            conditions=("Ready", "Published", "Indexed"),
            read=instruments.check_document,
            reconcile=instruments.reconcile,
            finalize=instruments.finalize,
        ),
    )
