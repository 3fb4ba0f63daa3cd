"""The API's loops end when they are stopped, even if a cancellation is lost."""

import asyncio

from stanine.runtime.loops import Loops
from stanine.telemetry.heartbeats import Heartbeats


def test_a_loop_that_loses_its_cancellation_is_cancelled_again() -> None:
    turns = lost = 0
    under_way = asyncio.Event()

    async def turn() -> None:
        nonlocal turns, lost
        turns += 1
        if turns > 1:
            under_way.set()
        try:
            await asyncio.sleep(0.01)
        except (
            asyncio.CancelledError
        ):  # like asyncio.wait_for before Python 3.12 when its task has just ended
            lost += 1
            if lost > 1:
                raise

    async def run() -> None:
        loops = Loops(Heartbeats())
        loops.start("index", turn, 0)
        await under_way.wait()
        async with asyncio.timeout(5):
            await loops.stop()

    asyncio.run(run())
    assert turns > 1
    assert lost >= 1


def test_a_failed_task_does_not_prevent_stopping() -> None:
    async def work() -> None:
        raise ValueError

    async def run() -> dict[str, str]:
        loops = Loops(Heartbeats())
        loops.start_once("results", work())
        await asyncio.sleep(0)
        await loops.stop()
        return loops.failing

    assert asyncio.run(run()) == {"results": "defect"}
