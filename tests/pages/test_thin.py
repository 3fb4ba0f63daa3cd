from typing import Any
from tests.pages.serving import Survey
from pathlib import Path
import yaml


def test_thin(browser: Any, survey: Survey) -> None:
    doc = yaml.safe_load(Path("examples/instruments/gad-7.yaml").read_text())
    name = survey.publish(doc)
    link = survey.invite(name, key="k1")
    context = browser.new_context(viewport={"width": 390, "height": 900})
    page = context.new_page()
    page.on("console", lambda m: print("console", m.text))
    page.goto(link)
    page.screenshot(path="/tmp/h/hpages/welcome.png", full_page=True)
    page.get_by_role("button", name="Agree and start").click()
    print(page.url)
    page.screenshot(path="/tmp/h/hpages/page1.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.screenshot(path="/tmp/h/hpages/page1w.png", full_page=True)
    for fs in page.locator("fieldset").all():
        fs.locator("input[type=radio]").nth(1).check()
    page.get_by_role("button", name="Continue").click()
    print(page.url)
    page.screenshot(path="/tmp/h/hpages/review.png", full_page=True)
    page.get_by_role("button", name="Submit").click()
    page.screenshot(path="/tmp/h/hpages/done.png", full_page=True)
    assert "Thank you" in page.content()
    print(survey.api.http().get(f"/v1/instruments/{name}/results").text)
