"""Pictures of the result and the group report for the documentation: STANINE_WRITE_SCREENSHOTS=1 writes them to docs/images."""

from pathlib import Path
from typing import Any

import pytest
from tests.pages.reports import fill, log_in
from tests.pages.results import show_result
from tests.pages.serving import Survey
from tests.pages.test_screenshots import IMAGES, folder_of_pictures
from tests.pages.traits import traits

#: Name, width, colour scheme, language.
PICTURES = [
    ("result-phone", 390, "light", "en"),
    ("result-phone-dark", 390, "dark", "ar"),
    ("result-wide", 1280, "light", "en"),
]


@pytest.mark.parametrize(("name", "width", "scheme", "language"), PICTURES, ids=str)
def test_the_documentation_has_a_picture_of_the_result(
    browser: Any, survey: Survey, tmp_path: Path, name: str, width: int, scheme: str, language: str
) -> None:
    survey.publish(traits())
    context = browser.new_context(
        viewport={"width": width, "height": 844 if width < 600 else 800},
        color_scheme=scheme,
        locale=language,
    )
    page = context.new_page()
    show_result(survey, page, survey.invite("traits", show="Participant"))
    folder = folder_of_pictures(tmp_path)
    page.screenshot(path=folder / f"{name}.png")
    context.close()
    assert (folder / f"{name}.png").stat().st_size > 10_000
    assert (IMAGES / f"{name}.png").exists(), "STANINE_WRITE_SCREENSHOTS=1 writes it"


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [("report-wide", 1280, "light"), ("report-phone-dark", 390, "dark")],
    ids=str,
)
def test_the_documentation_has_a_picture_of_the_group_report(
    browser: Any, survey: Survey, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    instrument = fill(survey, f"group-{name}")
    context = browser.new_context(
        viewport={"width": width, "height": 844 if width < 600 else 900}, color_scheme=scheme
    )
    page = context.new_page()
    log_in(survey, page)
    page.goto(f"{survey.pages.url}/console/instruments/{instrument}/report")
    folder = folder_of_pictures(tmp_path)
    page.screenshot(path=folder / f"{name}.png")
    context.close()
    assert (folder / f"{name}.png").stat().st_size > 10_000
    assert (IMAGES / f"{name}.png").exists(), "STANINE_WRITE_SCREENSHOTS=1 writes it"
