"""What holds on every page: accessible, within its policy, of one origin, without overflow, legible, reachable."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.conftest import need
from tests.pages.instruments import TYPES, plain
from tests.pages.serving import Survey

#: Pages by name, and how a browser gets there from the welcome page of TYPES.
WAYS: dict[str, Callable[[Any], None]] = {}


def way(step: Callable[[Any], None]) -> Callable[[Any], None]:
    WAYS[step.__name__] = step
    return step


@way
def welcome(_page: Any) -> None:
    pass


@way
def attributes(page: Any) -> None:
    page.locator("button.primary").click()


@way
def errors(page: Any) -> None:
    attributes(page)
    page.locator("#a-years").fill("x")
    page.locator("button.primary[name=go]").click()


@way
def questions(page: Any) -> None:
    attributes(page)
    page.locator("#a-years").fill("31")
    page.locator("button.primary[name=go]").click()
    page.wait_for_url("**/2")
    page.wait_for_load_state()
    page.locator("#q-A1 input[type=radio]").nth(3).check()
    page.locator("#q-d1 input[type=radio]").nth(1).check()


@way
def other_types(page: Any) -> None:
    questions(page)
    page.locator("#a-d2").fill("2")
    page.locator("button.primary[name=go]").click()
    page.wait_for_url("**/3")
    page.wait_for_load_state()
    page.locator("#q-m1 input").nth(1).check()


@way
def review(page: Any) -> None:
    other_types(page)
    page.locator("button.primary[name=go]").click()


@way
def done(page: Any) -> None:
    review(page)
    page.locator("button.primary").click()
    page.wait_for_url("**/done")


@way
def withdrawal(page: Any) -> None:
    attributes(page)
    page.locator(".small a").click()


@way
def not_found(page: Any) -> None:
    page.goto(page.url + "x")
    page.goto(page.url[:-23] + "y" * 22)


class Look:
    """A browser page with what it requested and complained about."""

    def __init__(self, browser: Any, link: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(30_000)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda one: self.requests.append(one.url))
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(link)

    def _note(self, message: Any) -> None:
        if "Content Security" in message.text:
            self.complaints.append(message.text)


@pytest.fixture(scope="module")
def name(survey: Survey) -> str:
    return survey.publish(TYPES)


@pytest.fixture
def look(browser: Any, survey: Survey, name: str) -> Iterator[Callable[..., Any]]:
    looks = []

    def at(step: str, **options: Any) -> Look:
        one = Look(browser, survey.invite(name), **options)
        looks.append(one)
        WAYS[step](one.page)
        one.page.wait_for_load_state()
        return one

    yield at
    for one in looks:
        one.context.close()


def axe(page: Any) -> list[Any]:
    need("playwright", found=True)
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - not installed everywhere

    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}})
    return [
        (one["id"], [node["html"][:120] for node in one["nodes"]])
        for one in found.response["violations"]
    ]


SIZES = [(320, "light"), (390, "dark"), (1280, "dark")]


@pytest.mark.parametrize("step", WAYS)
@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_a_page_is_accessible_and_keeps_its_bounds(
    look: Any, survey: Survey, step: str, width: int, scheme: str
) -> None:
    at = look(
        step,
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        locale="ar" if (width, scheme) == (390, "dark") else "en",
    )
    page = at.page
    assert axe(page) == []
    assert at.complaints == []
    assert {url.split("/", 3)[2] for url in at.requests} == {f"127.0.0.1:{survey.pages.port}"}
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert small_texts(page) == []
    assert small_targets(page) == []
    root = page.locator("html")
    language = root.get_attribute("lang")
    assert root.get_attribute("dir") == ("rtl" if language == "ar" else "ltr")


@pytest.mark.parametrize("step", ["welcome", "questions", "other_types", "review"])
def test_a_page_reflows_at_400_percent(look: Any, step: str) -> None:
    # 400 % of a window of 1280 by 1024 pixels are 320 by 256 of CSS
    page = look(step, viewport={"width": 320, "height": 256}, device_scale_factor=4).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("step", ["welcome", "questions", "other_types", "review"])
def test_the_focus_is_visible_and_follows_the_page(look: Any, step: str) -> None:
    page = look(step, viewport={"width": 390, "height": 800}).page
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    places = []
    for _ in range(80):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
                const one = document.activeElement;
                if (one === document.body) return null;
                const shown = one.closest('.options label') ?? one;
                const style = getComputedStyle(shown);
                const box = shown.getBoundingClientRect();
                return [style.outlineStyle, parseFloat(style.outlineWidth), box.top + scrollY, one.outerHTML.slice(0, 90)];
            }"""
        )
        if found is None:
            break
        outline, width, top, kind = found
        assert outline != "none", kind
        assert width >= 2
        if 'class="skip"' not in kind:
            places.append(top)
    assert places == sorted(places)
    assert places


@pytest.mark.parametrize("step", ["questions", "other_types"])
def test_what_is_chosen_shows_in_forced_colours(look: Any, step: str) -> None:
    page = look(step, forced_colors="active").page
    widths = page.evaluate(
        """[...document.querySelectorAll('.options label')].map((one) =>
            [one.querySelector('input').checked, parseFloat(getComputedStyle(one).borderTopWidth)])"""
    )
    assert {width for chosen, width in widths if chosen} == {3}
    assert {width for chosen, width in widths if not chosen} == {1}


def test_a_page_works_below_a_base_path(browser: Any, valkey: Any, tmp_path: Any) -> None:
    from tests.pages.serving import survey_at  # noqa: PLC0415 - this test only

    with survey_at(valkey.url, tmp_path, base_path="/x/y") as survey:
        link = survey.invite(survey.publish(plain("below")))
        look = Look(browser, link)
        page = look.page
        page.locator("button.primary").click()
        page.locator("#q-q1").get_by_label("Answer 1").check()
        page.get_by_role("status").get_by_text("Saved").wait_for()
        page.locator("button.primary[name=go]").click()
        page.locator("button.primary[name=go]").click()
        page.get_by_role("button", name="Submit").click()
        page.get_by_role("heading", name="Thank you").wait_for()
        assert all(url.startswith(f"{survey.pages.url}/") for url in look.requests)
        look.context.close()


def window(width: int) -> dict[str, Any]:
    """Return the window of a browser; 320 pixels of width are those of 1280 by 1024 at 400 %."""
    if width == 320:
        return {"viewport": {"width": 320, "height": 256}, "device_scale_factor": 4}
    return {"viewport": {"width": width, "height": 800}}


def colours(page: Any, selector: str, of: str = "fill") -> set[str]:
    """Return the computed colours of elements, of which there is at least one."""
    found: list[str] = page.evaluate(
        "([selector, of]) => [...document.querySelectorAll(selector)].map((one) => getComputedStyle(one)[of])",
        [selector, of],
    )
    assert found
    return {*found}


def system_colour(page: Any, name: str) -> str:
    """Return what a system colour is in a page with forced colours."""
    script = "(name) => { document.body.style.color = name; return getComputedStyle(document.body).color; }"
    found: str = page.evaluate(script, name)
    return found


def small_texts(page: Any) -> list[Any]:
    found: list[Any] = page.evaluate(
        """() => [...document.querySelectorAll('main *, header *, footer *')]
            .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
            .filter((one) => parseFloat(getComputedStyle(one).fontSize) < 12)
            .map((one) => one.outerHTML.slice(0, 80))"""
    )
    return found


def small_targets(page: Any) -> list[Any]:
    found: list[Any] = page.evaluate(
        """() => [...document.querySelectorAll('a, button, input:not([type=hidden]), textarea')]
            .map((one) => one.closest('.options label') ?? one)
            .filter((one) => one.checkVisibility() && !one.matches('.skip, .default'))
            .filter((one) => one.getBoundingClientRect().height < 43.9 || one.getBoundingClientRect().width < 43.9)
            .map((one) => one.outerHTML.slice(0, 80))"""
    )
    return found
