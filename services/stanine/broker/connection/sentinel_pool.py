"""Blocking asyncio connection pool for a primary discovered by Sentinel.

Used by clients.py for the API.

redis-py has pools that follow a primary and pools that wait for a free connection, but none that does both; its
Sentinel pool opens one connection for every concurrent request.
"""

from typing import Any

import redis.asyncio
import redis.asyncio.sentinel

_sentinel: Any = redis.asyncio.sentinel  # not annotated


class WaitingSentinelPool(_sentinel.SentinelConnectionPool, redis.asyncio.BlockingConnectionPool):  # type: ignore[misc] # its base is Any
    """Sentinel pool that waits for a free connection; the two bases override different methods."""
