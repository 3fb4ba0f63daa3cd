"""The records of an explanation: each step from the answers of one attempt to its scores. Made by `explanation`.

The API encodes them and the command line reads them. Absent members do not apply to the scale, or are for readers with more rights.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

#: How an answer becomes points: its own number, reversed, by the key, listed by `points`, or the options counted.
Rule = Literal["Own", "Reversed", "Keyed", "Listed", "Counted"]
#: What an item holds. MissingOption: an option that is declared `missing` was chosen.
State = Literal["Answered", "MissingOption", "Omitted", "NotShown", "Declined"]
#: What a term counts as. Unanswered and NotShown: points that the scale declares for it.
CountsAs = Literal["Points", "Unanswered", "NotShown", "Missing", "Excluded"]


class _Step(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What all records share: camelCase names."""


class TermStep(_Step, frozen=True):
    """One item (or option of an item) of a scale."""

    name: str
    state: State
    rule: Rule
    counts_as: CountsAs
    #: Points by the rule, or those declared; null: none.
    points: float | None
    weight: float
    #: What is added to the sum: weight · points, with Percent weight · (points - lowest).
    adds: float | None
    #: What was answered; only for readers of answers.
    answer: float | str | list[float | str] | UnsetType = UNSET
    #: Percent: the fewest and the most points that the rule declares.
    lowest: float | UnsetType = UNSET
    highest: float | UnsetType = UNSET


class PartStep(_Step, frozen=True):
    """One scale, or part of a scale, of a composite."""

    scale: str
    part: str
    #: The value; null: it has none.
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
    #: The number that the formula takes; null: none. Absent where it takes a text, or only whether there is an answer.
    value: float | UnsetType | None = UNSET
    #: The text that the formula compares; only for readers of answers.
    text: str | UnsetType | None = UNSET
    #: Of an item: what it counts as.
    counts_as: CountsAs | UnsetType = UNSET


class FormulaStep(_Step, frozen=True):
    """What a formula was computed from, and what came of it."""

    names: list[NameStep]
    #: Its value before rounding; null: none, and the scale's status says why.
    value: float | None
    #: The formula; only for readers of the document.
    text: str | UnsetType = UNSET
    #: The fewest items that need a value.
    min_valid: int | UnsetType = UNSET


class SumStep(_Step, frozen=True):
    """The sum of a scale's terms or parts, and what the method makes of it."""

    method: Literal["Mean", "Sum", "Percent"]
    #: Σ of `adds`.
    sum: float
    #: Σ of weights of terms that have points; with Percent of weight · (highest - lowest).
    divisor: float
    #: Σ of the weights of all terms that are not excluded.
    all_weights: float
    #: Whether points are missing, so that a Sum is all_weights · sum / divisor.
    prorated: bool
    #: What the method gives; null: too few answers, or the divisor is 0.
    result: float | None
    multiply: float
    constant: float
    #: result · multiply + constant; null: there is none, or it is not finite.
    before_rounding: float | None


class ClauseStep(_Step, frozen=True):
    """One attribute that a norm group asks for."""

    attribute: str
    holds: bool
    #: A number's ends, included; null is open.
    lowest: float | UnsetType | None = UNSET
    highest: float | UnsetType | None = UNSET
    #: Otherwise the values, of which it must be one.
    one_of: list[float | str] | UnsetType = UNSET
    #: What the person has; only for readers of answers. Null: nothing is known.
    value: float | str | UnsetType | None = UNSET


class GroupStep(_Step, frozen=True):
    """A norm group that was looked at: the first whose clauses all hold matches. Without clauses it is for everybody."""

    group: str
    matches: bool
    clauses: list[ClauseStep]


class NormStep(_Step, frozen=True):
    """Which norm group a score was compared with; the groups up to the one that matches."""

    groups: list[GroupStep]
    group: str | None
    mean: float | UnsetType = UNSET
    sd: float | UnsetType = UNSET
    #: People in the group's sample, where its frequencies are given.
    sample: int | UnsetType = UNSET


class LookupStep(_Step, frozen=True):
    """The row of a table that a raw score lies in, seen at 9 decimals; null score: no row."""

    score: float | None
    raw: float | UnsetType = UNSET
    from_: float | UnsetType = msgspec.field(name="from", default=UNSET)
    above: float | UnsetType = UNSET
    to: float | UnsetType = UNSET
    below: float | UnsetType = UNSET
    percentile: float | UnsetType = UNSET


class ErrorStep(_Step, frozen=True):
    """The standard error of a score and its interval, in the unit that the scale reports."""

    unit: str
    source: Literal["Reliability", "Table"]
    se: float | UnsetType | None = UNSET
    reliability: float | UnsetType = UNSET
    kind: Literal["Observed", "TrueScore"] | UnsetType = UNSET
    level: float | UnsetType = UNSET
    #: The normal quantile that the standard error is multiplied by.
    quantile: float | UnsetType = UNSET
    low: float | UnsetType | None = UNSET
    high: float | UnsetType | None = UNSET


class BandStep(_Step, frozen=True):
    """The band that a score lies in, seen at 9 decimals: `from` (≥) or `above` (>) its edge, up to the edge of the next."""

    unit: str
    #: The score in that unit; null: none, so no band.
    value: float | None
    band: str | None
    label: str | UnsetType = UNSET
    from_: float | UnsetType = msgspec.field(name="from", default=UNSET)
    above: float | UnsetType = UNSET
    #: The band ends below this (the next begins from it), or at this (the next begins above it).
    below: float | UnsetType = UNSET
    to: float | UnsetType = UNSET
    #: Of bands by norm group: the groups looked at, and the one that matched.
    groups: list[GroupStep] | UnsetType = UNSET
    group: str | UnsetType | None = UNSET


class ScaleExplanation(_Step, frozen=True):
    """How one scale came to its score."""

    id: str
    kind: Literal["Items", "Scales", "Formula"]
    #: Only other scales use it; no result has it.
    internal: bool
    raw: float | None
    status: str
    #: Answers (parts, names) that count, of how many, and how many are needed; a formula may need none.
    valid: int
    items: int
    needed: int
    #: Whether these steps lead to exactly the stored score.
    agrees: bool
    title: str | UnsetType = UNSET
    #: Points of `items` are 1 from this number on, else 0.
    threshold: float | UnsetType = UNSET
    terms: list[TermStep] | UnsetType = UNSET
    parts: list[PartStep] | UnsetType = UNSET
    formula: FormulaStep | UnsetType = UNSET
    sum: SumStep | UnsetType = UNSET
    #: How the raw score was rounded, after 9 decimals.
    rounding: str | UnsetType = UNSET
    decimals: int | UnsetType = UNSET
    norm: NormStep | UnsetType = UNSET
    #: The standard scores of the result, and the one that the scale reports.
    standard: dict[str, float | None] | UnsetType = UNSET
    lookup: LookupStep | UnsetType = UNSET
    error: ErrorStep | UnsetType = UNSET
    band: BandStep | UnsetType = UNSET


class ProfileValue(_Step, frozen=True):
    """One scale of a profile, compared at 9 decimals."""

    name: str
    value: float | None


class ProfileExplanation(_Step, frozen=True):
    """How a profile came to its code."""

    id: str
    #: In the order of the profile, which decides between equal values.
    values: list[ProfileValue]
    top: int
    ties: Literal["List", "First"]
    status: str
    code: list[str] | None
    tied: bool | None


class Explanation(_Step, frozen=True):
    """How an attempt came to its scores, scale by scale in the order of the document."""

    scales: list[ScaleExplanation]
    profiles: list[ProfileExplanation]
