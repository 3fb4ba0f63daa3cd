"""Fills an instrument with scored attempts for the tests of group reports, and logs a browser in."""

import random
from collections.abc import Mapping
from typing import Any

from tests.integration.api.serving import ADMIN
from tests.pages.serving import Survey
from tests.pages.traits import item_ids, traits

#: People of each value of `sex`; None: it is not stated.
PEOPLE: Mapping[str | None, int] = {"female": 40, "male": 25, None: 4}


def fill(survey: Survey, name: str, people: Mapping[str | None, int] = PEOPLE) -> str:
    """Publish the traits under a name, with a scored attempt of each of the people; return the name."""
    survey.publish(traits(name))
    chance = random.Random(17)
    receipts = []
    for sex, count in people.items():
        for _ in range(count):
            centre = chance.gauss(3.2, 0.7)
            answers = {
                item: min(5, max(1, round(chance.gauss(centre, 0.9)))) for item in item_ids()
            }
            attributes = {} if sex is None else {"sex": sex}
            receipts.append(survey.api.submit(name, answers=answers, attributes=attributes))
    survey.api.score(*receipts)
    return name


def log_in(survey: Survey, page: Any, key: str = ADMIN) -> None:
    """Log a browser in."""
    page.goto(f"{survey.pages.url}/console")
    page.locator("#key").fill(key)
    page.locator("button.primary").click()
