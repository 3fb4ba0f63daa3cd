"""Measure the formula engine, and compare random formulas with the tests' reference evaluator.

    python -m benchmarks.formulas [--runs N] [--seed N]

A run is one formula for one person (default: a million runs). Runs whose float64 result may differ from the exact
fraction are skipped and counted. The first difference ends the command and prints formula and person.
"""

import argparse
import random
import time
from collections.abc import Callable

import numpy as np
from tests.unit.domain.formula_engine import judge
from tests.unit.domain.formula_generator import depth_of, random_formula, random_person, write

from benchmarks.machine import machine
from stanine.domain.errors import Faults
from stanine.domain.formulas.checking import check_formula
from stanine.domain.formulas.columns import Batch, NumberColumn
from stanine.domain.formulas.evaluation import evaluate
from stanine.domain.formulas.names import Named, Names

#: People per random formula.
PEOPLE = 20
#: Batch size of the timings, as in the kernel.
BATCH = 1024
TIMED = {
    "sum of 9": "sum(p1..p9)",
    "PHQ-9 algorithm": "count(p1..p8 >= 2) + (p9 >= 1) >= 5 and (p1 >= 2 or p2 >= 2)",
    "mean, rounded": "round(mean(p1..p9), HalfUp, 1)",
    "sum of 120": "sum(p1..p120)",
}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(machine())
    for name, text in TIMED.items():
        print(f"{name}: {rate(text) / 1e6:.2f} M attempts/s")
    fuzz(arguments.runs, arguments.seed)


def rate(text: str) -> float:
    """Return attempts per second of a formula on one core, with a tenth of the answers missing."""
    names = [f"p{item}" for item in range(1, 121)]
    formula = check_formula(
        text, Names(items={name: Named("Number") for name in names}), "", Faults()
    )
    assert formula is not None
    rng = np.random.default_rng(1)
    columns = {
        name: NumberColumn(rng.integers(0, 4, BATCH).astype(float), rng.random(BATCH) < 0.1)
        for name in names
    }
    batch = Batch(BATCH, columns)
    best = min(_seconds(lambda: evaluate(formula, batch)) for _ in range(30))
    return BATCH / best


def fuzz(runs: int, seed: int) -> None:
    """Compare the engine with the reference evaluator on random formulas."""
    rng = random.Random(seed)
    started = time.perf_counter()
    done = judged = formulas = 0
    while done < runs:
        tree = random_formula(rng, rng.randint(1, 6))
        text = write(tree, rng)
        if len(text) > 4096 or depth_of(text) > 32:
            continue
        judged += judge(
            tree, text, [random_person(rng) for _ in range(PEOPLE)], pass_over=rng.random() < 0.5
        )
        done += PEOPLE
        formulas += 1
    print(
        f"{done:,} runs of {formulas:,} formulas in {time.perf_counter() - started:.0f} s: {judged:,} judged, all equal"
    )


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
