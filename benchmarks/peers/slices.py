"""Slices of work for server_time.py: submit and commit attempts by orders on standard input.

    {"do": "empty"}                     empty the server and prepare it                   -> {}
    {"do": "slice", "batches": 4}       submit 4 calls of BATCH, then commit them         -> {"submit": s, "drain": s}

The seconds are those of the server's main thread. The work is defined by each version (store_0_1.py, store_now.py); this
module imports nothing of Stanine.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.machine import main_thread_seconds
from benchmarks.peers.work import ITEMS, answer

#: Attempts per call, and scales of the instrument.
BATCH, SCALES = 512, 5


def codes_of(number: int) -> bytes:
    """Return the packed answers of attempt `number`: option value minus one; 255 if missing."""
    return bytes(
        255 if (value := answer(number, item)) is None else value - 1 for item in range(ITEMS)
    )


async def obey(
    client: Any,
    prepare: Callable[[], None],
    make: Callable[[int], Any],
    submit: Callable[[list[Any]], Awaitable[list[bytes]]],
    drain: Callable[[list[bytes]], int],
) -> None:
    """Execute orders until standard input ends. `make`: attempt by number; `drain`: commit count."""
    number = 0
    _say({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "empty":
            client.execute_command("FLUSHALL", "SYNC")
            prepare()
            _say({})
            continue
        batches = []
        for _ in range(order["batches"]):
            batches.append([make(each) for each in range(number, number + BATCH)])
            number += BATCH
        began = main_thread_seconds(client)
        submitted = [await submit(batch) for batch in batches]
        between = main_thread_seconds(client)
        committed = [drain(ids) for ids in submitted]
        _say({"submit": between - began, "drain": main_thread_seconds(client) - between})
        assert committed == [BATCH] * order["batches"]


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)
