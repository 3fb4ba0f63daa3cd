"""The pool of asyncio connections to a primary that sentinels name. Used by clients.py for the API.

redis-py has pools that follow a primary and pools that wait for a free connection, but none that does both; its own for sentinels opens a
connection for every request that is under way at the same moment.
"""

from typing import Any

import redis.asyncio
import redis.asyncio.sentinel

_sentinel: Any = redis.asyncio.sentinel  # not annotated


class WaitingSentinelPool(_sentinel.SentinelConnectionPool, redis.asyncio.BlockingConnectionPool):  # type: ignore[misc] # its base is Any
    """Follows the primary as the first does, and waits for a free connection as the second does: both change parts of one pool."""
