"""What participants do on a page of the survey. Used by the stories."""

from collections.abc import Callable
from typing import Any

#: Opens a page in a new profile, like a person with a device of their own.
Arrive = Callable[..., Any]


def start(page: Any, link: str) -> None:
    page.goto(link)
    page.locator("button.primary").click()
    page.wait_for_load_state()  # the scripts are there


def proceed(page: Any) -> None:
    page.locator("button.primary[name=go]").click()
    page.wait_for_load_state()


def answer(page: Any, **answers: int) -> None:
    for item, option in answers.items():
        page.locator(f"#q-{item}").get_by_label(f"Answer {option}").check()


def saved(page: Any) -> None:
    page.get_by_role("status").get_by_text("Saved").wait_for()
