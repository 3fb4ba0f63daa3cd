"""Answers of a session: validation, which answers count, and which are still required.

Used by the API's sessions. Answers are validated as in a whole attempt (`packing`), against the earlier answers. An
answer remains in the session when a later answer hides its item, so it is restored if that answer is changed back;
while hidden it does not count.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from stanine.domain.attempts.attempt import Answer, Attempt, AttributeValue
from stanine.domain.attempts.packing import Packer
from stanine.domain.attempts.showing import Showing
from stanine.domain.attempts.timed_sections import TimedSections
from stanine.domain.scoring.index_entry import IndexEntry, item_forms


class Settled(msgspec.Struct, frozen=True):
    """State of a session: the answers that count, and the missing required ones in form order."""

    answers: dict[str, Answer]
    missing_items: tuple[str, ...] = ()
    missing_attributes: tuple[str, ...] = ()


class SessionForm:
    """One form prepared for sessions. Created once per index entry and kept."""

    def __init__(self, entry: IndexEntry) -> None:
        self.entry = entry
        self.packer = Packer(entry)
        self.timed = TimedSections(entry)
        self._showing = (
            Showing(entry, item_forms(entry))
            if any(item.conditions for item in entry.items)
            else None
        )
        #: Items whose answers are validated against other answers.
        self._dependent = frozenset(_dependent_items(entry))
        self._places = {item.id: place for place, item in enumerate(entry.items)}

    @property
    def has_dependents(self) -> bool:
        """Whether there are items whose answers are validated against other answers or attributes."""
        return bool(self._dependent or self.entry.attributes)

    def needs_others(self, items: Iterable[str]) -> bool:
        """Return whether validating answers to these items requires the other answers."""
        return not self._dependent.isdisjoint(items)

    def check(
        self,
        given: Mapping[str, Any],
        saved: Mapping[str, Answer],
        attributes: Mapping[str, AttributeValue],
    ) -> None:
        """Validate the answers of one save; None removes an answer.

        `saved`: the answers before it; may be omitted unless `needs_others`. Raises InvalidAttempt with all errors: an
        invalid answer, or an answer to an item that is not shown.
        """
        merged = {**saved, **given}
        hidden = self._hidden(merged, attributes)
        self.packer.pack(
            Attempt(
                {
                    name: answer
                    for name, answer in merged.items()
                    if name in given or name not in hidden
                },
                attributes={**attributes},
            )
        )

    def settle(
        self,
        saved: Mapping[str, Answer],
        attributes: Mapping[str, AttributeValue],
        closed: AbstractSet[str] = frozenset(),
    ) -> Settled:
        """Return the answers that count, and what is missing.

        Items whose visibility is unknown are not required, nor are the `closed` ones: the time of their section is
        over.
        """
        states = self.states(saved, attributes)
        answers = {
            item.id: saved[item.id]
            for item in self.entry.items
            if item.id in saved and states.get(item.id, True) is not False
        }
        items = [
            item.id
            for item in self.entry.items
            if item.required
            and item.id not in saved
            and item.id not in closed
            and states.get(item.id, True)
        ]
        needed = [
            one.id
            for one in self.entry.attributes
            if one.required and attributes.get(one.id) in (None, "")
        ]
        return Settled(answers, tuple(items), tuple(needed))

    def _hidden(
        self, answers: Mapping[str, Any], attributes: Mapping[str, AttributeValue]
    ) -> set[str]:
        return {item for item, shown in self.states(answers, attributes).items() if shown is False}

    def states(
        self, answers: Mapping[str, Any], attributes: Mapping[str, AttributeValue]
    ) -> dict[str, bool | None]:
        """Return whether each item is shown: None if its condition needs a missing answer.

        Empty if no item has a condition, or if an answer has a wrong type.
        """
        if self._showing is None:
            return {}
        given = {
            self._places[name]: answer
            for name, answer in answers.items()
            if name in self._places and answer is not None
        }
        try:
            return {
                self.entry.items[place].id: shown
                for place, shown in self._showing.states(given, attributes)
            }
        except (TypeError, ValueError):
            return {}  # an answer of a wrong type; the packer reports it


def _dependent_items(entry: IndexEntry) -> Iterator[str]:
    for item in entry.items:
        if item.conditions:
            yield item.id
        if item.distinct_from is not None:
            yield item.id
            yield entry.items[item.distinct_from].id
