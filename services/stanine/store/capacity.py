"""Whether Redis has room for new work. The API refuses some before the server must: what settles work always fits then."""

from typing import Any

import redis.asyncio


class Capacity:
    """How full the server is, as of the last look."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._client: Any = client
        self.used = 0
        self.limit = 0

    async def refresh(self) -> None:
        """Look at the server's memory."""
        memory = await self._client.info("memory")
        self.used = int(memory["used_memory"])
        self.limit = int(memory["maxmemory"])

    def refuses(self, admission_percent: int) -> bool:
        """Tell whether new work is refused; a server without limit takes everything."""
        return self.limit > 0 and self.used * 100 >= self.limit * admission_percent
