"""Every example instrument can be published, and scores a person by hand-made arithmetic."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stanine.domain.document import canonical, digest, read_yaml
from stanine.domain.index import build_entry, decode_entry, encode_entry
from stanine.domain.instrument import parse_instrument
from stanine.domain.kernel import Kernel
from stanine.domain.response import Attempt, Packer
from stanine.domain.result import decode_result

EXAMPLES = Path(__file__).parents[3] / "examples" / "instruments"


def entry_of(path: Path) -> Any:
    plain = read_yaml(path.read_bytes())
    return build_entry(parse_instrument(plain, name=path.stem), number=1, revision=1, form=1, digest=digest(canonical(plain)))


def score(name: str, answers: dict[str, Any]) -> Any:
    entry = entry_of(EXAMPLES / f"{name}.yaml")
    codes = np.frombuffer(Packer(entry).pack(Attempt(answers)), np.uint8)[None, :]
    return decode_result(Kernel(entry.plan).score(codes).packed()[0], entry).scales


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_can_be_published(path: Path) -> None:
    entry = entry_of(path)
    assert decode_entry(encode_entry(entry)) == entry


def test_the_examples_are_those_that_the_documentation_names() -> None:
    named = {"ability", "bfi-25", "gad-7", "ipip-50", "msq-ea-pa", "phq-9"}
    assert named <= {path.stem for path in EXAMPLES.glob("*.yaml")}


def test_a_person_of_the_ipip_markers() -> None:
    scores = score("ipip-50", {f"i{n}": 5 for n in range(1, 51)})
    assert {name: one.raw for name, one in scores.items()} == {
        "extraversion": 3.0, "agreeableness": 3.4, "conscientiousness": 3.4, "stability": 1.8, "intellect": 3.8,
    }  # fmt: skip


def test_a_person_of_gad_7() -> None:
    scores = score("gad-7", {f"g{n}": 2 for n in range(1, 8)})
    assert (scores["anxiety"].raw, scores["anxiety"].band, scores["gad2"].raw) == (14.0, "moderate", 4.0)
    assert score("gad-7", {"g1": 3})["anxiety"].status == "TooFewAnswers"


def test_a_person_of_phq_9_with_a_gap() -> None:
    scores = score("phq-9", {f"p{n}": 2 for n in range(1, 9)})
    assert (scores["depression"].raw, scores["depression"].band) == (9 * 16 / 8, "moderately_severe")
    assert scores["symptoms"].status == scores["suicidality"].status == "TooFewAnswers"
    assert score("phq-9", {f"p{n}": 1 for n in range(1, 10)})["symptoms"].raw == 1


def test_a_person_of_the_ability_test() -> None:
    scores = score("ability", {"r4": 4, "r16": 5, "sj": "b"})
    assert (scores["ability"].raw, scores["ability"].valid, scores["ability_percent"].raw) == (3.0, 3, 100 * 2 / 3)
