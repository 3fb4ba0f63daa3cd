"""The iterations of the API's loops: they follow the index, the settings, Redis's memory and the keys file.

Made by `app`, which runs them in stanine.runtime.loops.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

import redis
import redis.asyncio

from stanine.api.admin.current_settings import CurrentSettings
from stanine.api.intake.storing import Intake
from stanine.api.web.auth import Keyring, KeysError
from stanine.api.web.deadlines import within
from stanine.broker.connection.errors import REFUSES_WRITES, ServerProblem, classify
from stanine.runtime.settings_follower import FollowedSettings
from stanine.store.backup.recorded import newest_backup_at
from stanine.store.capacity import Capacity
from stanine.store.durability import Writer
from stanine.store.errors import StaleViewError
from stanine.store.index import AsyncIndex, IndexView
from stanine.store.keys import Keys
from stanine.store.settings.reader import load_settings_async
from stanine.telemetry.logs import get_log

#: Seconds between refreshes of the index: a changed entry is served within one second.
INDEX_SECONDS = 0.5
#: Seconds between reads of settings, memory and keys.
SLOW_SECONDS = 1.0
#: Seconds between reads of the time of the newest backup.
BACKUP_SECONDS = 5.0
#: Seconds between checks of a publication that waits for its index entry.
PUBLISH_SECONDS = 0.02

log = get_log()

T = TypeVar("T")


class IndexFollower:
    """Keeps the process's index entries up to date."""

    def __init__(self, index: AsyncIndex) -> None:
        self._index = index
        self._lock = asyncio.Lock()
        #: Whether the index was read at least once, and when last (Unix time).
        self.loaded = False
        self.refreshed_at = 0.0

    @property
    def view(self) -> IndexView:
        """The current view of the index."""
        return self._index.entries.now

    async def refresh(self) -> None:
        """Read the changes of the index."""
        async with self._lock:  # concurrent refreshes would apply changes out of order
            corrupt = await within(self._index.refresh())
        self.loaded = True
        self.refreshed_at = time.time()
        for field in corrupt:
            log.warning("index.entry_corrupt", entry=field)

    async def consistent(self, call: Callable[[IndexView], Awaitable[T]]) -> tuple[IndexView, T]:
        """Call a function with the current view of the index.

        If the view does not match the server's data, the function is called again with a fresh view. Returns the
        view and what the call returned. Raises StaleViewError if the data changed again.
        """
        view = self._index.entries.now
        try:
            return view, await call(view)
        except StaleViewError:
            await self.refresh()
        view = self._index.entries.now
        return view, await call(view)

    async def wait_for(self, name: str, revision: int, seconds: float) -> bool:
        """Wait until attempts of a revision are scored by it or a newer one; return success."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            await self.refresh()  # the local index may be of data that the server has lost
            if self.has(name, revision):
                return True
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            await asyncio.sleep(min(left, PUBLISH_SECONDS))

    def has(self, name: str, revision: int) -> bool:
        """Return whether attempts of a revision are scored by it or a newer one."""
        entry = self._index.entries.answered(name, revision)
        return entry is not None and entry.revision >= revision


class SettingsFollower:
    """Follows the settings and Redis's memory, and applies them to this process."""

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        keys: Keys,
        live: CurrentSettings,
        capacity: Capacity,
        writer: Writer,
        intake: Intake,
    ) -> None:
        self._client: Any = client
        self._keys = keys
        self._live = live
        self._capacity = capacity
        self._writer = writer
        self._intake = intake
        self._followed = FollowedSettings(live.now)

    async def refresh(self) -> None:
        """Read the settings and the memory use."""
        read = await within(load_settings_async(self._client, self._keys, self._followed.read))
        self._followed.take(read)
        self._live.now = read.settings
        self._writer.durability = read.settings.durability
        await within(self._capacity.refresh())
        full = self._capacity.refuses(read.settings.admission_percent)
        if full != self._intake.is_full:
            self._intake.is_full = full
            log.warning(
                "capacity.full" if full else "capacity.free",
                used=self._capacity.used,
                limit=self._capacity.limit,
            )


class WriteProbe:
    """Detects a server that refuses writes: a full disk or a replica. The other loops only read."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys) -> None:
        self._client: Any = client
        self._key = keys.probe
        #: Why the server refuses writes; None while it accepts them.
        self.refusal: ServerProblem | None = None

    async def probe(self) -> None:
        """Delete a key that never exists: a write without effect."""
        refusal = None
        try:
            await within(self._client.unlink(self._key))
        except redis.RedisError as error:
            refusal = classify(error)
            if refusal not in REFUSES_WRITES:
                raise
        if refusal != self.refusal:
            self.refusal = refusal
            if refusal is None:
                log.info("writes.accepted")
            else:
                log.warning("writes.refused", reason=refusal.reason, remedy=refusal.remedy)


class BackupFollower:
    """Reads when the newest good backup was taken, for the metric; the job that takes backups has no endpoint."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys) -> None:
        self._client = client
        self._keys = keys
        #: Unix time; 0 until one is recorded.
        self.newest_at = 0.0

    async def refresh(self) -> None:
        """Read it."""
        self.newest_at = await within(newest_backup_at(self._client, self._keys))


async def follow_keys(keyring: Keyring, thread: Executor) -> None:
    """Read the keys file again if it has changed; an invalid file is logged and the keys stay."""
    loop = asyncio.get_running_loop()
    if await loop.run_in_executor(thread, keyring.has_changed):
        try:
            count = await loop.run_in_executor(thread, keyring.load)
        except KeysError as error:
            log.error("keys.refused", detail=str(error))  # noqa: TRY400 - an invalid file needs no traceback
        else:
            log.info("keys.loaded", count=count)
