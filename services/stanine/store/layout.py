"""Check that the server stores blocks of records compactly. Called by each watcher at start.

A block is a hash of 32 records. As a listpack an attempt with its result takes 150 bytes (50 items), as a hash table
several times that. By default Redis converts listpacks with values over 64 bytes, which a result with five scales
exceeds.
"""

from typing import Any

import redis

#: The parameter, and the minimum that keeps blocks of forms with about 900 items compact.
VALUE_SETTING, LEAST_VALUE = "hash-max-listpack-value", 1024


def advice_on_layout(client: "redis.Redis") -> str | None:
    """Return the recommended configuration change, if any.

    None also if the server does not allow reading the parameter. Skipped for a named ACL user: it lacks the right to
    read the configuration, and the denied command would appear in ACL LOG. RedisConfig verifies the parameter instead.
    """
    pool: Any = client.connection_pool
    if pool.connection_kwargs.get("username"):
        return None
    try:
        found: Any = client.config_get(VALUE_SETTING)
    except redis.ResponseError:
        return None
    value = int(found.get(VALUE_SETTING, LEAST_VALUE))
    if value >= LEAST_VALUE:
        return None
    return (
        f"{VALUE_SETTING} is {value}, so records take several times the memory; "
        f"set it to {LEAST_VALUE} in redis.conf or by CONFIG SET"
    )
