"""An organisation's report in a browser: login, figures, hidden groups, forged requests, logout."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from tests.integration.api.serving import ADMIN, NARROW, only
from tests.pages.reports import fill, log_in
from tests.pages.serving import Survey
from tests.pages.test_checks import axe, colours, small_targets, small_texts, system_colour, window


@pytest.fixture(scope="module")
def name(survey: Survey) -> str:
    return fill(survey, "group")


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    ("width", "scheme", "language"),
    [(320, "light", "en"), (390, "dark", "ar"), (1280, "light", "de")],
)
def test_the_pages_of_a_report_are_accessible_and_keep_their_bounds(
    browser: Any, survey: Survey, name: str, width: int, scheme: str, language: str
) -> None:
    context = browser.new_context(**window(width), color_scheme=scheme, locale=language)
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda one: requests.append(one.url))
    page.goto(f"{survey.pages.url}/console")
    look(page, width)
    log_in(survey, page, "wrong-key")
    assert page.get_by_role("alert").is_visible()
    look(page, width)
    log_in(survey, page)
    look(page, width)
    page.goto(f"{survey.pages.url}/console/instruments/{name}/report?by=sex")
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("html").get_attribute("dir") == ("rtl" if language == "ar" else "ltr")
    assert page.locator("svg").count() == 4
    for one in page.locator("summary").all():
        one.click()
    look(page, width)
    assert {url.split("/", 3)[2] for url in requests} == {f"127.0.0.1:{survey.pages.port}"}
    page.emulate_media(forced_colors="active", color_scheme=scheme)
    assert colours(page, ".chart .bar") == {system_colour(page, "Highlight")}
    assert colours(page, ".chart .axis, .chart .tick") == {system_colour(page, "CanvasText")}
    page.locator("form.choose input[type=checkbox]").check()
    assert page.locator("form.choose .options label").evaluate(
        "one => parseFloat(getComputedStyle(one).borderTopWidth)"
    ) == pytest.approx(3)
    context.close()


def look(page: Any, width: int) -> None:
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert small_texts(page) == []
    assert small_targets(page) == []


def test_a_report_has_the_figures_of_the_api(page: Any, survey: Survey, name: str) -> None:
    log_in(survey, page, only("results:read"))
    page.locator("#instrument").fill(name)
    page.locator("button.primary").click()
    (group,) = survey.api.http().get(f"/v1/instruments/{name}/statistics").json()["groups"]
    assert page.locator("h2").inner_text() == "All together 69 people"
    assert page.locator("section").count() == len(group["scales"]) == 4
    for section, scale in zip(page.locator("section").all(), group["scales"].values(), strict=True):
        cells = dict(
            row.locator("th, td").all_inner_texts()
            for row in section.locator("table", has_text="Mean").locator("tr").all()
        )
        assert cells["People with a score"] == str(scale["n"])
        assert float(cells["Mean"]) == pytest.approx(scale["mean"], abs=0.005)
        assert float(cells["Standard deviation"]) == pytest.approx(scale["sd"], abs=0.005)
        assert float(cells["Cronbach's alpha"]) == pytest.approx(scale["alpha"], abs=0.005)
        bars = section.locator("rect.bar").all()
        counts = [bar["count"] for bar in scale["histogram"]]
        heights = [float(bar.get_attribute("height")) for bar in bars]
        assert heights == pytest.approx([120 * count / max(counts) for count in counts], abs=0.06)
        bands = [row.locator("td").first.inner_text() for row in band_rows(section)]
        assert bands == [str(scale["bands"][band]) for band in ("low", "mid", "high")]


def band_rows(section: Any) -> list[Any]:
    rows: list[Any] = section.locator("table", has_text="Bands").locator("tr").all()
    return rows


def test_groups_of_fewer_than_ten_people_are_hidden(page: Any, survey: Survey, name: str) -> None:
    log_in(survey, page)
    page.get_by_role("link", name="Four traits").click()
    page.locator("#by").select_option("sex")
    page.locator("form.choose button").click()
    groups = page.locator("h2").all_inner_texts()
    # with the 25 men visible too, the 4 would be the difference from all
    assert groups == ["female 40 people"]
    assert "2 groups are hidden" in page.locator(".notice").inner_text()


def test_groups_are_made_by_an_attribute_and_by_month_together(page: Any, survey: Survey) -> None:
    name = fill(survey, "both", {"female": 22, "male": 21})
    log_in(survey, page)
    page.goto(f"{survey.pages.url}/console/instruments/{name}/report")
    page.locator("#by").select_option("sex")
    page.get_by_label("By month (UTC)").check()
    page.locator("form.choose button").click()
    found = survey.api.http().get(f"/v1/instruments/{name}/statistics?by=sex,time:month").json()
    month = datetime.fromisoformat(f"{found['groups'][0]['month']}-01").strftime("%B %Y")
    assert page.locator("h2").all_inner_texts() == [
        f"female · {month} 22 people",
        f"male · {month} 21 people",
    ]
    assert page.locator("#by").input_value() == "sex"
    assert page.get_by_label("By month (UTC)").is_checked()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.locator("#by").select_option("")
    page.locator("form.choose button").click()
    assert page.locator("h2").all_inner_texts() == [f"{month} 43 people"]


def test_a_login_keeps_no_key_and_ends_on_the_server(
    page: Any, browser: Any, survey: Survey, name: str
) -> None:
    log_in(survey, page)
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"] is True
    assert cookie["sameSite"] == "Strict"
    assert ADMIN not in page.content() + cookie["value"]
    assert cookie["value"] not in page.content()
    page.locator("form.logout button").click()
    assert page.url.endswith("/console/login")
    assert page.context.cookies() == []
    page.context.add_cookies([cookie])
    page.goto(f"{survey.pages.url}/console/instruments/{name}/report")
    assert page.url.endswith("/console/login")


def test_a_forged_logout_or_login_is_refused(page: Any, survey: Survey) -> None:
    log_in(survey, page)
    request, console = page.context.request, f"{survey.pages.url}/console"
    assert request.post(f"{console}/logout", form={"token": "0" * 32}).status == 403
    foreign = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}
    for path, form in (("logout", {"token": "x"}), ("login", {"key": ADMIN})):
        assert request.post(f"{console}/{path}", form=form, headers=foreign).status == 403
    page.goto(console)
    assert page.url == console


@pytest.mark.parametrize(
    ("key", "path", "status"),
    [
        (NARROW, "group/report", 404),
        (ADMIN, "none/report", 404),
        (ADMIN, "group/report?by=age", 422),
        (only("attempts:write"), "group/report", 403),
    ],
)
def test_a_report_that_a_key_may_not_have_is_explained(
    page: Any, survey: Survey, name: str, key: str, path: str, status: int
) -> None:
    log_in(survey, page, key)
    answer = page.goto(f"{survey.pages.url}/console/instruments/{path}")
    assert answer.status == status
    assert page.get_by_role("heading", name="No report").is_visible()
