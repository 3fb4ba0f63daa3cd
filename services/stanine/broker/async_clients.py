"""The asyncio clients of a broker: one for each event loop, since a connection belongs to the loop that made it."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redis.asyncio


class AsyncClients:
    """Makes a client for the running loop when it is first asked for; a client that was given serves every loop."""

    def __init__(self, given: "redis.asyncio.Redis | None", make: "Callable[[], redis.asyncio.Redis]") -> None:
        self._given = given
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, redis.asyncio.Redis] = {}

    def get(self) -> "redis.asyncio.Redis":
        """Return the client of the running loop. Raises RuntimeError outside of one."""
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        client = self._made.get(loop)
        if client is None:
            for ended in [each for each in self._made if each.is_closed()]:
                self._made.pop(ended, None)  # its connections ended with it
            client = self._made[loop] = self._make()
        return client

    async def close(self) -> None:
        """Close the running loop's client if it was made here."""
        client = self._made.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()
