"""Every example instrument can be published, and scores a person by hand-made arithmetic."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stanine.domain.attempts.response import Attempt, Packer
from stanine.domain.instruments.document import canonical, digest, read_yaml
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import build_entry, decode_entry, encode_entry
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import decode_result

EXAMPLES = Path(__file__).parents[3] / "examples" / "instruments"


def entry_of(path: Path) -> Any:
    plain = read_yaml(path.read_bytes())
    return build_entry(
        parse_instrument(plain, name=path.stem),
        number=1,
        revision=1,
        form=1,
        digest=digest(canonical(plain)),
    )


def result(name: str, answers: dict[str, Any], **attributes: Any) -> Any:
    entry = entry_of(EXAMPLES / f"{name}.yaml")
    packed = Packer(entry).pack(Attempt(answers, attributes=attributes))
    kernel = Kernel(entry.plan)
    codes = np.frombuffer(packed[: entry.plan.row_bytes], np.uint8)[None, :]
    return decode_result(kernel.score(codes, kernel.columns([attributes])).packed()[0], entry)


def score(name: str, answers: dict[str, Any], **attributes: Any) -> Any:
    return result(name, answers, **attributes).scales


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_can_be_published(path: Path) -> None:
    entry = entry_of(path)
    assert decode_entry(encode_entry(entry)) == entry


def test_the_examples_are_those_that_the_documentation_names() -> None:
    named = {"ability", "bfi-25", "gad-7", "ipip-50", "msq-ea-pa", "phq-9"}
    named |= {
        "tension",
        "evening-drinks",
        "low-mood-criteria",
        "learning-ways",
        "sleep-week",
        "kindness-de",
    }
    assert named <= {path.stem for path in EXAMPLES.glob("*.yaml")}


def test_a_person_of_the_ipip_markers() -> None:
    scores = score("ipip-50", {f"i{n}": 5 for n in range(1, 51)})
    assert {name: one.raw for name, one in scores.items()} == {
        "extraversion": 3.0, "agreeableness": 3.4, "conscientiousness": 3.4, "stability": 1.8, "intellect": 3.8,
    }  # fmt: skip


def test_a_person_of_gad_7() -> None:
    scores = score("gad-7", {f"g{n}": 2 for n in range(1, 8)})
    assert (scores["anxiety"].raw, scores["anxiety"].band, scores["gad2"].raw) == (
        14.0,
        "moderate",
        4.0,
    )
    assert score("gad-7", {"g1": 3})["anxiety"].status == "TooFewAnswers"


def test_a_person_of_phq_9_with_a_gap() -> None:
    scores = score("phq-9", {f"p{n}": 2 for n in range(1, 9)})
    assert (scores["depression"].raw, scores["depression"].band) == (
        9 * 16 / 8,
        "moderately_severe",
    )
    assert scores["symptoms"].status == scores["suicidality"].status == "TooFewAnswers"
    assert score("phq-9", {f"p{n}": 1 for n in range(1, 10)})["symptoms"].raw == 1


def test_a_person_of_the_ability_test() -> None:
    scores = score("ability", {"r4": 4, "r16": 5, "sj": "b"})
    assert (scores["ability"].raw, scores["ability"].valid, scores["ability_percent"].raw) == (
        3.0,
        3,
        100 * 2 / 3,
    )


def test_a_person_compared_with_her_norm_group() -> None:
    tension = score(
        "tension",
        {"t1": 4, "t2": 2, "t3": 5, "t4": 1, "t5": 3, "t6": "unsure"},
        sex="female",
        age=40,
    )["tension"]
    assert (tension.raw, tension.norm, tension.band) == (
        (4 + 4 + 5 + 5 + 3) / 5,
        "women_40_up",
        "high",
    )
    assert tension.t == 50 + 10 * ((4.2 - 2.83) / 0.75)
    assert tension.se == pytest.approx(10 * 0.4)
    assert score("tension", {f"t{n}": 3 for n in range(1, 7)})["tension"].status == "NoNorm"


def test_who_never_drinks_is_asked_little_and_scored() -> None:
    scores = score("evening-drinks", {"q1": 0, "q9": 0, "q10": 2}, sex="male")
    assert (scores["risk"].raw, scores["risk"].valid, scores["consumption"].band) == (
        2,
        10,
        "negative",
    )
    assert (
        score("evening-drinks", {"q1": 2, "q2": 1, "q3": 0}, sex="female")["consumption"].band
        == "positive"
    )


def test_criteria_by_formula() -> None:
    answers = {"m1": 0, "m2": 2, "m3": 3, "m4": 2, "m5": 2, "m6": 0, "m7": 1, "m8": 0, "m9": 1}
    scores = score(
        "low-mood-criteria", {**answers, "since": "2026-10-01", "note": "Since the move."}
    )
    assert (scores["signs"].raw, scores["episode"].band, scores["severity"].raw) == (5, "met", 11)
    assert score("low-mood-criteria", {**answers, "m2": 1})["episode"].band == "not_met"


def test_a_ranking_has_a_profile() -> None:
    found = result("learning-ways", {f"r{n}": ["t", "d", "w", "f"] for n in range(1, 5)})
    assert {name: one.raw for name, one in found.scales.items()} == {
        "feeling": 4, "watching": 8, "thinking": 16, "doing": 12, "abstract": 12, "active": 4,
    }  # fmt: skip
    assert found.profiles["way"].code == ("thinking",)


def test_a_prorated_score_is_rounded_looked_up_and_combined() -> None:
    scores = score(
        "sleep-week",
        {"s1": 3, "s2": 5, "s3": 2, "hours": 4.75, "rested": 33.3, "helps": ["walk", "book"]},
    )
    assert (scores["trouble"].raw, scores["trouble"].band, scores["trouble"].score) == (
        13,
        "some",
        3,
    )  # 10 * 4 / 3 = 13.33
    assert (scores["short"].raw, scores["helpers"].raw, scores["strain"].raw) == (
        2,
        2,
        (3 + 2 * 2) / 3,
    )
