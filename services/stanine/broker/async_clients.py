"""Asyncio clients of a broker, one per event loop: connections are bound to their loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redis.asyncio


class AsyncClients:
    """Creates one client per event loop on first use; a client passed in is used for every loop."""

    def __init__(
        self, given: "redis.asyncio.Redis | None", make: "Callable[[], redis.asyncio.Redis]"
    ) -> None:
        self._given = given
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, redis.asyncio.Redis] = {}
        self._guards: dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = {}

    def get(self) -> "redis.asyncio.Redis":
        """Return the client of the running loop. Raises RuntimeError if no loop is running."""
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
        """Return the running loop's client; it is closed when the loop ends (see `asyncio.run`)."""
        client, loop = self.get(), asyncio.get_running_loop()
        if self._given is None and loop not in self._guards:
            guard = self._guards[loop] = _guard(client)
            await anext(guard)
        return client

    async def close(self) -> None:
        """Close the running loop's client if it was created here."""
        loop = asyncio.get_running_loop()
        client, guard = self._made.pop(loop, None), self._guards.pop(loop, None)
        if guard is not None:
            await guard.aclose()
        elif client is not None:
            await client.aclose()


async def _guard(client: "redis.asyncio.Redis") -> AsyncGenerator[None, None]:
    """Close the client on `close` or when the loop shuts down its asynchronous generators."""
    try:
        yield
    finally:
        await client.aclose()
