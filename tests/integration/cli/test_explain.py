"""`stanine explain`, end to end: a row of a file, and a stored attempt."""

import json
from pathlib import Path

import pytest

from .conftest import INSTRUMENT, Run, Up

ROWS = "key,A1,A2,q1\nk1,1,3,b\nk2,NA,none,a\n,2,2,\nk4,9,1,a\n"


@pytest.fixture
def rows(tmp_path: Path) -> str:
    (tmp_path / "r.csv").write_text(ROWS)
    return "r.csv"


def test_a_row_is_explained_step_by_step(stanine: Run, small: Path, rows: str) -> None:
    ran = stanine("explain", small, rows, "--key", "k1")
    assert (ran.status, ran.err) == (0, "")
    paragraph = ran.out.split("\n\n")[0].splitlines()
    assert paragraph == [
        "average: 3, Scored",
        "  A1: answered 1, points 3 (reversed)",
        "  A2: answered 3, points 3",
        "  valid: 2 of 2, 1 needed",
        "  mean: 6 / 2 = 3",
        "  band: high, Raw 3 lies in >= 2",
    ]


def test_missing_and_too_few_answers_are_reported(stanine: Run, small: Path, rows: str) -> None:
    ran = stanine("explain", small, rows, "--key", "k2")
    assert "  A1: not answered, no points" in ran.out
    assert "  A2: answered as missing none, no points" in ran.out
    assert "  valid: 0 of 2, 1 needed: too few" in ran.out


def test_a_row_without_a_key_is_named_by_its_number(stanine: Run, small: Path, rows: str) -> None:
    ran = stanine("explain", small, rows, "--key", "3", "-o", "json")
    scales = {scale["id"]: scale for scale in json.loads(ran.out)["scales"]}
    assert scales["average"]["raw"] == 2
    assert scales["correct"]["terms"][0]["countsAs"] == "Unanswered"
    assert all(scale["agrees"] for scale in scales.values())


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((), 2, "--key ROW is missing"),
        (("--key", "k9"), 4, "no row is called 'k9'"),
        (("--key", "k4"), 2, "r.csv:5:2: A1: not one of its options"),
    ],
)
def test_unexplainable_rows_and_attempts_are_reported(
    stanine: Run, small: Path, rows: str, words: tuple[str, ...], status: int, said: str
) -> None:
    ran = stanine("explain", small, rows, *words, STANINE_KEY="a key for the API")
    assert (ran.status, ran.out) == (status, "")
    assert said in ran.err


def test_a_stored_attempt_is_explained_like_a_row(
    stanine: Run, up: Up, tmp_path: Path, rows: str
) -> None:
    (tmp_path / "own.yaml").write_text(INSTRUMENT.replace("name: small", "name: explained"))
    assert stanine("publish", "own.yaml", "--wait", **up.variables).status == 0
    stanine("submit", "explained", rows, "--wait", **up.variables)
    listed = stanine("results", "explained", "-o", "ndjson", **up.variables).out.splitlines()
    attempt = next(one["attempt"] for one in map(json.loads, listed) if one["key"] == "k1")
    ran = stanine("explain", attempt, **up.variables)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == stanine("explain", "own.yaml", rows, "--key", "k1").out
    assert stanine("explain", "0" * 32, **up.variables).status == 4


def test_norm_groups_tables_and_composites_are_explained(stanine: Run, tmp_path: Path) -> None:
    """Mean 3 with mean 2.1 and sd 0.5 is T 68; its standard error is 10 · √0.3; 4.6 and 21.2 are the table's."""
    (tmp_path / "r.csv").write_text(
        "key,sex,years,Q1,A2,d1,d2,s1,s2,q1,q2,pain,m1.a,m1.b,m1.none,r1.f,r1.w,note,since\n"
        "a,female,33,1,na,0,,0,,b,42,5.5,1,1,0,1,2,secret,\n"
    )
    document = Path(__file__).parents[2] / "unit/domain/every_feature.yaml"
    ran = stanine("explain", document, "r.csv", "--key", "a")
    assert ran.status == 0
    lines = ran.out.splitlines()
    for line in (
        "  A1: answered 1, points 3 (reversed)",
        "  women_21_40 matches: sex one of female, has female: yes; years 21 to 40, has 33: yes",
        "  norm group: women_21_40 (mean 2.1, sd 0.5)",
        "  band: high, T 68 lies in > 55",
        "  d2: not shown, points 0 (as the scale says of such items)",
        "  everyone matches: for everybody",
        "  sum, prorated: 2 x 0 / 1 = 0",
        "  rounded HalfUp to 0 decimals: 0",
        "  table: row 0 gives 21.2",
        "  error: unit Score, from the table, standard error 4.6",
        "  agreeableness.t: 68",
        "  formula: count(s1..s2 >= 2) >= 1 and s1 >= 1",
        "  the highest 1; equal values: List",
    ):
        assert line in lines, line
    assert any(f"standard error {10 * 0.3**0.5:.12f}"[:-2] in line for line in lines)
    assert "secret" not in ran.out
