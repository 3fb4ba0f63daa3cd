"""Counts of scores and points of groups of attempts, from which figures are computed. Used by the API's statistics.

Counts can be merged in any order. Their size depends on the number of different values, not of attempts: scores are counted
at 9 decimals, at which bands compare too, and at fewer while there are more than MAX_VALUES different ones.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

#: Maximum number of different scores of a scale in a group, and the decimals of scores at first.
MAX_VALUES, DECIMALS = 5_000, 9


class ValueCounts:
    """How often each value occurs, at `decimals`."""

    def __init__(self) -> None:
        self.counts: Counter[float] = Counter()
        self.decimals = DECIMALS

    def add(self, value: float, count: int = 1) -> None:
        """Count a value."""
        self.counts[round(value, self.decimals) + 0.0] += count
        while len(self.counts) > MAX_VALUES:
            self.decimals -= 1
            fewer: Counter[float] = Counter()
            for each, times in self.counts.items():
                fewer[round(each, self.decimals) + 0.0] += times
            self.counts = fewer

    def merge(self, other: "ValueCounts") -> None:
        """Add the values of others."""
        for value, count in other.counts.items():
            self.add(value, count)


class ScaleCounts:
    """Counts of one scale: scores, missing ones, bands; points of complete attempts by item, and their sums."""

    def __init__(self) -> None:
        self.scores = ValueCounts()
        self.missing = 0
        self.bands: Counter[str] = Counter()
        self.items: list[ValueCounts] = []
        self.sums = ValueCounts()

    def add(self, raw: float | None, band: str | None, points: list[float] | None) -> None:
        """Count an attempt. `points`: of all items, if it has points in all of them."""
        if raw is None:
            self.missing += 1
        else:
            self.scores.add(raw)
            if band is not None:
                self.bands[band] += 1
        if points is not None:
            self._fit(len(points))
            for counts, each in zip(self.items, points, strict=True):
                counts.add(each)
            self.sums.add(sum(points))

    def merge(self, other: "ScaleCounts") -> None:
        """Add the counts of others."""
        self.scores.merge(other.scores)
        self.missing += other.missing
        self.bands.update(other.bands)
        self._fit(len(other.items))
        for counts, each in zip(self.items, other.items, strict=False):
            counts.merge(each)
        self.sums.merge(other.sums)

    def _fit(self, items: int) -> None:
        while len(self.items) < items:
            self.items.append(ValueCounts())


class GroupCounts:
    """Counts of one group of attempts."""

    def __init__(self) -> None:
        self.attempts = 0
        self.scales: dict[str, ScaleCounts] = {}

    def add(
        self, scales: Mapping[str, tuple[float | None, str | None, list[float] | None]]
    ) -> None:
        """Count an attempt: of each scale the raw score, the band, and the points of all items."""
        self.attempts += 1
        for scale, (raw, band, points) in scales.items():
            self.scales.setdefault(scale, ScaleCounts()).add(raw, band, points)

    def merge(self, other: "GroupCounts") -> None:
        """Add the counts of others."""
        self.attempts += other.attempts
        for scale, counts in other.scales.items():
            self.scales.setdefault(scale, ScaleCounts()).merge(counts)


def merged(groups: Iterable[GroupCounts]) -> GroupCounts:
    """Return the counts of several groups together."""
    found = GroupCounts()
    for each in groups:
        found.merge(each)
    return found
