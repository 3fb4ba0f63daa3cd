"""Timeout of Redis calls within a request. Used around every call of the store."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

#: Seconds: longer than one try with its connection (the client's retries are included), shorter than the timeouts
#: of callers and probes.
STORE_SECONDS = 5.0


async def within(call: Awaitable[T], seconds: float = STORE_SECONDS) -> T:
    """Await a call of the store.

    Raises TimeoutError after `seconds`; the outcome of a write is then unknown.
    """
    async with asyncio.timeout(seconds):
        return await call
