"""`stanine reliability` and `stanine norms`: published figures, and files with errors."""

import csv
import io
import json
import statistics
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Run
from .test_outside_truth import INSTRUMENTS, table

BFI = INSTRUMENTS / "bfi-25.yaml"
SCALES = ("agreeableness", "conscientiousness", "extraversion", "neuroticism", "openness")


@pytest.fixture
def bfi(tmp_path: Path) -> Path:
    path = tmp_path / "bfi.csv"
    path.write_bytes(table("bfi"))
    return path


def test_bfi_alphas_are_as_published(stanine: Run, bfi: Path) -> None:
    ran = stanine("reliability", BFI, bfi, "-o", "json")
    assert ran.status == 0
    found = json.loads(ran.out)["scales"]
    assert list(found) == list(SCALES)
    assert [round(one["alpha_pairwise"], 6) for one in found.values()] == [
        0.703018,
        0.726735,
        0.761733,
        0.813963,
        0.600173,
    ]
    assert [round(one["alpha_listwise"], 6) for one in found.values()] == [
        0.703756,
        0.729277,
        0.760933,
        0.813303,
        0.602546,
    ]
    assert [one["n_listwise"] for one in found.values()] == [2709, 2707, 2713, 2694, 2726]
    assert [round(one["mean"], 6) for one in found.values()] == [
        4.652095,
        4.265732,
        4.145083,
        3.162268,
        4.586649,
    ]
    assert [round(one["sd"], 6) for one in found.values()] == [
        0.898402,
        0.951347,
        1.060904,
        1.196331,
        0.808374,
    ]
    for one in found.values():
        low, high = one["interval_listwise"]
        assert low < one["alpha_listwise"] < high
        assert one["sem"] == pytest.approx(one["sd"] * (1 - one["alpha_listwise"]) ** 0.5)


def test_item_rest_correlations_are_those_of_the_complete_rows(stanine: Run, bfi: Path) -> None:
    rows = [
        row
        for row in csv.DictReader(io.StringIO(bfi.read_text()))
        if all(row[f"A{at}"] != "NA" for at in range(1, 6))
    ]
    points = [[7 - int(row["A1"]), *(int(row[f"A{at}"]) for at in range(2, 6))] for row in rows]
    found = json.loads(stanine("reliability", BFI, bfi, "-o", "json").out)["scales"][
        "agreeableness"
    ]["item_rest_r"]
    for at in range(5):
        own, rest = [row[at] for row in points], [sum(row) - row[at] for row in points]
        assert found[f"A{at + 1}"] == pytest.approx(statistics.correlation(own, rest))


def test_norms_of_each_group_can_be_pasted(stanine: Run, bfi: Path) -> None:
    ran = stanine("norms", BFI, bfi, "--by", "gender,age:20", "--min", "100")
    assert ran.status == 0
    assert "fewer than 100 people were left out" in ran.err
    found: Any = yaml.safe_load(ran.out)
    assert [group["where"] for group in found["normGroups"]] == [
        {"gender": gender, "age": [low, low + 19]} for gender in (1, 2) for low in (0, 20, 40)
    ]
    scored = list(csv.DictReader(io.StringIO(stanine("score", BFI, bfi).out)))
    people = list(csv.DictReader(io.StringIO(bfi.read_text())))
    scores = [
        float(score["extraversion.raw"])
        for score, person in zip(scored, people, strict=True)
        if person["gender"] == "2" and 20 <= int(person["age"]) < 40 and score["extraversion.raw"]
    ]
    norm = found["norms"]["extraversion"]["gender_2_age_20_39"]
    assert norm["mean"] == pytest.approx(statistics.fmean(scores))
    assert norm["sd"] == pytest.approx(statistics.stdev(scores))
    counts = found["frequencies"]["extraversion"]["gender_2_age_20_39"]["frequencies"]
    assert sum(one["count"] for one in counts) == len(scores)
    assert all(
        scores.count(one["raw"]) == one["count"] for one in counts if one["raw"] == int(one["raw"])
    )


def test_invalid_and_blank_rows_are_omitted_and_reported(stanine: Run, small: Path) -> None:
    rows = b"A1,A2,q1,age\n1,1,a,20\n2,3,b,30\n9,1,a,20\n,,,40\n3,2,b,\n"
    ran = stanine("reliability", small, "-", "-o", "json", stdin=rows)
    assert ran.status == 3
    assert "<stdin>:4:1: A1: not one of its options" in ran.err
    assert "1 faulty row left out" in ran.err
    assert "1 blank row left out" in ran.err
    found = json.loads(ran.out)
    assert (found["people"], found["faulty"]) == (3, 1)
    assert {scale: one["n"] for scale, one in found["scales"].items()} == {
        "average": 3,
        "total": 3,
        "correct": 3,
    }
    assert found["scales"]["correct"]["alpha_listwise"] is None
    ran = stanine("norms", small, "-", "--by", "age:10", "--min", "2", "-o", "json", stdin=rows)
    assert ran.status == 3
    assert (json.loads(ran.out)["withoutAttribute"], json.loads(ran.out)["normGroups"]) == (1, [])


@pytest.mark.parametrize(
    ("by", "about"),
    [
        ("size", "no attribute"),
        ("age:0", "above 0"),
        ("age", "missing column for the attribute age"),
    ],
)
def test_an_invalid_grouping_is_rejected(stanine: Run, small: Path, by: str, about: str) -> None:
    ran = stanine("norms", small, "-", "--by", by, stdin=b"A1,A2,q1\n1,1,a\n")
    assert (ran.status, ran.out) == (2, "")
    assert about in ran.err


def test_tables_have_rounded_figures(stanine: Run, small: Path) -> None:
    ran = stanine("reliability", small, "-", stdin=b"A1,A2,q1\n1,3,a\n2,1,b\n3,1,a\n")
    assert ran.status == 0
    assert ran.out.startswith("SCALE")
    assert "ITEM_REST_R" in ran.out
    assert stanine(
        "norms", small, "-", "--min", "2", "-o", "table", stdin=b"A1,A2,q1\n1,3,a\n2,1,b\n"
    ).out.startswith("GROUP")
