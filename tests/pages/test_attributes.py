"""Questions about the person in a browser: saved as they are answered, and cleared again, with and without scripts."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.pages.instruments import TYPES
from tests.pages.serving import Survey


@pytest.fixture
def start(browser: Any, survey: Survey) -> Iterator[Any]:
    contexts = []

    def begin(*, scripts: bool) -> Any:
        context = browser.new_context(java_script_enabled=scripts)
        contexts.append(context)
        page = context.new_page()
        page.goto(survey.invite(survey.publish(TYPES)))
        page.locator("button.primary").click()
        return page

    yield begin
    for each in contexts:
        each.close()


def until_saved(survey: Survey, page: Any, expected: dict[str, Any]) -> None:
    deadline = time.monotonic() + 60
    while (found := survey.session(page)["attributes"]) != expected:
        assert time.monotonic() < deadline, found
        page.wait_for_timeout(50)


def test_answers_about_the_person_are_saved_at_once_and_can_be_cleared(
    start: Any, survey: Survey
) -> None:
    page = start(scripts=True)
    clear = page.get_by_role("button", name="Clear answer")
    assert clear.count() == 0
    page.get_by_label("Female").check()
    until_saved(survey, page, {"sex": "female"})
    page.locator("#a-years").fill("old")
    page.locator("fieldset .error").wait_for()
    page.locator("#a-years").fill("31")
    until_saved(survey, page, {"sex": "female", "years": 31})
    assert page.locator("fieldset .error").count() == 0
    page.reload()
    assert page.get_by_label("Female").is_checked()
    assert page.locator("#a-years").input_value() == "31"
    clear.click()
    until_saved(survey, page, {"years": 31})
    assert clear.count() == 0
    assert page.locator("input[type=radio]").first.evaluate("one => one === document.activeElement")
    page.locator("#a-years").fill("")
    until_saved(survey, page, {})
    page.locator("button.primary[name=go]").click()
    page.locator(".summary a[href='#q-p.years']").click()
    assert page.locator("fieldset[id='q-p.years']").evaluate("one => one.matches(':target')")


def test_answers_about_the_person_can_be_cleared_without_scripts(
    start: Any, survey: Survey
) -> None:
    page = start(scripts=False)
    page.get_by_label("Female").check()
    page.locator("#a-years").fill("31")
    page.keyboard.press("Enter")
    page.wait_for_url("**/2")
    page.locator("button[name=go][value=back]").click()
    page.get_by_role("button", name="Clear answer").click()
    assert not page.get_by_label("Female").is_checked()
    assert survey.session(page)["attributes"] == {"years": 31}
