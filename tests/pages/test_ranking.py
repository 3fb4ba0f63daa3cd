"""A ranking is ordered by dragging, with a mouse and with a finger; the buttons do the same."""

from typing import Any

import pytest
from tests.pages.instruments import plain
from tests.pages.people import Arrive, saved, start
from tests.pages.serving import Survey

ORDER = ["one", "two", "three", "four"]


@pytest.fixture(scope="module")
def ranking(survey: Survey) -> str:
    options = [{"value": value, "label": f"Option {value}"} for value in ORDER]
    document = plain("ranking", items=1)
    document["spec"]["items"].append(
        {"id": "r1", "type": "Ranking", "text": "Which is best?", "options": options}
    )
    return survey.publish(document)


def shown(page: Any) -> list[str]:
    found: list[str] = page.locator("ol.ranking li > span").all_text_contents()
    return [text.removeprefix("Option ") for text in found]


def middle(page: Any, place: int, part: str = "") -> tuple[float, float]:
    """Return the middle of a row, or of a part of it."""
    box = page.locator("ol.ranking li").nth(place).locator(part or "span").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def arrive(page: Any, link: str) -> None:
    start(page, link)
    page.locator("ol.ranking .handle").first.wait_for()


def test_an_option_is_dragged_with_a_mouse(person: Arrive, survey: Survey, ranking: str) -> None:
    page = person()
    arrive(page, survey.invite(ranking))
    page.mouse.move(*middle(page, 0))
    page.mouse.down()
    x, y = middle(page, 2)
    page.mouse.move(x, y + 5, steps=6)
    assert shown(page) == ["two", "three", "one", "four"], "the others make room"
    page.mouse.up()
    page.get_by_role("status").get_by_text("3. Option one").or_(
        page.get_by_role("status").get_by_text("Saved")
    ).wait_for()
    assert page.get_by_label("This is my order").is_checked()
    saved(page)
    assert survey.session(page)["answers"] == {"r1": ["two", "three", "one", "four"]}
    page.get_by_role("button", name="Move up: Option four").click()
    assert shown(page) == ["two", "three", "four", "one"], "the buttons know the new places"


def test_a_drag_that_is_cancelled_or_changes_nothing_is_no_answer(
    person: Arrive, survey: Survey, ranking: str
) -> None:
    page = person()
    arrive(page, survey.invite(ranking))
    page.mouse.move(*middle(page, 3))
    page.mouse.down()
    page.mouse.move(*middle(page, 0), steps=6)
    assert shown(page) != ORDER
    page.keyboard.press("Escape")
    assert shown(page) == ORDER
    page.mouse.up()
    page.mouse.down()
    page.mouse.up()
    assert not page.get_by_label("This is my order").is_checked()


def touch(page: Any, where: list[tuple[float, float]]) -> None:
    """Put a finger on the first place, move it over the others, and lift it."""
    devtools = page.context.new_cdp_session(page)

    def send(kind: str, points: list[dict[str, float]]) -> None:
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    first, *others = [{"x": x, "y": y} for x, y in where]
    send("touchStart", [first])
    for point in others:
        send("touchMove", [point])
    send("touchEnd", [])


def test_an_option_is_dragged_with_a_finger_at_its_handle(
    person: Arrive, survey: Survey, ranking: str
) -> None:
    page = person(has_touch=True, viewport={"width": 390, "height": 500})
    arrive(page, survey.invite(ranking))
    page.locator("ol.ranking").scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    (x, begin), (_, end) = middle(page, 3, ".handle"), middle(page, 1, ".handle")
    touch(page, [(x, begin - (begin - end) * part / 8) for part in range(9)] + [(x, end - 5)])
    saved(page)
    assert shown(page) == ["one", "four", "two", "three"]
    assert page.evaluate("scrollY") == place, "the page stays"
    assert survey.session(page)["answers"] == {"r1": ["one", "four", "two", "three"]}


def test_a_finger_outside_the_handle_scrolls_the_page(
    person: Arrive, survey: Survey, ranking: str
) -> None:
    page = person(has_touch=True, viewport={"width": 390, "height": 500})
    arrive(page, survey.invite(ranking))
    page.locator("ol.ranking").scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    x, y = middle(page, 2)
    touch(page, [(x, y + 20 * step) for step in range(8)])
    page.wait_for_function("(place) => scrollY !== place", arg=place)
    assert shown(page) == ORDER
