"""The submitter process of a Python peer: executes JSON orders from standard input.

    {"do": "add", "first": 0, "count": 100}        submit one by one          -> {"seconds": …}
    {"do": "add_many", "first": 0, "count": 100}   submit in bulk             -> {"seconds": …}
    {"do": "latency", "first": 0, "gaps": [s, …]}  pause, submit, poll until the result is stored, for each -> {"ms": […]}

One JSON line per order and per reply (on standard output). Only submitting is timed, not the preparation of attempts.
`submitter.mjs` is the same for Node.
"""

import asyncio
import inspect
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

#: Attempts per call of the peer's bulk operation.
BULK = 1000
#: Seconds until a missing result is an error.
PATIENCE = 60.0

#: Functions that submit attempts (number, text): one, or many.
Add = Callable[[int, Any], Awaitable[None] | None]
AddMany = Callable[[list[tuple[int, Any]]], Awaitable[None] | None]


class Submitter:
    """Executes orders; `make` prepares attempt `number`, `is_stored` queries its result once."""

    def __init__(
        self,
        add: Add,
        add_many: AddMany,
        make: Callable[[int], Any],
        is_stored: Callable[[int], bool],
    ) -> None:
        self._add = add
        self._add_many = add_many
        self._make = make
        self._is_stored = is_stored

    async def run(self) -> None:
        """Execute orders until standard input ends."""
        loop = asyncio.get_running_loop()
        print(json.dumps({"ready": True}), flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            order = json.loads(line)
            answer = await getattr(self, f"_{order.pop('do')}_order")(**order)
            print(json.dumps(answer), flush=True)

    async def _add_order(self, first: int, count: int) -> dict[str, Any]:
        made = [(number, self._make(number)) for number in range(first, first + count)]
        began = time.perf_counter()
        for number, text in made:
            await _done(self._add(number, text))
        return {"seconds": time.perf_counter() - began}

    async def _add_many_order(self, first: int, count: int) -> dict[str, Any]:
        made = [(number, self._make(number)) for number in range(first, first + count)]
        began = time.perf_counter()
        for start in range(0, count, BULK):
            await _done(self._add_many(made[start : start + BULK]))
        return {"seconds": time.perf_counter() - began}

    async def _latency_order(self, first: int, gaps: list[float]) -> dict[str, Any]:
        found = []
        for number, gap in enumerate(gaps, start=first):
            text = self._make(number)
            await asyncio.sleep(gap)
            began = time.perf_counter()
            await _done(self._add(number, text))
            while not self._is_stored(number):
                if time.perf_counter() - began > PATIENCE:
                    raise TimeoutError(f"attempt {number} has no result after {PATIENCE:.0f} s")
            found.append((time.perf_counter() - began) * 1000)
        return {"ms": found}


async def _done(outcome: Awaitable[None] | None) -> None:
    if inspect.isawaitable(outcome):
        await outcome
