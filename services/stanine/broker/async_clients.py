"""The asyncio clients of a broker: one for each event loop, since a connection belongs to the loop that made it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redis.asyncio


class AsyncClients:
    """Makes a client for the running loop when it is first asked for; a client that was given serves every loop."""

    def __init__(
        self, given: "redis.asyncio.Redis | None", make: "Callable[[], redis.asyncio.Redis]"
    ) -> None:
        self._given = given
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, redis.asyncio.Redis] = {}
        self._guards: dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = {}

    def get(self) -> "redis.asyncio.Redis":
        """Return the client of the running loop. Raises RuntimeError outside of one."""
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        client = self._made.get(loop)
        if client is None:
            for ended in [each for each in self._made if each.is_closed()]:
                self._made.pop(ended, None)
                self._guards.pop(ended, None)
            client = self._made[loop] = self._make()
        return client

    async def use(self) -> "redis.asyncio.Redis":
        """Return the client of the running loop, and have it closed when the loop ends, as `asyncio.run` ends it."""
        client, loop = self.get(), asyncio.get_running_loop()
        if self._given is None and loop not in self._guards:
            guard = self._guards[loop] = _guard(client)
            await anext(guard)
        return client

    async def close(self) -> None:
        """Close the running loop's client if it was made here."""
        loop = asyncio.get_running_loop()
        client, guard = self._made.pop(loop, None), self._guards.pop(loop, None)
        if guard is not None:
            await guard.aclose()
        elif client is not None:
            await client.aclose()


async def _guard(client: "redis.asyncio.Redis") -> AsyncGenerator[None, None]:
    """Wait to be closed, by `close` or by the loop that ends: loops close the asynchronous generators that are still open."""
    try:
        yield
    finally:
        await client.aclose()
