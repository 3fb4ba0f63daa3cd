"""A participant fills in an instrument from the invitation to the thanks."""

from pathlib import Path
from typing import Any

import yaml
from tests.pages.serving import Survey

INSTRUMENTS = Path(__file__).parents[2] / "examples/instruments"


def test_a_participant_answers_and_the_answers_are_stored(browser: Any, survey: Survey) -> None:
    name = survey.publish(yaml.safe_load((INSTRUMENTS / "gad-7.yaml").read_text()))
    link = survey.invite(name, key="first")
    page = browser.new_page()
    page.goto(link)
    page.get_by_role("button", name="Agree and start").click()
    assert link.rsplit("/", 1)[1] not in page.url
    for question in page.locator("fieldset").all():
        question.get_by_label("Several days").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Submit").click()
    assert page.get_by_role("heading", name="Thank you").is_visible()
    answers = survey.submitted(page)
    assert answers == dict.fromkeys(["g1", "g2", "g3", "g4", "g5", "g6", "g7"], 1)
