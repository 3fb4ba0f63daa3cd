"""Sections with a time limit: shown, counted by the server, closed at the end; with and without JavaScript."""

import re
from typing import Any

import pytest
from tests.pages.instruments import timed
from tests.pages.people import Arrive, answer, proceed, saved, start
from tests.pages.serving import Survey
from tests.pages.test_checks import axe, small_targets


@pytest.fixture(scope="module")
def long(survey: Survey) -> str:
    return survey.publish(timed("long-section", 3_000))


def begin(page: Any) -> None:
    page.get_by_role("button", name="Start").click()
    page.locator("#q-q1").wait_for()
    page.wait_for_load_state()


def end(survey: Survey, page: Any) -> None:
    """Let the time of the section and its grace be over, as the server has it."""
    session = survey.api.keys.session(bytes.fromhex(survey.session(page)["session"]))
    survey.api.redis.hset(session, "Tquick", "1")


def test_the_time_of_a_section_begins_with_a_button(
    person: Arrive, survey: Survey, long: str
) -> None:
    page = person()
    start(page, survey.invite(long))
    assert page.get_by_role("heading", name="Quick questions").is_visible()
    assert page.get_by_text("You have 50 minutes for this section.").is_visible()
    assert page.locator("fieldset").count() == 0
    page.reload()
    assert "sectionDeadlines" not in survey.session(page), "a GET begins nothing"
    begin(page)
    timer = page.get_by_role("timer")
    timer.get_by_text(re.compile(r"^Time left for this section: 4\d:\d\d$")).wait_for()
    assert survey.session(page)["sectionDeadlines"].keys() == {"quick"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_a_section_meet_the_rules_of_every_page(
    person: Arrive, survey: Survey, long: str, scheme: str
) -> None:
    page = person(color_scheme=scheme, viewport={"width": 320, "height": 600})
    start(page, survey.invite(long, timeLimitSeconds=3_000))

    def check() -> None:
        assert axe(page) == []
        assert small_targets(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 320

    check()
    begin(page)
    check()
    page.get_by_role("button", name="Continue").scroll_into_view_if_needed()
    for timer in page.get_by_role("timer").all():
        assert 0 <= timer.bounding_box()["y"] < 300, "the time is in sight wherever the page is"
    page.reload()
    end(survey, page)
    page.reload()
    check()


def test_no_way_back_to_a_section_gives_new_time(person: Arrive, survey: Survey, long: str) -> None:
    link = survey.invite(long)
    page, other = person(), person(java_script_enabled=False)
    start(page, link)
    begin(page)
    answer(page, q1=1, q2=1)
    first = survey.session(page)["sectionDeadlines"]
    page.reload()
    proceed(page)
    page.get_by_role("button", name="Back").click()
    page.get_by_role("timer").get_by_text(re.compile(r"section: 4\d:\d\d$")).wait_for()
    start(other, link)
    other.get_by_role("button", name="Back").click()
    assert other.get_by_role("timer").get_by_text(re.compile(r"section: 4\d minutes$")).is_visible()
    assert survey.session(other)["sectionDeadlines"] == first


def test_the_page_warns_before_the_end_of_a_section(
    person: Arrive, survey: Survey, long: str
) -> None:
    page = person()
    page.clock.install()
    start(page, survey.invite(long))
    begin(page)
    page.clock.run_for(1_000 * 2_705)
    status = page.get_by_role("status")
    status.get_by_text("Five minutes are left for this section.").wait_for()
    page.clock.run_for(1_000 * 240)
    status.get_by_text("One minute is left for this section.").wait_for()


def test_at_its_end_a_section_closes_and_its_answers_are_kept(
    person: Arrive, survey: Survey, long: str
) -> None:
    page = person()
    page.clock.install()
    start(page, survey.invite(long))
    begin(page)
    page.clock.run_for(60_000)
    answer(page, q1=2)
    page.clock.run_for(1_000)
    saved(page)
    end(survey, page)
    page.clock.run_for(3_000_000)
    page.get_by_role("heading", name="The time for this section is over").wait_for()
    assert survey.session(page)["answers"] == {"q1": 2}
    page.reload()
    page.get_by_role("link", name="Continue").click()
    assert page.get_by_role("heading", name="Other questions").is_visible()
    assert page.get_by_role("button", name="Back").count() == 0, "the section is closed"
    answer(page, q3=1)
    proceed(page)
    assert page.get_by_role("link", name="Question q4").is_visible()
    assert page.get_by_role("link", name="Question q2").count() == 0, "it cannot be answered now"
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("heading", name="Thank you").wait_for()
    assert survey.submitted(page) == {"q1": 2, "q2": None, "q3": 1, "q4": None}


def test_without_javascript_the_server_closes_a_section(
    person: Arrive, survey: Survey, long: str
) -> None:
    page = person(java_script_enabled=False)
    start(page, survey.invite(long))
    begin(page)
    answer(page, q1=2, q2=0)
    end(survey, page)
    proceed(page)
    assert page.get_by_role("heading", name="The time for this section is over").is_visible()
    assert survey.session(page)["answers"] == {}, "they came after the end and its grace"
    page.get_by_role("link", name="Continue").click()
    assert page.get_by_role("heading", name="Other questions").is_visible()


def test_answers_kept_on_the_device_beyond_the_end_are_not_saved_and_block_no_others(
    person: Arrive, survey: Survey, long: str
) -> None:
    page = person()
    start(page, survey.invite(long))
    begin(page)
    page.route("**/answers", lambda route: route.abort())
    answer(page, q1=3)
    page.get_by_role("status").get_by_text("No connection").wait_for()
    end(survey, page)
    page.unroute("**/answers")
    page.goto(f"{page.url.removesuffix('1')}2")
    answer(page, q3=2)
    saved(page)
    assert survey.session(page)["answers"] == {"q3": 2}
    assert page.evaluate("localStorage.length") == 0
