"""The kind RedisConfig: parameters of one server, and settings of one key namespace.

There is no `finalize`: parameters, settings and their history outlive the resource.
"""

from stanine_operator.redis_configs.reconcile import reconcile

__all__ = ["reconcile"]
