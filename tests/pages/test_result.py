"""A participant's result in a browser: figures, languages, print, file, and what is shown before there is one."""

import csv
import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import need
from tests.pages.results import show_result, submit
from tests.pages.serving import Survey
from tests.pages.test_checks import axe, colours, small_targets, small_texts, system_colour, window
from tests.pages.traits import traits


@pytest.fixture(scope="module")
def name(survey: Survey) -> str:
    return survey.publish(traits())


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    ("width", "scheme", "language"),
    [(320, "light", "en"), (390, "dark", "ar"), (1280, "light", "de"), (1280, "dark", "en")],
)
def test_a_result_is_accessible_and_keeps_its_bounds(
    browser: Any, survey: Survey, name: str, width: int, scheme: str, language: str
) -> None:
    context = browser.new_context(**window(width), color_scheme=scheme, locale=language)
    page = context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda one: requests.append(one.url))
    page.on(
        "console",
        lambda one: complaints.append(one.text) if "Content Security" in one.text else None,
    )
    show_result(survey, page, survey.invite(name, show="Participant"))
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("html").get_attribute("dir") == ("rtl" if language == "ar" else "ltr")
    titles = {"en": "Openness", "de": "Offenheit", "ar": "الانفتاح"}
    assert page.locator("h2").first.inner_text() == titles[language]
    level = {"en": "95%", "de": "95\N{NO-BREAK SPACE}%", "ar": "95"}[language]
    assert level in page.locator("section.score p.value").nth(1).inner_text()
    assert axe(page) == []
    assert complaints == []
    assert {url.split("/", 3)[2] for url in requests} == {f"127.0.0.1:{survey.pages.port}"}
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(
        "[...document.querySelectorAll('.wide-table')].every((one) => one.scrollWidth <= one.clientWidth)"
    )
    assert page.get_by_role("cell").count() == 20
    assert page.get_by_role("columnheader").count() == 6
    assert small_texts(page) == []
    assert small_targets(page) == []
    sizes = page.evaluate(
        "[...document.querySelectorAll('svg text')].map((one) => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert len(sizes) == 12
    assert min(sizes) >= 12
    page.emulate_media(forced_colors="active", color_scheme=scheme)
    assert colours(page, ".chart .mark, .chart .interval") == {system_colour(page, "Highlight")}
    drawn = colours(page, ".chart .axis, .chart .tick") | colours(page, ".chart .norm", "stroke")
    assert drawn == {system_colour(page, "CanvasText")}
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_the_chart_the_table_and_the_file_have_the_figures_of_the_api(
    page: Any, survey: Survey, name: str
) -> None:
    link = survey.invite(name, show="Participant", key="figures")
    address = show_result(survey, page, link)
    attempt = survey.session_at(page, address)["attempt"]
    result = survey.api.http().get(f"/v1/attempts/{attempt}/result").json()
    assert page.locator("tbody tr").count() == page.locator("svg").count() == 4
    file = page.context.request.get(f"{address}/figures.csv")
    assert file.headers["content-disposition"] == 'attachment; filename="result-traits.csv"'
    for row, line in zip(
        page.locator("tbody tr").all(), csv.DictReader(io.StringIO(file.text())), strict=True
    ):
        score = result["scales"][line["scale"]]
        assert float(line["score"]) == score["t"]
        assert (float(line["low"]), float(line["high"])) == (score["low"], score["high"])
        assert float(line["level"]) == 0.95
        cells = row.locator("td").all_inner_texts()
        assert cells[0].split()[0] == f"{score['t']:.1f}"
        low, high = re.findall(r"[\d.]+", cells[1])[:2]
        assert (float(low), float(high)) == pytest.approx((score["low"], score["high"]), abs=0.05)
        assert cells[1].endswith("95%")
        assert cells[3] == score["norm"] == "everyone"
        assert cells[4] == f"{score['valid']} of 4"
        chart = page.locator(f"section:has(#scale-{line['scale']}) svg")
        label = f"95% confidence interval: {cells[1].splitlines()[0]}"
        assert chart.get_attribute("aria-label").endswith(label)
        section = page.locator(f"section:has(#scale-{line['scale']})")
        assert section.locator("p.value").nth(1).inner_text() == label
        mark = float(chart.locator("circle").get_attribute("cx").rstrip("%"))
        assert mark == pytest.approx(3 + 94 * (min(max(score["t"], 20), 80) - 20) / 60, abs=0.01)
    assert result["scales"]["careful"]["valid"] == 3


def test_a_result_before_and_without_its_time_is_explained(
    page: Any, survey: Survey, name: str
) -> None:
    for show, texts in (
        ("None", ["do not show the result"]),
        ("AfterRelease", ["not released yet"]),
        ("Participant", ["being computed"]),
    ):
        page.goto(survey.invite(name, show=show))
        page.locator("button.primary").click()
        session = page.url.split("/s/")[1].split("/")[0]
        page.goto(f"{survey.pages.url}/r/{session}")
        assert "not submitted yet" in page.locator("main").inner_text()
        page.locator("a.button").click()
        receipt = submit(survey, page)
        page.goto(f"{survey.pages.url}/r/{session}")
        for text in texts:
            assert text in page.locator("main").inner_text()
        survey.api.score(receipt)
        page.reload()
        assert page.locator("svg").count() == (4 if show == "Participant" else 0)
    assert survey.api.http().post(f"/v1/instruments/{name}:release").is_success
    released = survey.invite(name, show="AfterRelease")
    show_result(survey, page, released)
    assert page.locator("svg").count() == 4
    assert survey.api.http().post(f"/v1/instruments/{name}:release", json={"released": False})
    page.reload()
    assert "not released yet" in page.locator("main").inner_text()


def test_another_browser_reads_the_result_with_the_link_only(
    browser: Any, page: Any, survey: Survey, name: str
) -> None:
    link = survey.invite(name, show="Participant")
    address = show_result(survey, page, link)
    other = browser.new_context().new_page()
    assert other.goto(address).status == 403
    other.goto(link)
    assert other.get_by_text("You have started this questionnaire before").is_visible()
    other.goto(link.replace("/s/", "/r/"))
    assert other.context.cookies() == [], "a GET changes nothing"
    other.get_by_role("button", name="Show my result").click()
    assert other.url == address
    assert other.locator("svg").count() == 4
    other.context.close()


def test_the_address_of_a_result_by_code_starts_nothing(
    page: Any, survey: Survey, name: str
) -> None:
    link = survey.invite(name, show="Participant")
    address = link.replace("/s/", "/r/")
    page.goto(address)
    assert page.url == link
    assert page.get_by_role("button", name="Start").is_visible()
    answered = page.request.post(address)
    assert answered.url == link
    code = survey.api.http(link.rsplit("/", 1)[1])
    assert "isStarted" not in code.get("/v1/invitation").json()
    page.get_by_role("button", name="Start").click()
    assert code.get("/v1/invitation").json()["isStarted"] is True
    page.goto(address)
    page.get_by_role("button", name="Show my result").click()
    page.get_by_text("Your answers are not submitted yet.").wait_for()
    page.get_by_role("link", name="Continue").click()
    page.locator("fieldset").first.wait_for()


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_a_result_prints_on_two_pages_with_all_its_figures(
    page: Any, survey: Survey, name: str, tmp_path: Path, paper: str
) -> None:
    need("pdftoppm", found=shutil.which("pdftoppm") is not None)
    show_result(survey, page, survey.invite(name, show="Participant"))
    file = tmp_path / "result.pdf"
    page.pdf(path=str(file), format=paper, print_background=False)
    text = subprocess.run(
        ["pdftotext", "-layout", str(file), "-"], check=True, capture_output=True, text=True
    ).stdout
    for shown in ("Four traits", "Openness", "Norm group", "everyone", "revision 1", "3 of 4"):
        assert shown in text
    assert "Save the figures" not in text
    subprocess.run(
        ["pdftoppm", "-r", "60", "-gray", str(file), str(tmp_path / "sheet")], check=True
    )
    sheets = sorted(tmp_path.glob("sheet*.pgm"))
    assert 1 <= len(sheets) <= 2
    expected = {"A4": (496, 702), "Letter": (510, 660)}[paper]
    for sheet in sheets:
        head, width, height, _, pixels = re.split(rb"\s", sheet.read_bytes(), maxsplit=4)
        assert head == b"P5"
        assert abs(int(width) - expected[0]) <= 1
        assert abs(int(height) - expected[1]) <= 1
        # 18 mm of margin are 42 pixels: nothing is cut off at the sides.
        rows = [pixels[y * int(width) : (y + 1) * int(width)] for y in range(int(height))]
        assert all(min(row[:36] + row[-36:]) == 255 for row in rows)
        assert any(min(row) < 128 for row in rows)
