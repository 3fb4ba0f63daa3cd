"""Sections with a time limit: their items, and which items can no longer be answered. Pure.

Used by the sessions of the API and by the pages. The time of a section runs from its first opening; the session stores
the deadline.
"""

from collections.abc import Iterable, Mapping

from stanine.domain.scoring.index_entry import IndexEntry


class TimedSections:
    """The sections of one form that have a time limit."""

    def __init__(self, entry: IndexEntry) -> None:
        timed = {one.id: one for one in entry.sections if one.time_limit_seconds}
        #: Time limits by section (ms).
        self.limits_ms = {name: 1000 * (one.time_limit_seconds or 0) for name, one in timed.items()}
        self._section_of = {item: name for name, one in timed.items() for item in one.items}

    def holding(self, items: Iterable[str]) -> frozenset[str]:
        """Return the sections with a time limit that hold any of the items."""
        return frozenset(self._section_of[item] for item in items if item in self._section_of)

    def closed_items(self, deadlines: Mapping[str, float], now: float) -> frozenset[str]:
        """Return the items of the sections whose deadline is not after `now`.

        `deadlines`: by section, of the opened ones, in the unit of `now`.
        """
        return frozenset(
            item
            for item, section in self._section_of.items()
            if section in deadlines and deadlines[section] <= now
        )
