"""The records of a document's scales, norm groups and profiles (DESIGN 4.1).

`records` has the rest of the document.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stanine.domain import limits
from stanine.domain.instruments.record_types import (
    Codes,
    Expression,
    Id,
    Line,
    Method,
    Number,
    PartReference,
    Passage,
    Record,
    TermReference,
    Title,
    Value,
    Whole,
)

Standard = Literal["Z", "T", "Sten", "Stanine", "Percentile"]
Report = Literal["Raw", "Score", "Z", "T", "Sten", "Stanine", "Percentile"]
RoundingMode = Literal["Up", "Down", "HalfUp", "HalfEven"]


class Rounding(Record, frozen=True):
    """How a raw score is rounded."""

    #: Up, Down, HalfUp or HalfEven.
    mode: RoundingMode
    #: Decimals that are kept. Default: 0.
    decimals: Annotated[int, Meta(ge=0, le=limits.MAX_ROUND_DECIMALS)] = 0


class Interval(Record, frozen=True):
    """A confidence interval around a score."""

    #: Observed: around the score; TrueScore: around the estimated true score.
    kind: Literal["Observed", "TrueScore"]
    #: The share of intervals that hold what they are about. Default: 0.95.
    level: Annotated[float, Meta(ge=0.5, le=0.999999)] = 0.95


class Band(Record, frozen=True):
    """A named stretch of scores: begins at `from` (≥) or `above` (>) and ends where the next begins."""

    #: The band's id, which results name it by.
    id: Id
    #: What people read.
    label: Line | None = None
    #: What belonging to the band means.
    text: Passage | None = None
    #: It begins at this score.
    from_: Number | None = msgspec.field(name="from", default=None)
    #: It begins above this score.
    above: Number | None = None


Bands = Annotated[tuple[Band, ...], Meta(max_length=limits.MAX_BANDS)]


class PointRange(Record, frozen=True):
    """The points of a stretch of a Number's answers."""

    #: What an answer in it gives.
    points: Number
    #: Answers of at least this.
    from_: Number | None = msgspec.field(name="from", default=None)
    #: Answers above this.
    above: Number | None = None
    #: Answers of at most this.
    to: Number | None = None
    #: Answers below this.
    below: Number | None = None


class LookupRow(Record, frozen=True):
    """A row of a table from raw scores to scores: one raw score or a range of them."""

    #: What the table gives.
    score: Number
    #: The raw score of the row.
    raw: Number | None = None
    #: Raw scores of at least this.
    from_: Number | None = msgspec.field(name="from", default=None)
    #: Raw scores above this.
    above: Number | None = None
    #: Raw scores of at most this.
    to: Number | None = None
    #: Raw scores below this.
    below: Number | None = None
    #: The standard error of the score.
    se: Annotated[float, Meta(ge=0, le=limits.LARGEST_NUMBER)] | None = None
    #: The lower end of the score's interval.
    low: Number | None = None
    #: The upper end of the score's interval.
    high: Number | None = None
    #: The percentile of the score.
    percentile: Annotated[float, Meta(ge=0, le=100)] | None = None


Lookup = Annotated[tuple[LookupRow, ...], Meta(min_length=1, max_length=limits.MAX_LOOKUP_ROWS)]


class Frequency(Record, frozen=True):
    """How many people of a norm sample had a raw score."""

    #: The raw score.
    raw: Number
    #: How many had it.
    count: Annotated[int, Meta(ge=0, le=limits.LARGEST_NUMBER)]


class Norm(Record, frozen=True):
    """The figures of one norm group: mean and standard deviation, or a table, or how often each raw score was seen."""

    #: The mean of the group's raw scores.
    mean: Number | None = None
    #: Their standard deviation, above 0.
    sd: Number | None = None
    #: From raw scores to scores.
    lookup: Lookup | None = None
    #: How often each raw score was seen.
    frequencies: (
        Annotated[tuple[Frequency, ...], Meta(min_length=1, max_length=limits.MAX_LOOKUP_ROWS)]
        | None
    ) = None


WhereValues = Annotated[tuple[Value | None, ...], Meta(min_length=1, max_length=limits.MAX_VALUES)]


class NormGroup(Record, frozen=True):
    """People that a score is compared with: those whose attributes are as `where` says; everybody without it."""

    #: The group's id, which norms and bands name it by.
    id: Id
    #: By attribute: a number's lowest and highest (null is open), or a value or a list of values.
    where: dict[Id, Value | WhereValues] = {}
    #: How many people the figures come from.
    size: Annotated[int, Meta(ge=1, le=limits.LARGEST_NUMBER)] | None = None
    #: Where the figures come from.
    source: Line | None = None


RightValues = Annotated[tuple[Value, ...], Meta(min_length=1, max_length=limits.MAX_OPTIONS)]
PointList = Annotated[
    tuple[Number | PointRange | None, ...], Meta(min_length=1, max_length=limits.MAX_OPTIONS)
]
ItemPoints = PointList | dict[str, Number] | Literal["count"]


class Scale(Record, frozen=True):
    """A score over items or over scales, or a formula.

    The order in which its items are named has no meaning.
    """

    #: The scale's id, which results name it by.
    id: Id
    #: What people read.
    title: Title | None = None
    #: Codes of the scale in systems of terms.
    codes: Codes = ()
    #: How points become a score: their mean, their sum, or percent of the most possible. Default: defaults.score.
    score: Method | None = None
    #: Its items by their ids, a minus before an id: reverse-keyed; or scales by their ids or parts.
    items: Annotated[tuple[TermReference, ...], Meta(max_length=limits.MAX_ITEMS)] = ()
    #: The right answer of each item, or a list of them: 1 point for a right answer, else 0.
    key: dict[Id, Value | RightValues] = {}
    #: Makes the points of `items` 1 if the answer's number is at least this, else 0.
    threshold: Number | None = None
    #: Points of each item: of a Choice one per option in their order, of a Number by ranges, of a Multiple by option,
    #: or count.
    points: dict[Id, ItemPoints] = {}
    #: Points of an answer that is missing. Default: it is missing.
    unanswered: Number | None = None
    #: What an item that was not shown gives: points, Missing, or Exclude. Default: Missing.
    not_shown: Literal["Missing", "Exclude"] | Number | None = None
    #: The fewest items answered for a score. Default: all (1 with `unanswered`).
    min_valid: Whole | None = None
    #: Weights of items. Default: 1.
    weights: dict[TermReference, Number] = {}
    #: The score is multiplied by this. Default: 1.
    multiply: Number | None = None
    #: Then this is added. Default: 0.
    constant: Number | None = None
    #: A score of its own, over items, attributes and scales.
    formula: Expression | None = None
    #: How the raw score is rounded: Up, Down, HalfUp, HalfEven, or one of these with decimals.
    round: RoundingMode | Rounding | None = None
    #: From raw scores to scores.
    lookup: Lookup | None = None
    #: Figures of norm groups, by their ids.
    norms: Annotated[dict[Id, Norm], Meta(extra={"schemaless": True})] = {}
    #: The standard scores that a result holds. Default: defaults.standard.
    standard: Annotated[tuple[Standard, ...], Meta(max_length=len(Standard.__args__))] | None = None
    #: The unit of bands, standard error and interval. Default: defaults.report, else Score with a table, else Raw.
    report: Report | None = None
    #: The reliability of the raw score, from which its standard error comes.
    reliability: Annotated[float, Meta(ge=0, le=1)] | None = None
    #: The interval that a result holds. Default: defaults.interval.
    interval: Interval | None = None
    #: Named stretches of scores, or such by norm group. Default: defaults.bands.
    bands: Bands | dict[Id, Bands] | None = None
    #: Whether it is for other scales only: in no result. Default: false.
    internal: bool = False


class ProfileText(Record, frozen=True):
    """What people read of one code of a profile."""

    #: The code's name.
    label: Line | None = None
    #: What it means.
    text: Passage | None = None


class Profile(Record, frozen=True):
    """The highest of several scales."""

    #: The profile's id, which results name it by.
    id: Id
    #: The scales that are compared, by their ids or parts; equal ones come in this order.
    of: Annotated[
        tuple[PartReference, ...], Meta(min_length=2, max_length=limits.MAX_PROFILE_SCALES)
    ]
    #: What people read.
    title: Title | None = None
    #: How many of the highest make the code. Default: 1.
    top: Annotated[int, Meta(ge=1, le=limits.MAX_PROFILE_SCALES)] = 1
    #: What becomes of equal values: List adds all that equal the last, First does not. Default: List.
    ties: Literal["List", "First"] = "List"
    #: What people read of a code, by the code (scales with spaces between).
    texts: Annotated[dict[Title, ProfileText], Meta(max_length=limits.MAX_ITEMS)] = {}
