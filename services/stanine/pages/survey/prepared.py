"""A form prepared for pages: pages, conditions, rules. Made once per form and language, and kept.

Called by the routes and by the preview.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from stanine.client.records import FormInfo
from stanine.domain.attempts.attempt import AttributeValue
from stanine.domain.attempts.session_answers import SessionForm
from stanine.pages.survey.form_entry import entry_of
from stanine.pages.survey.paging import SurveyPage, pages_of

Answers = Mapping[str, Any]
Attributes = Mapping[str, AttributeValue]


class Prepared:
    """One form in one language."""

    def __init__(self, form: FormInfo) -> None:
        """Raise InvalidDocument for a form of another version of Stanine."""
        self.form = form
        entry = entry_of(form)
        self.rules = SessionForm(entry)
        self.items = {item.id: item for item in form.items}
        self.attributes = {one.id: one for one in form.attributes}
        self.places = {item.id: place for place, item in enumerate(form.items)}
        self._conditions = [
            [entry.conditions[each] for each in item.conditions] for item in entry.items
        ]
        self._pages: dict[tuple[str, ...], tuple[SurveyPage, ...]] = {}

    def pages(self, asked: tuple[str, ...]) -> tuple[SurveyPage, ...]:
        """Return the pages for a person who is asked for these attributes."""
        if asked not in self._pages:
            self._pages[asked] = pages_of(self.form, asked)
        return self._pages[asked]

    def asked(self, fixed: Attributes) -> tuple[str, ...]:
        """Return the attributes that the pages ask for.

        These are the required ones, and those with a title, unless the invitation fixed them.
        """
        return tuple(
            one.id
            for one in self.form.attributes
            if one.id not in fixed and (one.required or one.title is not None)
        )

    def shown(self, answers: Answers, attributes: Attributes) -> frozenset[str]:
        """Return the items that are shown. One whose condition needs a missing answer is not."""
        states = self.rules.states(answers, attributes)
        return frozenset(item for item in self.items if states.get(item, True) is True)

    def state(self, item: str, answers: Answers, attributes: Attributes) -> bool | None:
        """Return whether an item is shown; None: its condition needs a missing answer."""
        return self.rules.states(answers, attributes).get(item, True)

    def conditions(self, page: SurveyPage) -> dict[str, list[Any]]:
        """Return the trees of the conditions of a page's items, as plain data for the browser."""
        return {
            self.form.items[place].id: [
                msgspec.to_builtins(one.tree) for one in self._conditions[place]
            ]
            for place in page.items
            if self._conditions[place]
        }

    def names(self, page: SurveyPage) -> frozenset[str]:
        """Return the items and attributes that the conditions of a page use."""
        return frozenset(
            name.partition(".")[0]
            for place in page.items
            for one in self._conditions[place]
            for name in one.names
        )

    def first_open(
        self, pages: tuple[SurveyPage, ...], after: int, shown: frozenset[str]
    ) -> int | None:
        """Return the number of the first page after a page that shows something; None: no more."""
        for page in pages[after:]:
            if self.has_something(page, shown):
                return page.number
        return None

    def last_open(
        self, pages: tuple[SurveyPage, ...], before: int, shown: frozenset[str]
    ) -> int | None:
        """Return the number of the last page before a page that shows something; None: none."""
        for page in reversed(pages[: before - 1]):
            if self.has_something(page, shown):
                return page.number
        return None

    def has_something(self, page: SurveyPage, shown: frozenset[str]) -> bool:
        """Return whether a page shows anything."""
        return bool(page.attributes) or any(
            self.form.items[place].id in shown for place in page.items
        )
