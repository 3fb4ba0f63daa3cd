"""Norms from data: sizes, means, standard deviations and frequencies of scores by norm group.

Called by `stanine norms`. People are grouped by their attributes. `NormSums` processes data in batches; its memory
does not depend on the number of people.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from stanine.domain import limits
from stanine.domain.instruments.item_forms import exact
from stanine.domain.scoring.index import FormAttribute
from stanine.domain.scoring.rounding_vectors import nine
from stanine.domain.statistics.moments import Moments

Floats = npt.NDArray[np.float64]
Value = int | float | str
#: Maximum number of groups. More groups indicate an attribute that identifies people.
MAX_GROUPS = 1_000
#: Maximum number of different scores of a group and scale in a frequency table. Larger tables are dropped to bound
#: memory.
MAX_FREQUENCIES = 10_000
#: Distance between the highest value of a class and the next class, for attributes of type Number: both ends of a
#: range in `where` are inclusive.
_BELOW = 1e-9
#: Least width of a class: far more than the distance between two classes.
_LEAST_WIDTH = 1e-6
#: Relative error of a quotient near a whole number, many times that of float64: there the class is found exactly.
_DOUBTFUL = 1e-12


class GroupingError(Exception):
    """Raised for an invalid grouping; the message is for the user."""


class By(msgspec.Struct, frozen=True):
    """An attribute to group by: by its values, or in classes of a width."""

    attribute: FormAttribute
    width: float | None = None


class Group(msgspec.Struct, frozen=True):
    """A norm group: its id and its condition, as in a document's `normGroups`."""

    id: str
    where: dict[str, Any]


def parse_by(text: str, attributes: Sequence[FormAttribute]) -> tuple[By, ...]:
    """Parse a grouping such as `sex,age:10` (width 10). Raises GroupingError."""
    known = {attribute.id: attribute for attribute in attributes}
    result: list[By] = []
    for part in (part.strip() for part in text.split(",")):
        name, colon, width = (one.strip() for one in part.partition(":"))
        if name not in known:
            has = ", ".join(known) or "none"
            raise GroupingError(f'"{name}" is no attribute of the instrument; it has {has}')
        if any(by.attribute.id == name for by in result):
            raise GroupingError(f'"{name}" is named twice')
        result.append(By(known[name], _width(name, width, known[name]) if colon else None))
        if known[name].values is None and known[name].type == "Number" and not colon:
            raise GroupingError(
                f'"{name}" is a number: say how wide its classes are, as in {name}:10'
            )
    return tuple(result)


def _width(name: str, text: str, attribute: FormAttribute) -> float:
    if attribute.values is not None or attribute.type not in ("Integer", "Number"):
        raise GroupingError(
            f'"{name}" has values or texts, not numbers of a range: it has no classes, so leave out ":{text}"'
        )
    try:
        width = float(text)
    except ValueError:
        width = math.nan
    if not 0 < width < math.inf:
        raise GroupingError(
            f'"{name}:{text}": the width of a class is a number above 0, as in {name}:10'
        )
    if not _LEAST_WIDTH <= width <= limits.LARGEST_NUMBER:
        raise GroupingError(
            f'"{name}:{text}": the width of a class is from {_LEAST_WIDTH:f} to {limits.LARGEST_NUMBER:d}'
        )
    if attribute.type == "Integer" and width != int(width):
        raise GroupingError(
            f'"{name}:{text}": "{name}" is a whole number, so that the width of its classes must be one'
        )
    return width


class NormSums:
    """Accumulates scores by group. Not thread-safe."""

    def __init__(self, by: Sequence[By], scales: Sequence[str]) -> None:
        self._by, self._scales = tuple(by), tuple(scales)
        #: Sums by group; the key has the values or classes of the attributes.
        self.places: dict[tuple[Any, ...], _Sums] = {}
        #: Number of people with scores who lack an attribute of the grouping.
        self.without_attribute = 0

    def add(self, attributes: Sequence[Mapping[str, Value]], scores: Floats) -> None:
        """Add people: attributes and scores, one row per person, one column per scale.

        A missing score is NaN.

        Raises GroupingError for too many groups.
        """
        rows: dict[tuple[Any, ...], list[int]] = {}
        for row, known in enumerate(attributes):
            place = self._place(known)
            if place is None:
                self.without_attribute += 1
            else:
                rows.setdefault(place, []).append(row)
        for place, its in rows.items():
            if place not in self.places:
                if len(self.places) == MAX_GROUPS:
                    raise GroupingError(
                        f"there are more than {MAX_GROUPS} groups: group by attributes with few values, or in wider classes"
                    )
                self.places[place] = _Sums(len(self._scales))
            self.places[place].add(scores[its])

    def merge(self, other: "NormSums") -> None:
        """Add the sums of another object with the same scales and grouping.

        Raises GroupingError for too many groups.
        """
        for place, sums in other.places.items():
            if place in self.places:
                self.places[place].merge(sums)
            elif len(self.places) < MAX_GROUPS:
                self.places[place] = sums
            else:
                raise GroupingError(
                    f"there are more than {MAX_GROUPS} groups: group by attributes with few values, or in wider classes"
                )
        self.without_attribute += other.without_attribute

    def norms(self, least: int) -> "Norms":
        """Return the groups with at least `least` people, in order of their values.

        Each group has the scales with at least `least` scores.
        """
        groups, too_small, taken = [], [], set[str]()
        for place in sorted(self.places, key=self._order):
            sums = self.places[place]
            group = self._group(place, taken)
            if sums.size < least:
                too_small.append(group.id)
                continue
            figures = {scale: sums.figures(at) for at, scale in enumerate(self._scales)}
            groups.append(
                GroupNorms(
                    group,
                    sums.size,
                    {scale: one for scale, one in figures.items() if one.n >= least},
                )
            )
        return Norms(tuple(groups), tuple(too_small), self.without_attribute)

    def _place(self, known: Mapping[str, Value]) -> tuple[Any, ...] | None:
        place = []
        for by in self._by:
            value = known.get(by.attribute.id)
            if value is None:
                return None
            place.append(
                value if by.width is None or isinstance(value, str) else _class_of(value, by.width)
            )
        return tuple(place)

    def _order(self, place: tuple[Any, ...]) -> list[Any]:
        return [
            by.attribute.values.index(value) if by.attribute.values else value
            for by, value in zip(self._by, place, strict=True)
        ]

    def _group(self, place: tuple[Any, ...], taken: set[str]) -> Group:
        where: dict[str, Any] = {}
        words: list[str] = []
        for by, value in zip(self._by, place, strict=True):
            name = by.attribute.id
            if isinstance(value, str):
                where[name] = value
                words.append(value)
            elif by.attribute.values is not None:
                where[name] = value
                words.append(f"{name}_{_number(value)}")
            else:
                where[name] = _class(value, by)
                words.append("_".join([name, *dict.fromkeys(map(_number, _class(value, by)))]))
        return Group(_unique("_".join(words) or "everyone", taken), where)


class _Sums:
    """Sums of the scores of one group."""

    def __init__(self, scales: int) -> None:
        self.size = 0
        self.moments = Moments.nothing(scales)
        self.frequencies: list[Counter[float] | None] = [Counter() for _ in range(scales)]

    def add(self, scores: Floats) -> None:
        self.size += len(scores)
        self.moments = self.moments.merged(Moments.of(scores))
        for at, column in enumerate(scores.T):
            values, counts = np.unique(nine(column[~np.isnan(column)]), return_counts=True)
            self._count(at, dict(zip((values + 0.0).tolist(), counts.tolist(), strict=True)))

    def merge(self, other: "_Sums") -> None:
        self.size += other.size
        self.moments = self.moments.merged(other.moments)
        for at, counts in enumerate(other.frequencies):
            self._count(at, counts)

    def figures(self, at: int) -> "ScoreNorms":
        counts = self.frequencies[at]
        n = int(self.moments.n[at])
        sd = float(self.moments.sd[at])
        return ScoreNorms(
            n,
            float(self.moments.mean[at]) if n else None,
            sd if math.isfinite(sd) else None,
            None
            if counts is None
            else tuple(ScoreFrequency(raw, counts[raw]) for raw in sorted(counts)),
        )

    def _count(self, at: int, counts: Mapping[float, int] | None) -> None:
        own = self.frequencies[at]
        if own is None or counts is None:
            self.frequencies[at] = None
            return
        own.update(counts)
        if len(own) > MAX_FREQUENCIES:
            self.frequencies[at] = None


class ScoreFrequency(msgspec.Struct, frozen=True):
    """The number of people with one score."""

    raw: float
    count: int


class ScoreNorms(msgspec.Struct, frozen=True):
    """The scores of one group in one scale; sd with n - 1.

    `frequencies` is None for more than MAX_FREQUENCIES different scores.
    """

    n: int
    mean: float | None
    sd: float | None
    frequencies: tuple[ScoreFrequency, ...] | None

    @property
    def stated(self) -> tuple[float, float] | None:
        """The mean and sd as a document states them; None if all scores are equal or fewer than two.

        Figures that only rounding errors keep from 0 are 0: a document has no number below 1e-9.
        """
        if self.mean is None or self.sd is None or self.sd < limits.SMALLEST_NUMBER:
            return None
        return 0.0 if abs(self.mean) < limits.SMALLEST_NUMBER else self.mean, self.sd


class GroupNorms(msgspec.Struct, frozen=True):
    """One group: its size and its scores by scale."""

    group: Group
    size: int
    scales: dict[str, ScoreNorms]


class Norms(msgspec.Struct, frozen=True):
    """All groups, ids of groups that are too small, and number of people without an attribute."""

    groups: tuple[GroupNorms, ...]
    too_small: tuple[str, ...]
    without_attribute: int


def _class_of(value: float, width: float) -> int:
    """Return the index of a value's class: of 19.9 in classes of 0.1 it is 199, as in decimals."""
    quotient = value / width
    if abs(quotient - round(quotient)) > _DOUBTFUL * max(1.0, abs(quotient)):
        return math.floor(quotient)
    return exact(value) // exact(width)


def _class(value: Any, by: By) -> list[Any]:
    """Return the lowest and highest value of a class, as in `where`."""
    if by.width is None:
        return [value, value]
    low, next_low = value * exact(by.width), (value + 1) * exact(by.width)
    if by.attribute.type == "Integer":
        return [int(low), int(next_low) - 1]
    return [_plain(float(low)), round(float(next_low) - _BELOW, 9)]


def _plain(x: float) -> int | float:
    return int(x) if x == int(x) else x


def _number(value: Any) -> str:
    """Return a number as part of an id: -2.5 as minus_2_5."""
    return repr(_plain(value)).replace("-", "minus_").replace(".", "_").replace("+", "")


def _unique(wanted: str, taken: set[str]) -> str:
    """Return an unused id that resembles `wanted`, and add it to `taken`."""
    letters = "".join(one if one.isascii() and one.isalnum() else "_" for one in wanted)
    base = (letters if letters[0].isalpha() else f"group_{letters.lstrip('_')}")[
        : limits.MAX_ID - 5
    ]
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    taken.add(name)
    return name
