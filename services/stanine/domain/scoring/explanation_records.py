"""The records of an explanation: each step from the answers of one attempt to its scores.

Created by `explanation`, encoded by the API and read by the command line. Absent members do not apply to the scale, or
require more rights.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

#: Conversion of an answer to points: its own number, reversed, by the key, listed by `points`, or options counted.
Rule = Literal["Own", "Reversed", "Keyed", "Listed", "Counted"]
#: State of an item. MissingOption: an option that is declared `missing` was chosen.
State = Literal["Answered", "MissingOption", "Omitted", "NotShown", "Declined"]
#: What a term counts as. Unanswered and NotShown: points that the scale declares for it.
CountsAs = Literal["Points", "Unanswered", "NotShown", "Missing", "Excluded"]


class _Step(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all records: camelCase names."""


class TermStep(_Step, frozen=True):
    """One item (or option of an item) of a scale."""

    name: str
    state: State
    rule: Rule
    counts_as: CountsAs
    #: Points by the rule, or those declared; null: none.
    points: float | None
    weight: float
    #: Contribution to the sum: weight · points, with Percent weight · (points - lowest).
    adds: float | None
    #: The answer; only for readers of answers.
    answer: float | str | list[float | str] | UnsetType = UNSET
    #: Percent: the fewest and the most points that the rule declares.
    lowest: float | UnsetType = UNSET
    highest: float | UnsetType = UNSET


class PartStep(_Step, frozen=True):
    """One scale, or part of a scale, of a composite."""

    scale: str
    part: str
    #: The value; null: none.
    value: float | None
    weight: float
    adds: float | None
    lowest: float | UnsetType = UNSET
    highest: float | UnsetType = UNSET


class NameStep(_Step, frozen=True):
    """One name of a formula."""

    name: str
    source: Literal["Item", "Attribute", "Scale"]
    #: Whether it has a value.
    has_value: bool
    #: The number used by the formula; null: none. Absent if the formula uses a text, or only whether there is an
    #: answer.
    value: float | UnsetType | None = UNSET
    #: The text that the formula compares; only for readers of answers.
    text: str | UnsetType | None = UNSET
    #: Of an item: what it counts as.
    counts_as: CountsAs | UnsetType = UNSET


class FormulaStep(_Step, frozen=True):
    """The inputs and the value of a formula."""

    names: list[NameStep]
    #: Its value before rounding; null: none, with the reason in the scale's status.
    value: float | None
    #: The formula; only for readers of the document.
    text: str | UnsetType = UNSET
    #: The fewest items that need a value.
    min_valid: int | UnsetType = UNSET


class SumStep(_Step, frozen=True):
    """The sum of a scale's terms or parts, and the method's result."""

    method: Literal["Mean", "Sum", "Percent"]
    #: Σ of `adds`.
    sum: float
    #: Σ of weights of terms that have points; with Percent of weight · (highest - lowest).
    divisor: float
    #: Σ of the weights of all terms that are not excluded.
    all_weights: float
    #: Whether points are missing, so that a Sum is all_weights · sum / divisor.
    prorated: bool
    #: The method's result; null: too few answers, or the divisor is 0.
    result: float | None
    multiply: float
    constant: float
    #: result · multiply + constant; null: none, or not finite.
    before_rounding: float | None


class ClauseStep(_Step, frozen=True):
    """One attribute of a norm group's conditions."""

    attribute: str
    holds: bool
    #: A number's ends, included; null is open.
    lowest: float | UnsetType | None = UNSET
    highest: float | UnsetType | None = UNSET
    #: Otherwise the permitted values.
    one_of: list[float | str] | UnsetType = UNSET
    #: The person's value; only for readers of answers. Null: unknown.
    value: float | str | UnsetType | None = UNSET


class GroupStep(_Step, frozen=True):
    """A norm group that was checked: the first whose clauses all hold matches.

    Without clauses it always matches.
    """

    group: str
    matches: bool
    clauses: list[ClauseStep]


class NormStep(_Step, frozen=True):
    """The norm group that a score was compared with; the groups up to the match."""

    groups: list[GroupStep]
    group: str | None
    mean: float | UnsetType = UNSET
    sd: float | UnsetType = UNSET
    #: People in the group's sample, where its frequencies are given.
    sample: int | UnsetType = UNSET


class LookupStep(_Step, frozen=True):
    """The row of a table that contains a raw score, compared at 9 decimals; null score: no row."""

    score: float | None
    raw: float | UnsetType = UNSET
    from_: float | UnsetType = msgspec.field(name="from", default=UNSET)
    above: float | UnsetType = UNSET
    to: float | UnsetType = UNSET
    below: float | UnsetType = UNSET
    percentile: float | UnsetType = UNSET


class ErrorStep(_Step, frozen=True):
    """The standard error of a score and its interval, in the reported unit."""

    unit: str
    source: Literal["Reliability", "Table"]
    se: float | UnsetType | None = UNSET
    reliability: float | UnsetType = UNSET
    kind: Literal["Observed", "TrueScore"] | UnsetType = UNSET
    level: float | UnsetType = UNSET
    #: The normal quantile that multiplies the standard error.
    quantile: float | UnsetType = UNSET
    low: float | UnsetType | None = UNSET
    high: float | UnsetType | None = UNSET


class BandStep(_Step, frozen=True):
    """The band of a score, compared at 9 decimals.

    From its edge, `from` (≥) or `above` (>), up to the edge of the next.
    """

    unit: str
    #: The score in that unit; null: none, so no band.
    value: float | None
    band: str | None
    label: str | UnsetType = UNSET
    from_: float | UnsetType = msgspec.field(name="from", default=UNSET)
    above: float | UnsetType = UNSET
    #: The upper edge: below this (the next band begins from it), or up to this (the next begins above it).
    below: float | UnsetType = UNSET
    to: float | UnsetType = UNSET
    #: Of bands by norm group: the groups checked, and the match.
    groups: list[GroupStep] | UnsetType = UNSET
    group: str | UnsetType | None = UNSET


class ScaleExplanation(_Step, frozen=True):
    """The computation of one scale's score."""

    id: str
    kind: Literal["Items", "Scales", "Formula"]
    #: Only for other scales; in no result.
    internal: bool
    raw: float | None
    status: str
    #: Answers (parts, names) that count, their total, and the number required; a formula may require none.
    valid: int
    items: int
    needed: int
    #: Whether these steps give exactly the stored score.
    agrees: bool
    title: str | UnsetType = UNSET
    #: Points of `items` are 1 from this number, else 0.
    threshold: float | UnsetType = UNSET
    terms: list[TermStep] | UnsetType = UNSET
    parts: list[PartStep] | UnsetType = UNSET
    formula: FormulaStep | UnsetType = UNSET
    sum: SumStep | UnsetType = UNSET
    #: The rounding of the raw score, after 9 decimals.
    rounding: str | UnsetType = UNSET
    decimals: int | UnsetType = UNSET
    norm: NormStep | UnsetType = UNSET
    #: The standard scores of the result, and the reported one.
    standard: dict[str, float | None] | UnsetType = UNSET
    lookup: LookupStep | UnsetType = UNSET
    error: ErrorStep | UnsetType = UNSET
    band: BandStep | UnsetType = UNSET


class ProfileValue(_Step, frozen=True):
    """One scale of a profile, compared at 9 decimals."""

    name: str
    value: float | None


class ProfileExplanation(_Step, frozen=True):
    """The computation of a profile's code."""

    id: str
    #: In the order of the profile, which decides ties.
    values: list[ProfileValue]
    top: int
    ties: Literal["List", "First"]
    status: str
    code: list[str] | None
    tied: bool | None


class Explanation(_Step, frozen=True):
    """The computation of an attempt's scores, scale by scale in the order of the document."""

    scales: list[ScaleExplanation]
    profiles: list[ProfileExplanation]
