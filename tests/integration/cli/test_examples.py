"""`stanine score` on the example instruments and responses: every figure by hand, each with its calculation."""

import csv
import io
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist

import pytest

from stanine.cli.main import main

EXAMPLES = Path(__file__).parents[3] / "examples"
Rows = dict[str, dict[str, str]]
Score = Callable[..., Rows]


@pytest.fixture
def score(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Score:
    """Score an example's responses, or other ones, in this process; returns the cells by key."""

    def run(name: str, responses: Path | None = None, *words: str) -> Rows:
        file = responses or EXAMPLES / "responses" / f"{name}.csv"
        instrument = EXAMPLES / "instruments" / f"{name}.yaml"
        monkeypatch.setattr(sys, "argv", ["stanine", "score", str(instrument), str(file), *words])
        with pytest.raises(SystemExit) as ended:
            main()
        sys.stdout.flush()
        out, err = capfd.readouterr()
        assert ended.value.code in (0, None), err
        return {row["key"]: row for row in csv.DictReader(io.StringIO(out))}

    return run


def cells(rows: Rows, scale: str, *fields: str) -> dict[str, tuple[str, ...]]:
    return {key: tuple(row[f"{scale}.{field}"] for field in fields) for key, row in rows.items()}


def test_every_family_of_features_has_responses() -> None:
    names = {path.stem for path in (EXAMPLES / "responses").glob("*.csv")}
    assert names >= {
        "ability", "gad-7", "tension", "evening-drinks", "low-mood-criteria", "learning-ways",
        "sleep-week", "kindness-de", "phq-9",
    }  # fmt: skip


def test_a_key_points_and_a_percentage(score: Score) -> None:
    rows = score("ability")
    # 1 for each right answer of three, and 2, 1 or 0 points for the last; a blank is wrong.
    assert cells(rows, "ability", "raw", "valid", "status") == {
        "anna": ("5", "4", "Scored"),
        "ben": ("3", "4", "Scored"),
        "cleo": ("1", "2", "Scored"),
    }
    percent = {key: float(cell) for key, (cell,) in cells(rows, "ability_percent", "raw").items()}
    assert percent == {"anna": 100, "ben": float(Fraction(200, 3)), "cleo": float(Fraction(100, 3))}


def test_t_scores_of_norm_groups(score: Score) -> None:
    rows = score("tension")
    assert cells(rows, "tension", "raw", "valid", "status", "norm", "stanine", "band") == {
        "anna": ("3.8", "5", "Scored", "women_18_39", "8", "high"),  # (4 + 4 + 3 + 4 + 4) / 5
        "ben": ("3", "6", "NoNorm", "", "", ""),  # 17 years: no group
        "cleo": ("1", "6", "Scored", "adults", "1", "low"),
        "dana": ("", "4", "TooFewAnswers", "", "", ""),
    }
    for key, raw, mean, sd in (("anna", "3.8", "2.61", "0.72"), ("cleo", "1", "2.64", "0.73")):
        z = (Fraction(raw) - Fraction(mean)) / Fraction(sd)
        found = {field: float(rows[key][f"tension.{field}"]) for field in ("t", "percentile", "se", "low", "high")}  # fmt: skip
        assert found["t"] == pytest.approx(float(50 + 10 * z), rel=1e-14)
        assert found["percentile"] == pytest.approx(100 * NormalDist().cdf(float(z)), rel=1e-12)
        assert found["se"] == pytest.approx(4, rel=1e-12)  # 10 · √(1 - 0.84)
        assert found["low"] == pytest.approx(found["t"] - 1.959963984540054 * 4, rel=1e-12)
        assert found["high"] == pytest.approx(found["t"] + 1.959963984540054 * 4, rel=1e-12)


def test_skip_logic_counts_what_was_not_asked_as_zero(score: Score) -> None:
    rows = score("evening-drinks")
    assert cells(rows, "risk", "raw", "valid", "status", "band") == {
        "anna": ("2", "10", "Scored", "low"),
        "ben": ("9", "10", "Scored", "raised"),  # 2 + 1 + 1 + 1 + 4
        "cleo": ("", "9", "TooFewAnswers", ""),  # asked, not answered
        "dana": ("40", "10", "Scored", "high"),
    }
    assert cells(rows, "consumption", "raw", "bandGroup", "band") == {
        "anna": ("0", "everyone", "negative"),
        "ben": ("3", "women", "positive"),
        "cleo": ("3", "everyone", "negative"),
        "dana": ("12", "women", "positive"),
    }


def test_a_diagnostic_algorithm_by_formula(score: Score) -> None:
    rows = score("low-mood-criteria")
    assert cells(rows, "signs", "raw", "status") == {
        "anna": ("5", "Scored"),  # m2 to m5 at 2 or more, and any day of m9
        "ben": ("5", "Scored"),  # m3 to m7
        "cleo": ("", "MissingValue"),  # m8 is missing
        "dana": ("0", "Scored"),
    }
    assert cells(rows, "episode", "raw", "status", "band") == {
        "anna": ("1", "Scored", "met"),
        "ben": ("0", "Scored", "not_met"),  # neither core sign
        "cleo": ("", "MissingValue", ""),
        "dana": ("0", "Scored", "not_met"),
    }
    assert cells(rows, "severity", "raw", "valid", "band") == {
        "anna": ("11", "9", "moderate"),
        "ben": ("12", "9", "moderate"),
        "cleo": ("10", "7", "moderate"),  # 9 · 8 / 7 = 10.29
        "dana": ("0", "9", "minimal"),
    }


def test_a_ranking_inventory_with_a_profile(score: Score) -> None:
    rows = score("learning-ways")
    names = ("feeling", "watching", "thinking", "doing", "abstract", "active")
    found = {key: [row[f"{name}.raw"] for name in names] for key, row in rows.items()}
    # The first of four places is worth 4 points, the last 1.
    assert found == {
        "anna": ["4", "8", "16", "12", "12", "4"],
        "ben": ["14", "14", "8", "4", "-6", "-10"],
        "cleo": [""] * 6,
    }
    assert cells(rows, "way", "code", "tied", "status") == {
        "anna": ("thinking", "false", "Scored"),
        "ben": ("feeling watching", "true", "Scored"),
        "cleo": ("", "", "TooFewAnswers"),
    }


def test_a_rounded_prorated_scale_with_bands_and_a_table(score: Score) -> None:
    rows = score("sleep-week")
    assert cells(rows, "trouble", "raw", "valid", "score", "band") == {
        "anna": ("13", "3", "3", "some"),  # 10 · 4 / 3 = 13.33
        "ben": ("0", "4", "1", "little"),
        "cleo": ("28", "4", "4", "much"),
        "dana": ("", "2", "", ""),
    }
    assert cells(rows, "short", "raw") == {"anna": ("2",), "ben": ("0",), "cleo": ("1",), "dana": ("1",)}  # fmt: skip
    assert cells(rows, "helpers", "raw", "status") == {
        "anna": ("2", "Scored"),
        "ben": ("0", "Scored"),  # "nothing" is chosen alone and is not counted
        "cleo": ("3", "Scored"),
        "dana": ("", "TooFewAnswers"),
    }
    strain = {key: cell and float(cell) for key, (cell,) in cells(rows, "strain", "raw").items()}
    # (table + 2 · short) / 3
    assert strain == {"anna": float(Fraction(7, 3)), "ben": float(Fraction(1, 3)), "cleo": 2, "dana": ""}  # fmt: skip


def test_a_bilingual_instrument_reads_labels_of_both_languages(
    score: Score, tmp_path: Path
) -> None:
    expected = {
        "anna": ("4.5", "4", "Scored", "high"),  # (5 + 5 + 4 + 4) / 4
        "ben": (repr(7 / 3), "3", "Scored", "low"),  # (2 + 2 + 3) / 3
        "cleo": ("", "1", "TooFewAnswers", ""),
    }
    assert cells(score("kindness-de"), "kindness", "raw", "valid", "status", "band") == expected
    labelled = tmp_path / "labels.csv"
    labelled.write_text(
        "key,attempt.language,sex,k1,k2,k3,k4\n"
        "anna,en,Female,Very accurate,Very inaccurate,Rather accurate,Rather inaccurate\n"
        'ben,de,Männlich,Trifft eher nicht zu,Trifft eher zu,"Teils, teils",\n'
        "cleo,de,,trifft eher zu,,,\n"
    )
    rows = score("kindness-de", labelled, "--labels")
    assert cells(rows, "kindness", "raw", "valid", "status", "band") == expected


def test_a_prorated_sum_and_a_count_of_symptoms(score: Score) -> None:
    rows = score("phq-9")
    assert cells(rows, "depression", "raw", "valid", "status", "band") == {
        "anna": ("10", "9", "Scored", "moderate"),
        "ben": ("27", "7", "Scored", "severe"),  # 9 · 21 / 7
        "cleo": ("0", "9", "Scored", "minimal"),
    }
    assert cells(rows, "symptoms", "raw", "status") == {
        "anna": ("4", "Scored"),  # p2, p4, p7 at 2, and any day of p9
        "ben": ("", "TooFewAnswers"),
        "cleo": ("0", "Scored"),
    }
    assert cells(rows, "suicidality", "band") == {"anna": ("review",), "ben": ("",), "cleo": ("absent",)}  # fmt: skip
