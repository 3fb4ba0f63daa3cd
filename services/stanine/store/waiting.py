"""Waiting for results without asking again and again: the API's requests wait here until `commit_results` says which are done.

One subscription a process. The channel promises nothing, so a waiter also looks for itself, slowly.
"""

import asyncio
from collections import defaultdict
from typing import Any

import redis
import redis.asyncio

from stanine.store.keys import Keys
from stanine.store.reading import AttemptRecords
from stanine.store.records import ARRIVAL_BYTES, StoredAttempt, StoredResult, arrival_of

#: Seconds between two looks of a waiter that heard nothing: only for what the channel lost.
LOOK_SECONDS = 0.5
#: Seconds before subscribing again after the connection was lost.
RECONNECT_SECONDS = 0.2


class ResultWaiter:
    """The requests of this process that wait for results."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys, attempts: AttemptRecords) -> None:
        self._client: Any = client
        self._keys = keys
        self._attempts = attempts
        self._waiting: dict[int, set[asyncio.Event]] = defaultdict(set)

    async def run(self) -> None:
        """Listen until cancelled; a lost connection is made again."""
        while True:
            try:
                async with self._client.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(self._keys.committed)
                    async for message in channel.listen():
                        self._wake(message["data"])
            except redis.RedisError:
                await asyncio.sleep(RECONNECT_SECONDS)

    async def wait(
        self, attempt_id: bytes, seconds: float, view: str = ""
    ) -> tuple[StoredAttempt, StoredResult | None] | None:
        """Wait for a result at most so long; return the attempt and its result, if there is one by then; None if the attempt is gone.

        The channel names arrival numbers, which only wake: what is returned was read by the whole id.
        Raises StaleViewError as `AttemptRecords.read` does.
        """
        event = asyncio.Event()
        arrival = arrival_of(attempt_id)
        deadline = asyncio.get_running_loop().time() + seconds
        self._waiting[arrival].add(event)
        try:
            while True:
                # Cleared before the look: what is announced during the look is not lost.
                event.clear()
                found = await self._attempts.read(attempt_id, view)
                left = deadline - asyncio.get_running_loop().time()
                if found is None or found[1] is not None or left <= 0:
                    return found
                try:
                    await asyncio.wait_for(event.wait(), min(left, LOOK_SECONDS))
                except TimeoutError:
                    continue
        finally:
            self._waiting[arrival].discard(event)
            if not self._waiting[arrival]:
                del self._waiting[arrival]

    def _wake(self, packed: bytes) -> None:
        if not self._waiting:
            return
        for start in range(0, len(packed), ARRIVAL_BYTES):
            for event in self._waiting.get(
                int.from_bytes(packed[start : start + ARRIVAL_BYTES], "big"), ()
            ):
                event.set()
