"""A browser, the distribution's Chromium, and a survey to visit. Without Chromium or Playwright the tests are skipped."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.conftest import Server, need
from tests.pages.serving import Survey, survey_at

from stanine.pages.settings import Organisation

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
#: Who asks, in the tests.
ORGANISATION = Organisation(
    name="University of Examples",
    contact="survey@example.org",
    privacy_url="https://example.org/privacy",
    consent={
        "en": "I take part of my own will.\n\nI may stop at any time.",
        "de": "Ich nehme freiwillig teil.",
        "ar": "أشارك بمحض إرادتي.",
    },
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium per module."""
    need("playwright", found=importlib.util.find_spec("playwright") is not None)
    need("chromium", found=bool(CHROMIUM))
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not installed everywhere

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def survey(valkey: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survey]:
    """An API and its pages, for a module."""
    with survey_at(valkey.url, tmp_path_factory.mktemp("survey"), organisation=ORGANISATION) as it:
        yield it


@pytest.fixture
def person(browser: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a page in a new profile, like a person with a device of their own."""
    contexts = []

    def arrive(**options: Any) -> Any:
        context = browser.new_context(**options)
        context.set_default_timeout(30_000)
        contexts.append(context)
        return context.new_page()

    yield arrive
    for context in contexts:
        context.close()
