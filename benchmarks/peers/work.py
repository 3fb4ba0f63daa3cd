"""The work of every Python peer for a message: load an attempt, score it, store its result once.

Plain Python as a user would write it, with the fastest JSON library. `work.mjs` is the same in JavaScript; compare.py
checks every result of both. compare.py passes the instrument's scales in the environment: peers do not import Stanine.
"""

import json
import os
from typing import Any

import msgspec

#: URL of the server, redis://host:port/0.
URL = os.environ.get("BENCH_URL", "")
#: Hashes of attempts and results as JSON texts, a usual layout without Stanine; HLEN counts the results at no cost.
ATTEMPTS, RESULTS = "bench:attempts", "bench:results"
#: Counter of results that existed already: duplicate deliveries.
TWICE = "bench:twice"
#: Number of items of the form; varied by growth.py.
ITEMS = int(os.environ.get("BENCH_ITEMS", "50"))

_scales: list[dict[str, Any]] = json.loads(os.environ.get("BENCH_SCALES", "[]"))
#: Per scale: id, (item, whether reverse-keyed), minimum of answers.
SCALES = [
    (scale["id"], [(item, reverse) for item, reverse in scale["items"]], scale["minValid"])
    for scale in _scales
]
#: Lowest plus highest option; minus the answer of a reverse-keyed item.
MIRROR = 6

_read = msgspec.json.Decoder(dict[str, Any]).decode
_write = msgspec.json.Encoder().encode


def answer(number: int, item: int) -> int | None:
    """Return attempt `number`'s answer to an item, 1 to 5 or None (1 in 50); equal in work.mjs."""
    if (number + item) % 50 == 49:
        return None
    return (number * 31 + item * 17 + (number // 7) * item) % 5 + 1


def attempt_text(number: int) -> bytes:
    """Return an attempt as submitted and stored."""
    answers = {
        f"i{item + 1}": value
        for item in range(ITEMS)
        if (value := answer(number, item)) is not None
    }
    return _write({"instrument": "ipip-50", "revision": 1, "answers": answers})


def score(text: bytes) -> bytes:
    """Score an attempt: mean of the answers, reverse-keyed items inverted; None if too few."""
    answers = _read(text)["answers"]
    result = {}
    for scale, items, fewest in SCALES:
        total, valid = 0, 0
        for item, reverse in items:
            value = answers.get(item)
            if value is not None:
                valid += 1
                total += MIRROR - value if reverse else value
        enough = valid >= fewest
        result[scale] = {
            "raw": total / valid if enough else None,
            "valid": valid,
            "items": len(items),
            "status": "Scored" if enough else "TooFewAnswers",
        }
    return _write({"instrument": "ipip-50", "revision": 1, "scales": result})


def handle(client: Any, number: int) -> None:
    """Load, score, store once, with a synchronous client."""
    result = score(client.hget(ATTEMPTS, number))
    if not client.hsetnx(RESULTS, number, result):
        client.incr(TWICE)


async def handle_async(client: Any, number: int) -> None:
    """Load, score, store once, with an asyncio client."""
    result = score(await client.hget(ATTEMPTS, number))
    if not await client.hsetnx(RESULTS, number, result):
        await client.incr(TWICE)
