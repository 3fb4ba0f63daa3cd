"""Whether the server keeps the blocks of records compact. Asked once by every watcher at its start.

A block is a hash of 32 records. As a listpack it takes 150 bytes an attempt with its result (50 items); as a hash table several times
that. Redis' own default leaves listpacks at values over 64 bytes, which a result of five scales already has.
"""

from typing import Any

import redis

#: The setting, and the least that keeps blocks of forms of about 900 items compact.
VALUE_SETTING, LEAST_VALUE = "hash-max-listpack-value", 1024


def advice_on_layout(client: "redis.Redis") -> str | None:
    """Return what the server's operator should set, or None if all is well or the server does not let us look.

    A user of its own need not read the server's configuration, and asking would look like an attack in ACL LOG: RedisConfig sees to it.
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
    return f"{VALUE_SETTING} is {value}, so records take several times the memory; set it to {LEAST_VALUE} in redis.conf or by CONFIG SET"
