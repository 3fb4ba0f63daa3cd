"""Figures of groups of attempts from their counts: mean, SD, quartiles, histogram, bands, alpha, SEM. Used by the API.

Groups and figures of fewer than SMALLEST_GROUP people are hidden (`disclosure`), for each scale by the people with a score.
"""

import math
from collections.abc import Mapping, Sequence

import msgspec

from stanine.domain.statistics.alpha import alpha_of_variances, standard_error
from stanine.domain.statistics.disclosure import SMALLEST_GROUP, CellName, Sizes
from stanine.domain.statistics.group_counts import GroupCounts, ScaleCounts, ValueCounts

#: Bars of a histogram; fewer different scores have a bar each.
MAX_BARS = 20


class HistogramBar(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """People with a score of at least `from` and less than `to`; of the last bar, and if both are equal, also `to`."""

    from_: float
    to: float
    count: int


class ScaleFigures(msgspec.Struct, frozen=True, rename="camel"):
    """Figures of one scale. Null: it cannot be computed, or too few people are behind it."""

    #: People with a score, and people without one.
    n: int
    missing: int
    mean: float | None
    #: With n - 1.
    sd: float | None
    #: Lower quartile, median, upper quartile, by linear interpolation (Hyndman and Fan's type 7).
    quartiles: tuple[float, float, float] | None
    histogram: list[HistogramBar]
    #: People by band.
    bands: dict[str, int]
    #: Of the attempts with points in all items: their number, Cronbach's alpha, and sd·√(1 - alpha).
    n_complete: int
    alpha: float | None
    sem: float | None


class GroupFigures(msgspec.Struct, frozen=True, omit_defaults=True):
    """A group of people: its value of the attribute, its month, and its figures by scale."""

    attempts: int
    scales: dict[str, ScaleFigures]
    #: Scales that are hidden in this group.
    hidden: list[str]
    value: float | str | None = None
    month: str | None = None


class Figures(msgspec.Struct, frozen=True):
    """The visible groups in order, and how many groups with people are hidden."""

    groups: list[GroupFigures]
    hidden: int


def figures_of(cells: Mapping[CellName, GroupCounts], *, by_value: bool, by_month: bool) -> Figures:
    """Return the figures of the groups of a view: all people, values, months, or both.

    `cells`: the counts by value and month, always by both, so that all views hide the same people.
    """
    groups: dict[CellName, GroupCounts] = {}
    for (value, month), counts in cells.items():
        name = value if by_value else None, month if by_month else ""
        groups.setdefault(name, GroupCounts()).merge(counts)
    attempts = Sizes({cell: each.attempts for cell, each in cells.items()})
    hidden = attempts.hidden(groups, by_value=by_value, by_month=by_month)
    hidden_of = {}
    for scale in {scale for each in groups.values() for scale in each.scales}:
        sizes = Sizes({cell: _size(each, scale) for cell, each in cells.items()}, attempts)
        hidden_of[scale] = sizes.hidden(groups, by_value=by_value, by_month=by_month)
    shown = [
        _group(name, counts, [scale for scale in counts.scales if name in hidden_of[scale]])
        for name, counts in sorted(
            groups.items(), key=lambda each: (str(each[0][0] or ""), each[0][1] or "")
        )
        if name not in hidden
    ]
    return Figures(shown, len(hidden))


def _size(counts: GroupCounts, scale: str) -> int:
    its = counts.scales.get(scale)
    return 0 if its is None else its.scores.counts.total()


def _group(name: CellName, counts: GroupCounts, hidden: Sequence[str]) -> GroupFigures:
    return GroupFigures(
        counts.attempts,
        {
            scale: scale_figures(each)
            for scale, each in counts.scales.items()
            if scale not in hidden
        },
        [*hidden],
        name[0],
        name[1] or None,
    )


def scale_figures(counts: ScaleCounts) -> ScaleFigures:
    """Return the figures of one scale."""
    scores = counts.scores
    mean, variance = mean_and_variance(scores)
    sd = None if variance is None else math.sqrt(variance)
    complete = counts.sums.counts.total()
    alpha = None
    if complete >= SMALLEST_GROUP:
        own = [mean_and_variance(each)[1] or 0.0 for each in counts.items]
        alpha = alpha_of_variances(
            len(own), math.fsum(own), mean_and_variance(counts.sums)[1] or 0.0
        )
    return ScaleFigures(
        n=scores.counts.total(),
        missing=counts.missing,
        mean=mean,
        sd=sd,
        quartiles=quartiles_of(scores),
        histogram=histogram_of(scores),
        bands=dict(counts.bands),
        n_complete=complete,
        alpha=alpha,
        sem=standard_error(sd, alpha),
    )


def mean_and_variance(values: ValueCounts) -> tuple[float | None, float | None]:
    """Return the mean and the variance with n - 1; None for too few values."""
    n = values.counts.total()
    if not n:
        return None, None
    mean = math.fsum(value * count for value, count in values.counts.items()) / n
    if n < 2:
        return mean, None
    squares = math.fsum(count * (value - mean) ** 2 for value, count in values.counts.items())
    return mean, squares / (n - 1)


def quartiles_of(values: ValueCounts) -> tuple[float, float, float] | None:
    """Return the quartiles; None without values."""
    ordered, n = sorted(values.counts.items()), values.counts.total()
    if not n:
        return None
    ends, below = [], 0
    for value, count in ordered:
        below += count
        ends.append((below, value))

    def at(place: int) -> float:
        return next(value for end, value in ends if place < end)

    def quantile(share: float) -> float:
        position = share * (n - 1)
        low = math.floor(position)
        start, stop = at(low), at(min(low + 1, n - 1))
        return start + (position - low) * (stop - start)

    return quantile(0.25), quantile(0.5), quantile(0.75)


def histogram_of(values: ValueCounts) -> list[HistogramBar]:
    """Return a bar for each score, or MAX_BARS bars of equal width."""
    ordered = sorted(values.counts.items())
    if len(ordered) <= MAX_BARS:
        return [HistogramBar(value, value, count) for value, count in ordered]
    low, high = ordered[0][0], ordered[-1][0]
    width = (high - low) / MAX_BARS
    bars = [0] * MAX_BARS
    for value, count in ordered:
        bars[min(int((value - low) / width), MAX_BARS - 1)] += count
    edges = [low + width * place for place in range(MAX_BARS)] + [high]
    return [HistogramBar(edges[place], edges[place + 1], count) for place, count in enumerate(bars)]
