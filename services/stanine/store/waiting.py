"""Wait for results: a request blocks until `commit_results` announces its attempt.

One subscription per process. Announcements can be lost, so a waiter also polls slowly.
"""

import asyncio
from collections import defaultdict
from typing import Any

import redis
import redis.asyncio

from stanine.store.keys import Keys
from stanine.store.reading import AttemptRecords
from stanine.store.records import ARRIVAL_BYTES, StoredAttempt, arrival_of
from stanine.store.result_layout import StoredResult

#: Seconds between two polls of a waiter; covers lost announcements.
POLL_SECONDS = 0.5
#: Seconds before a reconnect of the subscription.
RECONNECT_SECONDS = 0.2


class ResultWaiter:
    """The requests of this process that wait for results."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys, attempts: AttemptRecords) -> None:
        self._client: Any = client
        self._keys = keys
        self._attempts = attempts
        self._waiting: dict[int, set[asyncio.Event]] = defaultdict(set)

    async def run(self) -> None:
        """Listen until cancelled; reconnect after connection errors."""
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
        """Wait up to `seconds` for a result; return the attempt with its result, if any.

        None if it was removed.
        An announcement names arrival numbers and only wakes waiters; the attempt is then read by its whole id. Raises
        StaleViewError as `AttemptRecords.read`.
        """
        event = asyncio.Event()
        arrival = arrival_of(attempt_id)
        deadline = asyncio.get_running_loop().time() + seconds
        self._waiting[arrival].add(event)
        try:
            while True:
                # Clear before the read: an announcement during the read is kept.
                event.clear()
                found = await self._attempts.read(attempt_id, view)
                left = deadline - asyncio.get_running_loop().time()
                if found is None or found[1] is not None or left <= 0:
                    return found
                try:
                    await asyncio.wait_for(event.wait(), min(left, POLL_SECONDS))
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
