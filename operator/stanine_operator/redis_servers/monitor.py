"""Poll each connected server and requeue its resources when it restarts, fails or recovers.

Started by main.py. The periodic reconciliation would notice within a minute, but a server that restarts empty lacks
the function libraries, and clients cannot write to it until they are loaded again.

An unreachable server is reported at every poll until a reconciliation has recorded the problem, because a
reconciliation may have found it healthy a moment ago; then it is no longer polled.
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

#: Seconds between two polls: with the following reconciliation, the downtime that a server restart causes.
PROBE_INTERVAL = 3.0
#: Number of concurrent probes; a server that drops packets blocks only its own thread.
THREADS = 4


class ServerMonitor:
    """The last observed run id of each server by RedisConfig. Must be used in the event loop."""

    def __init__(
        self,
        connections: Connections,
        changed: Callable[[Key], None],
        last_run_id: Callable[[Key], str | None],
    ) -> None:
        """Call `changed` with the key of each RedisConfig whose server changed.

        `last_run_id` returns the run id as of the last reconciliation, if any, for the first comparison.
        """
        self._connections, self._changed, self._last_run_id = connections, changed, last_run_id
        #: The run id of each server: empty if it is not reported, None without an answer.
        self._run_ids: dict[Key, str | None] = {}
        self._probing: set[Key] = set()

    async def run(self) -> None:
        """Poll until cancelled."""
        executor = ThreadPoolExecutor(THREADS, thread_name_prefix="monitor")
        try:
            while True:
                await asyncio.sleep(PROBE_INTERVAL)
                self._probe_all(executor)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    def _probe_all(self, executor: ThreadPoolExecutor) -> None:
        """Start a probe of every healthy server; the others are retried by reconciliation."""
        servers = self._connections.healthy()
        for key in servers.keys() - self._probing:
            self._probing.add(key)
            probe = asyncio.get_running_loop().run_in_executor(executor, _read_run_id, servers[key])
            probe.add_done_callback(functools.partial(self._record_probe, key))

    def _record_probe(self, key: Key, probe: "asyncio.Future[str | None]") -> None:
        self._probing.discard(key)
        if probe.cancelled():
            return
        run_id = probe.result()
        before = self._run_ids[key] if key in self._run_ids else self._last_run_id(key) or run_id
        self._run_ids[key] = run_id
        if before != run_id:
            get_log().info(
                "server.changed", namespace=key[1], name=key[2], answers=run_id is not None
            )
        if run_id is None or before != run_id:
            self._connections.invalidate(key)
            self._changed(key)


def _read_run_id(server: Server) -> str | None:
    """Return a server's run id: empty if it is not reported, None without an answer."""
    try:
        found: Any = server.client.info("server")
        return str(found.get("run_id", ""))
    except redis.ResponseError:
        return ""  # it answers, but this user may not run INFO
    except (redis.RedisError, OSError):
        return None
