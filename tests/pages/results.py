"""Brings a browser to the result of a session that was filled in over the API."""

from collections.abc import Mapping
from typing import Any

from tests.pages.serving import Survey
from tests.pages.traits import item_ids

#: The answers of the first person: one question of `careful` has none.
ANSWERS: Mapping[str, int] = {
    item: 1 + (place * 7 + place // 4) % 5
    for place, item in enumerate(item_ids())
    if item != "careful2"
}


def submit(survey: Survey, page: Any, answers: Mapping[str, int] = ANSWERS) -> dict[str, Any]:
    """Fill in and submit the session whose page a browser shows; return the receipt."""
    name = page.url.split("/s/")[1].split("/")[0]
    cookies = {one["name"]: one["value"] for one in page.context.cookies()}
    http = survey.api.http(cookies[f"s_{name}"])
    saved = http.patch(f"/v1/sessions/{name}", json={"seq": 1, "answers": dict(answers)})
    assert saved.is_success, saved.text
    done = http.post(f"/v1/sessions/{name}:submit")
    assert done.is_success, done.text
    receipt: dict[str, Any] = done.json()
    return receipt


def show_result(survey: Survey, page: Any, link: str) -> str:
    """Start, fill in, submit, score, and open the result; return its address."""
    page.goto(link)
    page.locator("button.primary").click()
    receipt = submit(survey, page)
    survey.api.score(receipt)
    address = f"{survey.pages.url}/r/{receipt['session']}"
    page.goto(address)
    return address
