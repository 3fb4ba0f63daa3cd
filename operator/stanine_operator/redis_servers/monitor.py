"""Feels whether the servers in use still answer, and as the same process. Started by main.py beside the loop.

A turn a minute would find out by itself, but a server that comes back empty lacks the function libraries, and until it has them nobody can
write to it; so whoever stands on a server is woken as soon as it is another process than before, stops answering, or answers again.

A server without an answer is no news only to those who know of it. A turn may have found it well a moment ago, so it is told at every beat
until a turn has seen it, too: then it is not among those that are well.
"""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis

from stanine.telemetry.logs import get_log
from stanine_operator.controller.resource import Key
from stanine_operator.redis_servers.connections import Connections, Server

#: Seconds between two beats: with the turn that follows, what a restart of the server costs its callers.
PROBE_INTERVAL = 3.0
#: Servers felt at once; one that swallows packets holds up its own thread only.
THREADS = 4


class ServerMonitor:
    """What each server was when it was last felt, by RedisConfig. Belongs to the event loop."""

    def __init__(
        self,
        connections: Connections,
        changed: Callable[[Key], None],
        seen: Callable[[Key], str | None],
    ) -> None:
        """Call `changed` with the key of each RedisConfig whose server is not what it was.

        `seen` tells which process a turn has seen last, if any did: what there is to compare with at first.
        """
        self._connections, self._changed, self._seen = connections, changed, seen
        #: The id of each server's process: empty if it does not say, None without an answer.
        self._processes: dict[Key, str | None] = {}
        self._probing: set[Key] = set()

    async def run(self) -> None:
        """Beat for ever."""
        executor = ThreadPoolExecutor(THREADS, thread_name_prefix="pulse")
        try:
            while True:
                await asyncio.sleep(PROBE_INTERVAL)
                self._probe_all(executor)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    def _probe_all(self, executor: ThreadPoolExecutor) -> None:
        """Begin to feel every server that is well; of the others the loop takes care, more often than it would be told."""
        servers = self._connections.healthy()
        for key in servers.keys() - self._probing:
            self._probing.add(key)
            probe = asyncio.get_running_loop().run_in_executor(executor, _read_run_id, servers[key])
            probe.add_done_callback(functools.partial(self._take_in, key))

    def _take_in(self, key: Key, probe: "asyncio.Future[str | None]") -> None:
        self._probing.discard(key)
        if probe.cancelled():
            return
        process = probe.result()
        before = self._processes[key] if key in self._processes else self._seen(key) or process
        self._processes[key] = process
        if before != process:
            get_log().info(
                "server.changed", namespace=key[1], name=key[2], answers=process is not None
            )
        if process is None or before != process:
            self._connections.invalidate(key)
            self._changed(key)


def _read_run_id(server: Server) -> str | None:
    """Return the id of a server's process, a new one at each start: empty if it does not say, None without an answer."""
    try:
        found: Any = server.client.info("server")
        return str(found.get("run_id", ""))
    except redis.ResponseError:
        return ""  # it answers, and does not let this user ask
    except (redis.RedisError, OSError):
        return None
