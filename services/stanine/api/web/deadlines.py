"""The longest that a request waits for Redis. Used around every call of the store."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

#: Seconds. Above one try with its connection (the client's own retries are within it), below what callers and probes wait.
STORE_SECONDS = 5.0


async def within(call: Awaitable[T], seconds: float = STORE_SECONDS) -> T:
    """Await a call of the store; raises TimeoutError after `seconds`, and what a write came to is unknown then."""
    async with asyncio.timeout(seconds):
        return await call
