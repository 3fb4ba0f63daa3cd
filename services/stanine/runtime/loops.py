"""Run functions periodically as asyncio tasks: the loops of the API.

An error does not end a loop: a failure is logged once, and the recovery once. Every iteration sends a heartbeat for
/healthz, even if it failed, because a restart of the process does not help while Redis is unavailable.
"""

import asyncio
from collections.abc import Awaitable, Callable

from stanine.runtime.failure_log import LoopFailures
from stanine.runtime.loop_states import LoopStates
from stanine.telemetry.heartbeats import Heartbeats
from stanine.telemetry.logs import get_log

#: Seconds without an iteration until a loop counts as stuck; each request to Redis takes at most 5 s.
HEALTHY_SECONDS = 20.0
#: Seconds until a cancelled loop that continues is cancelled again. Before Python 3.12 `asyncio.wait_for`, which
#: redis-py uses, drops a cancellation that arrives just as its task ends; the process would never end.
CANCEL_AGAIN_SECONDS = 0.2


class Loops:
    """Runs functions periodically, each in its own task."""

    def __init__(self, heartbeats: Heartbeats) -> None:
        self._heartbeats = heartbeats
        self._tasks: list[asyncio.Task[None]] = []
        #: The loops whose last iteration failed, by name, with the error.
        self.failing: dict[str, str] = {}
        self.states = LoopStates()

    def start(self, name: str, turn: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Call a function every `seconds`, beginning now."""
        beat = self._heartbeats.expect(name, HEALTHY_SECONDS)
        self._tasks.append(asyncio.create_task(self._run(name, turn, seconds, beat), name=name))

    def start_once(self, name: str, work: Awaitable[None]) -> None:
        """Start a function that runs until it is cancelled."""
        self._tasks.append(asyncio.create_task(self._watch_over(name, work), name=name))

    async def stop(self) -> None:
        """Cancel all tasks and wait for them."""
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
        except Exception:  # noqa: BLE001 - logged with its traceback
            self.failing[name] = "defect"
            get_log(loop=name).exception("loop.ended")

    async def _run(
        self,
        name: str,
        turn: Callable[[], Awaitable[None]],
        seconds: float,
        beat: Callable[[], None],
    ) -> None:
        failures = LoopFailures(get_log(loop=name))
        while True:
            try:
                await turn()
            except Exception as error:  # noqa: BLE001 - no error may end the loop
                failures.failed(error)
                self.failing[name] = failures.text
                self.states.failed(name, failures.text)
            else:
                failures.succeeded()
                self.failing.pop(name, None)
                self.states.succeeded(name)
            beat()
            await asyncio.sleep(seconds)
