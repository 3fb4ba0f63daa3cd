"""Checks the answers of a page by the domain's rules; errors in the participant's language. Pure. Called by the routes."""

from collections.abc import Mapping
from typing import Any

from stanine.client.errors import ApiError
from stanine.domain.errors import InvalidAttempt
from stanine.pages.survey.paging import SurveyPage
from stanine.pages.survey.prepared import Answers, Attributes, Prepared
from stanine.pages.survey.wording import Wording


def wrong_answers(
    prepared: Prepared,
    given: Mapping[str, Any],
    saved: Answers,
    attributes: Attributes,
    wording: Wording,
) -> dict[str, str]:
    """Return the error of each answer that cannot be saved, by item."""
    try:
        prepared.rules.check(given, saved, {**attributes})
    except InvalidAttempt as error:
        found = {}
        for fault in error.faults:
            item = prepared.items.get(_name(fault.place))
            if item is not None and item.id in given:
                found[item.id] = wording.wrong(item, fault.code)
        return found
    return {}


def wrong_attributes(
    prepared: Prepared, given: Mapping[str, Any], wording: Wording
) -> dict[str, str]:
    """Return the error of each attribute that cannot be saved, by its id."""
    try:
        prepared.rules.check(
            {}, {}, {name: value for name, value in given.items() if value is not None}
        )
    except InvalidAttempt as error:
        names = {_name(fault.place) for fault in error.faults}
        return {
            name: wording.wrong_attribute(prepared.attributes[name])
            for name in given
            if name in names
        }
    return {}


def unanswered(
    prepared: Prepared, page: SurveyPage, answers: Answers, shown: frozenset[str]
) -> list[str]:
    """Return the items of a page that are shown and have no answer."""
    return [
        item.id
        for item in (prepared.form.items[place] for place in page.items)
        if item.id in shown and answers.get(item.id) is None
    ]


def unanswered_required(
    prepared: Prepared, page: SurveyPage, answers: Answers, shown: frozenset[str]
) -> list[str]:
    """Return the required items of a page that are shown and have no answer."""
    return [
        item for item in unanswered(prepared, page, answers, shown) if prepared.items[item].required
    ]


def items_of_closed_sections(error: ApiError) -> list[str]:
    """Return the items that a save was refused for because the time of their section is over."""
    return [_name(one.pointer) for one in error.errors if one.code == "SectionOver"]


def _name(place: str) -> str:
    """Return the item or attribute of a fault's place, such as `/answers/A1`."""
    return place.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
