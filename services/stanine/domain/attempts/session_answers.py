"""Answers while a form is filled in: which of them fit, which count at the end, and what is still missing. Used by the API's sessions.

An answer is judged as in a whole attempt (`packing`), against what was answered by then. An answer that was given while its item was shown
stays with the session when a later answer hides the item, so that it is there again if that one is changed back; it does not count.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from stanine.domain.attempts.attempt import Answer, Attempt, AttributeValue
from stanine.domain.attempts.packing import Packer
from stanine.domain.attempts.showing import Showing
from stanine.domain.scoring.index_entry import IndexEntry, item_forms


class Settled(msgspec.Struct, frozen=True):
    """What a session comes to: the answers that count, and the required items and attributes that are missing, in the form's order."""

    answers: dict[str, Answer]
    missing_items: tuple[str, ...] = ()
    missing_attributes: tuple[str, ...] = ()


class SessionForm:
    """One form as sessions need it. Made once per index entry and kept."""

    def __init__(self, entry: IndexEntry) -> None:
        self.entry = entry
        self.packer = Packer(entry)
        self._showing = (
            Showing(entry, item_forms(entry))
            if any(item.conditions for item in entry.items)
            else None
        )
        #: Whether an answer can be judged only beside the others.
        self.needs_all = self._showing is not None or any(
            item.distinct_from is not None for item in entry.items
        )
        self._places = {item.id: place for place, item in enumerate(entry.items)}

    def check(
        self,
        given: Mapping[str, Any],
        saved: Mapping[str, Answer],
        attributes: Mapping[str, AttributeValue],
    ) -> None:
        """Check the answers of one save, None where one is removed; `saved`: those before it, which may be left out unless `needs_all`.

        Raises InvalidAttempt with all faults: an answer that its item does not take, or to an item that is not shown.
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
        self, saved: Mapping[str, Answer], attributes: Mapping[str, AttributeValue]
    ) -> Settled:
        """Return what counts of a session, and what is missing. An item that may be shown only is never required."""
        states = self._states(saved, attributes)
        answers = {
            item.id: saved[item.id]
            for item in self.entry.items
            if item.id in saved and states.get(item.id, True) is not False
        }
        items = [
            item.id
            for item in self.entry.items
            if item.required and item.id not in saved and states.get(item.id, True)
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
        return {item for item, shown in self._states(answers, attributes).items() if shown is False}

    def _states(
        self, answers: Mapping[str, Any], attributes: Mapping[str, AttributeValue]
    ) -> dict[str, bool | None]:
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
            return {}  # an answer of a wrong type, which the packer names
