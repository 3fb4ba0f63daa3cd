"""Admission control by memory use.

The API rejects new work early, so that accepted work always fits.
"""

from typing import Any

import redis.asyncio


class Capacity:
    """Memory use of the server at the last refresh."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._client: Any = client
        self.used = 0
        self.limit = 0

    async def refresh(self) -> None:
        """Read the server's memory use."""
        memory = await self._client.info("memory")
        self.used = int(memory["used_memory"])
        self.limit = int(memory["maxmemory"])

    def refuses(self, admission_percent: int) -> bool:
        """Return whether new work is rejected; a server without maxmemory never rejects it."""
        return self.limit > 0 and self.used * 100 >= self.limit * admission_percent
