"""How fast the kernel scores: 50 items, 5 scales (ipip-50), 2 % of the answers missing, one thread."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stanine.domain.document import read_yaml
from stanine.domain.index import build_entry
from stanine.domain.instrument import parse_instrument
from stanine.domain.kernel import Kernel

INSTRUMENT = Path(__file__).parents[1] / "examples" / "instruments" / "ipip-50.yaml"
ATTEMPTS = 102_400


def best_of(times: int, call: Callable[[], object]) -> float:
    """Return the seconds of the fastest call: what the work takes on a machine that others use too."""
    fastest = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        call()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def main() -> None:
    """Print attempts a second in large batches and small, and microseconds for one."""
    instrument = parse_instrument(read_yaml(INSTRUMENT.read_bytes()))
    kernel = Kernel(build_entry(instrument, number=1, revision=1, form=1, digest="").plan)
    random = np.random.default_rng(1)
    codes = random.integers(0, 5, (ATTEMPTS, 50), dtype=np.uint8)
    codes[random.random(codes.shape) < 0.02] = 255
    for batch in (ATTEMPTS, 512, 32):
        rows = codes[:batch]
        print(f"batches of {batch:7,}: {batch / best_of(50, lambda rows=rows: kernel.score(rows)) / 1e6:6.2f} M attempts/s")
    print(f"one attempt, packed: {best_of(500, lambda: kernel.score(codes[:1]).packed()) * 1e6:6.0f} µs")


if __name__ == "__main__":
    main()
