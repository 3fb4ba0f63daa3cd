"""Pictures of the survey for the documentation: STANINE_WRITE_SCREENSHOTS=1 writes them to docs/images."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.pages.serving import Survey

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs/images"
#: Name, width, colour scheme.
PICTURES = [
    ("survey-phone", 390, "light"),
    ("survey-phone-dark", 390, "dark"),
    ("survey-wide", 1280, "light"),
]


def folder_of_pictures(temporary: Path) -> Path:
    """Return where pictures are written: into the documentation if that is asked for."""
    return IMAGES if os.environ.get("STANINE_WRITE_SCREENSHOTS") else temporary


@pytest.mark.parametrize(("name", "width", "scheme"), PICTURES, ids=str)
def test_the_documentation_has_a_picture_of_the_survey(
    browser: Any, survey: Survey, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    document = yaml.safe_load((ROOT / "examples/instruments/bfi-25.yaml").read_text())
    instrument = survey.publish(document)
    context = browser.new_context(
        viewport={"width": width, "height": 844 if width < 600 else 800}, color_scheme=scheme
    )
    page = context.new_page()
    page.goto(survey.invite(instrument))
    page.locator("button.primary").click()
    page.wait_for_load_state()
    page.locator("button.primary[name=go]").click()
    page.wait_for_url("**/2")
    page.wait_for_load_state()
    for place in (0, 1):
        page.locator("fieldset.item").nth(place).locator("input[type=radio]").nth(3 + place).check()
    page.get_by_role("status").get_by_text("Saved").wait_for()
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    folder = folder_of_pictures(tmp_path)
    page.screenshot(path=folder / f"{name}.png")
    context.close()
    assert (folder / f"{name}.png").stat().st_size > 10_000
    assert (IMAGES / f"{name}.png").exists(), "STANINE_WRITE_SCREENSHOTS=1 writes it"
