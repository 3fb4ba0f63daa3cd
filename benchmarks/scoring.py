"""Compare the scoring kernel with pure Python and with the bare matrix product.

    python -m benchmarks.scoring [--json] [--attempts N] [--rounds N]

50 items, 5 scales, reverse-keyed items, 2 % of the answers missing; one thread, batches of 512 as in the resultWatcher.
Every method starts with the records' bytes. Two products:

- `product` is the matrix product that yields these scores, including its input: points and presence looked up by code,
  each multiplied with the keys (50 by 5), one sum divided by the other. It has no minimum of answers, no status, no
  band, and BLAS's sums, whose bits depend on the batch.
- `product_of_codes` casts the codes to float64 and multiplies once: NumPy's minimum, wrong if an answer is missing.

Each round runs all methods; ratios are computed within a round. The scores are compared with the pure Python scorer's.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# One thread for any BLAS, so that figures are per core; set before NumPy is loaded.
os.environ.update(
    dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1")
)

import numpy as np

from benchmarks.machine import machine, median, spread
from benchmarks.published import entry_of, plain_instrument, scales_of
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import decode_result

#: Attempts per batch, as in the resultWatcher.
BATCH = 512
#: Share of missing answers.
MISSING = 0.02
OMITTED = 255


def pure_python(
    codes: bytes, scales: list[tuple[list[tuple[int, bool]], int]]
) -> list[float | None]:
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


def load(batch: list[bytes]) -> Any:
    """Return the codes of a batch as a matrix."""
    return np.frombuffer(b"".join(batch), dtype=np.uint8).reshape(len(batch), -1)


class Ways:
    """Methods that score the same attempts; each returns the number of scored attempts."""

    def __init__(self, attempts: int) -> None:
        plain = plain_instrument()
        self.entry = entry_of(plain)
        self.kernel = Kernel(self.entry.plan)
        places = {item["id"]: place for place, item in enumerate(plain["spec"]["items"])}
        self.scales = [
            ([(places[item], reverse) for item, reverse in scale["items"]], scale["minValid"])
            for scale in scales_of(plain)
        ]
        chance = np.random.default_rng(1)
        matrix = chance.integers(0, 5, (attempts, 50), dtype=np.uint8)
        matrix[chance.random(matrix.shape) < MISSING] = OMITTED
        self.records = [row.tobytes() for row in matrix]
        self.batches = [self.records[start : start + BATCH] for start in range(0, attempts, BATCH)]
        self.few = self.records[: max(1, attempts // 50)]
        self.signs = np.zeros((50, 5))
        for scale, (items, _) in enumerate(self.scales):
            for item, reverse in items:
                self.signs[item, scale] = -1.0 if reverse else 1.0
        self.ones = np.abs(self.signs)
        # Points relative to the middle of the options: a reverse key is a sign, and a missing answer adds nothing.
        self.points, self.present = (
            np.array([-2.0, -1, 0, 1, 2] + [0.0] * 251),
            np.array([1.0] * 5 + [0.0] * 251),
        )

    def by_kernel(self) -> int:
        """Score as the resultWatcher does."""
        for batch in self.batches:
            self.kernel.score(load(batch))
        return len(self.records)

    def by_kernel_checked_and_packed(self) -> int:
        """Score with the resultWatcher's further steps: check records, pack result bodies."""
        for batch in self.batches:
            codes = load(batch)
            assert not self.kernel.unreadable(codes)
            self.kernel.score(codes).packed()
        return len(self.records)

    def by_product(self) -> int:
        """Score by matrix products."""
        for batch in self.batches:
            codes = load(batch)
            _ = (self.points.take(codes) @ self.signs) / (
                self.present.take(codes) @ self.ones
            ) + 3.0
        return len(self.records)

    def by_product_of_codes(self) -> int:
        """Multiply the codes once."""
        for batch in self.batches:
            _ = load(batch).astype(np.float64) @ self.signs
        return len(self.records)

    def by_python(self) -> int:
        """Score a few attempts item by item."""
        for codes in self.few:
            pure_python(codes, self.scales)
        return len(self.few)

    def are_equal(self) -> bool:
        """Return whether the kernel's scores equal the plain scorer's."""
        bodies = [
            body for batch in self.batches[:4] for body in self.kernel.score(load(batch)).packed()
        ]
        return all(
            [scale.raw for scale in decode_result(body, self.entry).scales.values()]
            == pure_python(codes, self.scales)
            for body, codes in zip(bodies, self.records, strict=False)
        )


def measure(attempts: int, rounds: int) -> dict[str, Any]:
    """Return rates and ratios."""
    ways = Ways(attempts)
    by_name: dict[str, Callable[[], int]] = {
        "kernel": ways.by_kernel,
        "kernel_checked_and_packed": ways.by_kernel_checked_and_packed,
        "product": ways.by_product,
        "product_of_codes": ways.by_product_of_codes,
        "python": ways.by_python,
    }
    rates: dict[str, list[float]] = {name: [] for name in by_name}
    for _ in range(rounds + 1):
        for name, way in by_name.items():
            began = time.perf_counter()
            count = way()
            rates[name].append(count / (time.perf_counter() - began))
    rates = {name: values[1:] for name, values in rates.items()}  # the first round warms up
    pairs = (("product", "kernel"), ("product_of_codes", "kernel"), ("kernel", "python"))
    ratios = {
        f"{one}/{other}": [a / b for a, b in zip(rates[one], rates[other], strict=True)]
        for one, other in pairs
    }
    loose, strict = median(ratios["product/kernel"]), median(ratios["product_of_codes/kernel"])
    rate = median(rates["kernel"])
    return {
        "machine": machine(),
        "versions": {"python": sys.version.split()[0], "numpy": np.__version__},
        "batch": BATCH,
        "attempts": attempts,
        "attempts_per_second": {name: median(values) for name, values in rates.items()},
        "ratios": {name: median(values) for name, values in ratios.items()},
        "spread": {name: spread(values) for name, values in (rates | ratios).items()},
        "equal_to_python": ways.are_equal(),
        "bars": [
            {"bar": "kernel ≥ 1,000,000 attempts/s a core", "figure": rate, "met": rate >= 1e6},
            {
                "bar": "kernel at most 2 times the matrix product of these scores and its loads",
                "figure": loose,
                "met": loose <= 2,
            },
            {
                "bar": "the same by the strictest reading: one product of the codes, blind to missing answers",
                "figure": strict,
                "met": strict <= 2,
            },
        ],
    }


def main() -> int:
    """Run the command; status 1 if the kernel's scores differ from the plain scorer's."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scoring", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--attempts", type=int, default=51_200)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    options = parser.parse_args()
    found = measure(options.attempts, options.rounds)
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    if options.json:
        print(json.dumps(found))
    else:
        for name, rate in found["attempts_per_second"].items():
            print(
                f"{name:28}{rate:>14,} attempts/s   ({found['spread'][name]['min']:,} to {found['spread'][name]['max']:,})"
            )
        for bar in found["bars"]:
            print(f"{'met    ' if bar['met'] else 'NOT met'} {bar['bar']}: {bar['figure']:,}")
    return int(not found["equal_to_python"])


if __name__ == "__main__":
    sys.exit(main())
