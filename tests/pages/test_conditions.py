"""The browser shows a question exactly when the server does."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tests.pages.conditions import for_browser, prepared
from tests.pages.serving import Survey

from stanine.domain.errors import InvalidDocument

VECTORS = json.loads((Path(__file__).parent / "condition_vectors.json").read_text())
#: Random conditions that are compared.
_RANDOM = 600


def _in_browser(browser: Any, survey: Survey, cases: list[Any]) -> list[Any]:
    """Return what the script of the pages finds of the last question of each case."""
    page = browser.new_page()
    page.goto(f"{survey.pages.url}/s/{'0' * 22}")
    asset = (
        page.locator("link[rel=stylesheet]")
        .get_attribute("href")
        .replace("pages.css", "conditions.js")
    )
    found: list[Any] = page.evaluate(
        """async ([address, cases]) => {
            const { states } = await import(address);
            return cases.map(([items, attributes]) => states(items, attributes).get("target"));
        }""",
        [asset, cases],
    )
    page.close()
    return found


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["when"])
def test_the_server_finds_what_the_vectors_say(vector: dict[str, Any]) -> None:
    form = prepared(vector["when"])
    assert form.state("target", vector["answers"], vector["attributes"]) is vector["shown"]


def test_the_browser_finds_what_the_vectors_say(browser: Any, survey: Survey) -> None:
    cases = [
        for_browser(prepared(one["when"]), one["answers"], one["attributes"]) for one in VECTORS
    ]
    found = _in_browser(browser, survey, cases)
    wrong = [
        (one["when"], one["answers"], got)
        for one, got in zip(VECTORS, found, strict=True)
        if got is not one["shown"]
    ]
    assert not wrong


def test_browser_and_server_agree_on_random_conditions(browser: Any, survey: Survey) -> None:
    chance = random.Random(17)
    cases: list[Any] = []
    expected: list[Any] = []
    while len(cases) < _RANDOM:
        text = _condition(chance, 3)
        try:
            form = prepared(text)
        except InvalidDocument:
            continue
        answers, attributes = _answers(chance), _attributes(chance)
        cases.append(for_browser(form, answers, attributes))
        expected.append((text, answers, attributes, form.state("target", answers, attributes)))
    found = _in_browser(browser, survey, cases)
    wrong = [(one, got) for one, got in zip(expected, found, strict=True) if got is not one[3]]
    assert not wrong
    assert {one[3] for one in expected} == {True, False, None}


def _condition(chance: random.Random, depth: int) -> str:
    if depth == 0 or chance.random() < 0.15:
        return chance.choice(
            [
                "n1",
                "n2",
                "h1",
                "h2",
                "num",
                "years",
                "m1.a",
                "m1.b",
                "r1.f",
                "r1.w",
                "0",
                "1",
                "0.1",
                "2.5",
                "null",
            ]
        )
    one, other = _condition(chance, depth - 1), _condition(chance, depth - 1)
    kind = chance.randrange(10)
    if kind < 2:
        return f"({one} {chance.choice(['==', '!=', '<', '<=', '>', '>='])} {other})"
    if kind < 4:
        return f"({one} {chance.choice(['and', 'or'])} {other})"
    if kind < 6:
        return f"({one} {chance.choice('+-*/')} {other})"
    if kind == 6:
        name, text = chance.choice(
            [("n1", "na"), ("c1", "a"), ("c1", "x"), ("mixed", "a"), ("sex", "female")]
        )
        return f"({name} {chance.choice(['==', '!='])} '{text}')"
    if kind == 7:
        mode = chance.choice(["Up", "Down", "HalfUp", "HalfEven"])
        return chance.choice(
            [f"not {one}", f"-{one}", f"abs({one})", f"round({one}, {mode}, {chance.randrange(4)})"]
        )
    if kind == 8:
        return f"if({one}, {other}, {_condition(chance, depth - 1)})"
    return chance.choice(
        [
            f"{chance.choice(['min', 'max', 'sum', 'mean'])}({one}, {other}, n1..n2)",
            f"count({one}, {other} {chance.choice(['==', '>=', '<'])} {chance.randrange(3)})",
            "answered(n1, c1, m1, r1, txt, since, h1)",
        ]
    )


def _answers(chance: random.Random) -> dict[str, Any]:
    possible: dict[str, list[Any]] = {
        "n1": [0, 1, 2, 3, "na"],
        "n2": [0, 1, 2, 3, "na"],
        "c1": ["a", "b", "x"],
        "mixed": [1, "a"],
        "m1": [["a"], ["b", "a"], ["none"]],
        "r1": [["f", "w", "t"], ["t", "w", "f"]],
        "num": [0.1, 0.3, -2.5, 2.675, 0.0009765625, 999.9999999],
        "txt": ["x"],
        "since": ["2024-02-29"],
        "h2": [0, 1, 2],
    }
    return {
        item: chance.choice(values) for item, values in possible.items() if chance.random() < 0.8
    }


def _attributes(chance: random.Random) -> dict[str, Any]:
    possible: dict[str, list[Any]] = {"sex": ["female", "male"], "years": [3, 40]}
    return {
        name: chance.choice(values) for name, values in possible.items() if chance.random() < 0.7
    }
