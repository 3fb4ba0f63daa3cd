"""The API's own loops: following the index, the settings, the room in Redis and the keys file. Made by `app`, started with the server.

A loop never ends by an error: it says once that something is away, and once that it is back. Each beats for /healthz every turn, whatever
it came to: a Redis that is away is no reason to restart this process.
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
from stanine.store.capacity import Capacity
from stanine.store.durability import Writer
from stanine.store.errors import StaleViewError
from stanine.store.index import AsyncIndex, IndexView
from stanine.store.keys import Keys
from stanine.store.settings.model import SettingsRead
from stanine.store.settings.reader import load_settings_async
from stanine.telemetry.heartbeats import Heartbeats
from stanine.telemetry.logs import change_level, get_log

#: Seconds between looks at the index: an entry is served within one second of its change.
INDEX_SECONDS = 0.5
#: Seconds between looks at settings, room and keys.
SLOW_SECONDS = 1.0
#: Seconds between looks of a publish that waits for its index entry.
PUBLISH_SECONDS = 0.02
#: Seconds without a turn after which a loop counts as stuck: a turn waits at most 5 s for each thing it asks Redis.
HEALTHY_SECONDS = 20.0
#: Seconds until a loop that was cancelled and goes on is cancelled again. Before Python 3.12 `asyncio.wait_for`, through which redis-py
#: sends commands, drops a cancellation that comes as its work is just done; the process would never end.
CANCEL_AGAIN_SECONDS = 0.2

log = get_log()

T = TypeVar("T")


class IndexFollower:
    """Keeps the process's index entries fresh."""

    def __init__(self, index: AsyncIndex) -> None:
        self._index = index
        self._lock = asyncio.Lock()
        #: Whether the index was read at least once, and when last (Unix time).
        self.loaded = False
        self.refreshed_at = 0.0

    @property
    def view(self) -> IndexView:
        """The process's view of the index now."""
        return self._index.entries.now

    async def refresh(self) -> None:
        """Take in what has changed."""
        async with self._lock:  # two refreshes at once would take in changes out of order
            corrupt = await within(self._index.refresh())
        self.loaded = True
        self.refreshed_at = time.time()
        for field in corrupt:
            log.warning("index.entry_corrupt", entry=field)

    async def consistent(self, call: Callable[[IndexView], Awaitable[T]]) -> tuple[IndexView, T]:
        """Call with the process's view of the index, and once more with a fresh one if that does not belong to the server's data.

        Returns the view with what the call returned. Raises StaleViewError if the data changed again.
        """
        view = self._index.entries.now
        try:
            return view, await call(view)
        except StaleViewError:
            await self.refresh()
        view = self._index.entries.now
        return view, await call(view)

    async def wait_for(self, name: str, revision: int, seconds: float) -> bool:
        """Wait until attempts at a revision are scored by it or a newer one; return whether they are."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            await self.refresh()  # what this process knows may be of data that the server lost
            if self.has(name, revision):
                return True
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            await asyncio.sleep(min(left, PUBLISH_SECONDS))

    def has(self, name: str, revision: int) -> bool:
        """Tell whether attempts at a revision are scored by it or a newer one."""
        entry = self._index.entries.answered(name, revision)
        return entry is not None and entry.revision >= revision


class SettingsFollower:
    """Follows the settings and the room in Redis, and tells those who go by them."""

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
        self._read = SettingsRead()

    async def refresh(self) -> None:
        """Look at the settings and the memory."""
        read = await within(load_settings_async(self._client, self._keys, self._read))
        if read.faults != self._read.faults:
            for name, why in read.faults:
                log.warning("settings.faulty", setting=name, why=why)
        if read.settings != self._read.settings:
            log.info("settings.changed")
        self._read = read
        self._live.now = read.settings
        change_level(read.settings.log_level if "logLevel" in read.stated else None)
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
    """Knows whether the server takes writes: nothing that the other loops do tells a full disk or a replica."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys) -> None:
        self._client: Any = client
        self._key = keys.probe
        #: Why the server refuses writes, None while it does not.
        self.refusal: ServerProblem | None = None

    async def probe(self) -> None:
        """Remove a key that is never there: a write that changes nothing."""
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


async def follow_keys(keyring: Keyring, thread: Executor) -> None:
    """Read the keys file again if it has changed; a faulty one is reported and changes nothing."""
    loop = asyncio.get_running_loop()
    if await loop.run_in_executor(thread, keyring.has_changed):
        try:
            count = await loop.run_in_executor(thread, keyring.load)
        except KeysError as error:
            log.error("keys.refused", why=str(error))  # noqa: TRY400 - the sentence says it all; there is no defect to trace
        else:
            log.info("keys.loaded", count=count)


class Loops:
    """Runs functions again and again, each in its own task."""

    def __init__(self, heartbeats: Heartbeats) -> None:
        self._heartbeats = heartbeats
        self._tasks: list[asyncio.Task[None]] = []
        #: The loops whose last turn failed, by name: what is wrong.
        self.failing: dict[str, str] = {}

    def start(self, name: str, turn: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Turn every `seconds`, from now on."""
        beat = self._heartbeats.expect(name, HEALTHY_SECONDS)
        self._tasks.append(asyncio.create_task(self._run(name, turn, seconds, beat), name=name))

    def start_once(self, name: str, work: Awaitable[None]) -> None:
        """Start something that goes on by itself until it is cancelled."""
        self._tasks.append(asyncio.create_task(self._watch_over(name, work), name=name))

    async def stop(self) -> None:
        """Cancel everything and wait for it."""
        left = set(self._tasks)
        while left:
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_SECONDS)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for task in self._tasks:
            self._heartbeats.forget(task.get_name())
        self._tasks.clear()

    async def _watch_over(self, name: str, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:
            self.failing[name] = "defect"
            log.exception("loop.ended", loop=name)

    async def _run(
        self,
        name: str,
        turn: Callable[[], Awaitable[None]],
        seconds: float,
        beat: Callable[[], None],
    ) -> None:
        while True:
            try:
                await turn()
            except (redis.RedisError, OSError) as error:
                found = classify(error)
                if name not in self.failing:
                    log.warning(
                        "loop.failing", loop=name, error=type(error).__name__, reason=found.reason
                    )
                self.failing[name] = f"{found} ({type(error).__name__})"
            except Exception:
                if name not in self.failing:
                    log.exception("loop.failing", loop=name)
                self.failing[name] = "defect"
            else:
                if self.failing.pop(name, None):
                    log.info("loop.well", loop=name)
            beat()
            await asyncio.sleep(seconds)
