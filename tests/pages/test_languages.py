"""A participant changes the language after the start: the answers stay, and the session follows."""

from typing import Any

import pytest
from tests.pages.instruments import TYPES
from tests.pages.people import Arrive, proceed, start
from tests.pages.serving import Survey


@pytest.fixture(scope="module")
def types(survey: Survey) -> str:
    return survey.publish(TYPES)


def language(page: Any) -> str:
    return str(page.locator("html").get_attribute("lang"))


def switch(page: Any, name: str, tag: str) -> None:
    page.get_by_role("navigation").get_by_text(name).click()
    page.locator(f"html[lang={tag}]").wait_for()
    page.wait_for_load_state()


@pytest.mark.parametrize("script", [True, False])
def test_the_language_changes_on_every_page_and_the_answers_stay(
    person: Arrive, survey: Survey, types: str, script: bool
) -> None:
    page = person(java_script_enabled=script)
    start(page, survey.invite(types, attributes={"sex": "female", "years": 31}))
    page.get_by_label("Agree", exact=True).check()
    page.locator("#a-pain").fill("a lot")
    switch(page, "Deutsch", "de")
    assert page.get_by_role("heading", name="About you").is_visible(), "it has no translation"
    assert page.get_by_text("Ich frage andere, wie es ihnen geht.").is_visible()
    assert page.get_by_label("Stimme zu", exact=True).is_checked()
    assert page.locator("#summary").get_by_text("in Schritten von 0,5").is_visible()
    assert page.locator("#a-pain").input_value() == "a lot"
    assert survey.session(page)["language"] == "de"
    page.locator("#a-pain").fill("3")
    proceed(page)
    page.wait_for_url("**/2")
    page.get_by_label("Train").check()
    page.locator("#a-word").fill("Wort")
    page.locator("#a-word").press("Enter")
    page.wait_for_url("**/review")
    assert language(page) == "de", "Enter presses Continue"
    switch(page, "العربية", "ar")
    assert page.url.endswith("/review")
    page.get_by_role("link", name="التوقف").click()
    switch(page, "English", "en")
    assert page.url.endswith("/withdraw")
    page.get_by_role("link", name="Go back").click()
    proceed(page)
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("heading", name="Thank you").wait_for()
    switch(page, "Deutsch", "de")
    assert page.get_by_role("heading", name="Vielen Dank").is_visible()
    answers = survey.submitted(page)
    assert (answers["A1"], answers["pain"], answers["m1"], answers["word"]) == (4, 3, ["b"], "Wort")


def test_another_device_continues_in_the_new_language(
    person: Arrive, survey: Survey, types: str
) -> None:
    link = survey.invite(types, attributes={"sex": "female", "years": 31}, language="en")
    phone, computer = person(), person()
    start(phone, link)
    switch(phone, "العربية", "ar")
    start(computer, link)
    assert language(computer) == "ar"
