"""The scoring kernel beside pure Python and beside the bare matrix product: 50 items, 5 scales, reverse keys, 2 % of the answers missing.

    python -m benchmarks.scoring [--json] [--attempts N] [--rounds N]

One thread, batches of 512 as the resultWatcher's; every way begins with the records' bytes. Two products:

- `product` is the matrix product that gives these scores, with its loads: points and presence looked up by code, each times 50 × 5 keys,
  one sum divided by the other. No smallest number of answers, no status, no band, and BLAS's sums, whose bits depend on the batch.
- `product_of_codes` casts the codes to float64 and multiplies once: what NumPy does at the least, wrong wherever an answer is missing.

Each round runs all in turn; ratios are taken within a round. The scores are compared with those of the pure Python scorer.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

# One thread for whatever BLAS is there: figures are a core's. Before NumPy is loaded.
os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1"))

import numpy as np  # noqa: E402 - see above

from benchmarks.machine import digits, machine, median, spread  # noqa: E402 - as above
from benchmarks.published import entry_of, plain_instrument, scales_of  # noqa: E402 - as above
from stanine.domain.kernel import Kernel  # noqa: E402 - as above
from stanine.domain.result import decode_result  # noqa: E402 - as above

#: Attempts scored at once, as in the resultWatcher.
BATCH = 512
#: Share of answers that are missing.
MISSING = 0.02
OMITTED = 255


def pure_python(codes: bytes, scales: list[tuple[list[tuple[int, bool]], int]]) -> list[float | None]:
    """Score one attempt item by item."""
    means: list[float | None] = []
    for items, fewest in scales:
        total, valid = 0, 0
        for item, reverse in items:
            code = codes[item]
            if code != OMITTED:
                valid += 1
                total += 5 - code if reverse else code + 1
        means.append(total / valid if valid >= fewest else None)
    return means


def measure(attempts: int, rounds: int) -> dict[str, Any]:
    """Return rates and ratios."""
    plain = plain_instrument()
    entry = entry_of(plain)
    kernel = Kernel(entry.plan)
    places = {item["id"]: place for place, item in enumerate(plain["spec"]["items"])}
    scales = [([(places[item], reverse) for item, reverse in scale["items"]], scale["minValid"]) for scale in scales_of(plain)]
    chance = np.random.default_rng(1)
    matrix = chance.integers(0, 5, (attempts, 50), dtype=np.uint8)
    matrix[chance.random(matrix.shape) < MISSING] = OMITTED
    records = [row.tobytes() for row in matrix]
    batches = [records[start : start + BATCH] for start in range(0, attempts, BATCH)]
    keys = np.zeros((50, 5))
    for scale, (items, _) in enumerate(scales):
        for item, reverse in items:
            keys[item, scale] = -0.1 if reverse else 0.1

    def load(batch: list[bytes]) -> Any:
        return np.frombuffer(b"".join(batch), dtype=np.uint8).reshape(len(batch), -1)

    def by_kernel() -> None:
        for batch in batches:
            kernel.score(load(batch))

    def by_kernel_checked_and_packed() -> None:
        for batch in batches:
            codes = load(batch)
            assert not kernel.unreadable(codes)
            kernel.score(codes).packed()

    # Points from the middle of the options, so that a reverse key is a sign and a missing answer adds nothing.
    points, present = np.array([-2.0, -1, 0, 1, 2] + [0.0] * 251), np.array([1.0] * 5 + [0.0] * 251)
    signs, ones = np.sign(keys), (keys != 0).astype(np.float64)

    def by_product() -> None:
        for batch in batches:
            codes = load(batch)
            (points.take(codes) @ signs) / (present.take(codes) @ ones) + 3.0

    def by_product_of_codes() -> None:
        for batch in batches:
            load(batch).astype(np.float64) @ keys

    few = records[: max(1, attempts // 50)]

    def by_python() -> None:
        for codes in few:
            pure_python(codes, scales)

    ways: dict[str, tuple[Callable[[], None], int]] = {
        "kernel": (by_kernel, attempts), "kernel_checked_and_packed": (by_kernel_checked_and_packed, attempts),
        "product": (by_product, attempts), "product_of_codes": (by_product_of_codes, attempts), "python": (by_python, len(few)),
    }  # fmt: skip
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for way, _ in ways.values():
        way()
    for _ in range(rounds):
        for name, (way, count) in ways.items():
            began = time.perf_counter()
            way()
            rates[name].append(count / (time.perf_counter() - began))
    slower = [product / mine for product, mine in zip(rates["product"], rates["kernel"], strict=True)]
    slower_than_codes = [product / mine for product, mine in zip(rates["product_of_codes"], rates["kernel"], strict=True)]
    faster = [mine / python for mine, python in zip(rates["kernel"], rates["python"], strict=True)]
    bodies = [body for batch in batches[:4] for body in kernel.score(load(batch)).packed()]
    equal = all(
        [scale.raw for scale in decode_result(body, entry).scales.values()] == pure_python(codes, scales)
        for body, codes in zip(bodies, records, strict=False)
    )
    ratio, best = statistics.median(slower), statistics.median(rates["kernel"])
    return {
        "machine": machine(), "versions": {"python": sys.version.split()[0], "numpy": np.__version__}, "batch": BATCH, "attempts": attempts,
        "attempts_per_second": {name: median(values) for name, values in rates.items()},
        "ratios": {"product/kernel": digits(ratio), "product_of_codes/kernel": median(slower_than_codes), "kernel/python": median(faster)},
        "spread": {
            **{name: spread(values) for name, values in rates.items()}, "product/kernel": spread(slower),
            "product_of_codes/kernel": spread(slower_than_codes), "kernel/python": spread(faster),
        },
        "equal_to_python": equal,
        "bars": [
            {"bar": "kernel ≥ 1,000,000 attempts/s a core", "figure": digits(best), "met": best >= 1e6},
            {"bar": "kernel ≤ 2 × the matrix product of these scores and its loads", "figure": digits(ratio), "met": ratio <= 2},
            {
                "bar": "kernel ≤ 2 × one product of the codes, blind to missing answers (the strictest reading)",
                "figure": median(slower_than_codes), "met": statistics.median(slower_than_codes) <= 2,
            },
        ],
    }  # fmt: skip


def main() -> int:
    """Parse the command line, measure, print; status 1 if the kernel's scores are not those of the plain scorer."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoring", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--attempts", type=int, default=51_200)
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    found = measure(options.attempts, options.rounds)
    if options.json:
        print(json.dumps(found))
    else:
        for name, rate in found["attempts_per_second"].items():
            print(f"{name:28}{rate:>14,} attempts/s   ({found['spread'][name]['min']:,} to {found['spread'][name]['max']:,})")
        for bar in found["bars"]:
            print(f"{'met    ' if bar['met'] else 'NOT met'} {bar['bar']}: {bar['figure']:,}")
    return int(not found["equal_to_python"])


if __name__ == "__main__":
    sys.exit(main())
