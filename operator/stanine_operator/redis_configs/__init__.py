"""RedisConfig: one server's parameters, and the settings of one key namespace. The loop calls `reconcile`.

Nothing is left to release: parameters, settings and their history outlive the resource.
"""

from stanine_operator.redis_configs.reconcile import reconcile

__all__ = ["reconcile"]
