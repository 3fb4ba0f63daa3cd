"""Explanations: each step from the answers of one attempt to its scores.

Members that do not apply to a scale, or that the key may not read, are unset. docs/reference/texts-and-figures.md and the
API's description have the meaning of each step.
"""

import msgspec
from msgspec import UNSET, UnsetType

from stanine.client.records.base import PersonRecord


class ExplainedTerm(PersonRecord, frozen=True, kw_only=True):
    """One item (or option of an item) of a scale."""

    name: str
    #: Answered, MissingOption (an option declared `missing`), Omitted, NotShown or Declined.
    state: str
    #: How the answer becomes points: Own, Reversed, Keyed, Listed or Counted.
    rule: str
    #: What the term counts as: Points, Unanswered, NotShown, Missing or Excluded.
    counts_as: str
    #: Points by the rule, or those declared; null: none.
    points: float | None
    weight: float
    #: Contribution to the sum: weight · points, with Percent weight · (points - lowest).
    adds: float | None
    #: The answer; only for readers of answers.
    answer: int | float | str | list[int | float | str] | UnsetType = UNSET
    #: Percent: the fewest and the most points that the rule declares.
    lowest: float | UnsetType = UNSET
    highest: float | UnsetType = UNSET


class ExplainedPart(PersonRecord, frozen=True, kw_only=True):
    """One scale, or part of a scale, of a composite."""

    scale: str
    part: str
    #: The value; null: none.
    value: float | None
    weight: float
    adds: float | None
    lowest: float | UnsetType = UNSET
    highest: float | UnsetType = UNSET


class ExplainedName(PersonRecord, frozen=True, kw_only=True):
    """One name of a formula."""

    name: str
    #: Item, Attribute or Scale.
    source: str
    #: Whether it has a value.
    has_value: bool
    #: The number used by the formula; null: none. Absent if the formula uses a text, or only whether there is an
    #: answer.
    value: float | UnsetType | None = UNSET
    #: The text that the formula compares; only for readers of answers.
    text: str | UnsetType | None = UNSET
    #: Of an item: what it counts as.
    counts_as: str | UnsetType = UNSET


class ExplainedFormula(PersonRecord, frozen=True, kw_only=True):
    """The inputs and the value of a formula."""

    names: list[ExplainedName]
    #: Its value before rounding; null: none, with the reason in the scale's status.
    value: float | None
    #: The formula; only for readers of the document.
    text: str | UnsetType = UNSET
    #: The fewest items that need a value.
    min_valid: int | UnsetType = UNSET


class ExplainedSum(PersonRecord, frozen=True, kw_only=True):
    """The sum of a scale's terms or parts, and the method's result."""

    #: Mean, Sum or Percent.
    method: str
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


class ExplainedClause(PersonRecord, frozen=True, kw_only=True):
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


class ExplainedGroup(PersonRecord, frozen=True, kw_only=True):
    """A norm group that was checked: the first whose clauses all hold matches.

    Without clauses it always matches.
    """

    group: str
    matches: bool
    clauses: list[ExplainedClause]


class ExplainedNorm(PersonRecord, frozen=True, kw_only=True):
    """The norm group that a score was compared with; the groups up to the match."""

    groups: list[ExplainedGroup]
    group: str | None
    mean: float | UnsetType = UNSET
    sd: float | UnsetType = UNSET
    #: People in the group's sample, where its frequencies are given.
    sample: int | UnsetType = UNSET


class ExplainedLookup(PersonRecord, frozen=True, kw_only=True):
    """The row of a table that contains a raw score, compared at 9 decimals; null score: no row."""

    score: float | None
    raw: float | UnsetType = UNSET
    from_: float | UnsetType = msgspec.field(name="from", default=UNSET)
    above: float | UnsetType = UNSET
    to: float | UnsetType = UNSET
    below: float | UnsetType = UNSET
    percentile: float | UnsetType = UNSET


class ExplainedError(PersonRecord, frozen=True, kw_only=True):
    """The standard error of a score and its interval, in the reported unit."""

    unit: str
    #: Reliability or Table.
    source: str
    se: float | UnsetType | None = UNSET
    reliability: float | UnsetType = UNSET
    #: Observed or TrueScore.
    kind: str | UnsetType = UNSET
    level: float | UnsetType = UNSET
    #: The normal quantile that multiplies the standard error.
    quantile: float | UnsetType = UNSET
    low: float | UnsetType | None = UNSET
    high: float | UnsetType | None = UNSET


class ExplainedBand(PersonRecord, frozen=True, kw_only=True):
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
    groups: list[ExplainedGroup] | UnsetType = UNSET
    group: str | UnsetType | None = UNSET


class ExplainedScale(PersonRecord, frozen=True, kw_only=True):
    """The computation of one scale's score."""

    id: str
    #: Items, Scales or Formula.
    kind: str
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
    terms: list[ExplainedTerm] | UnsetType = UNSET
    parts: list[ExplainedPart] | UnsetType = UNSET
    formula: ExplainedFormula | UnsetType = UNSET
    sum: ExplainedSum | UnsetType = UNSET
    #: The rounding of the raw score, after 9 decimals.
    rounding: str | UnsetType = UNSET
    decimals: int | UnsetType = UNSET
    norm: ExplainedNorm | UnsetType = UNSET
    #: The standard scores of the result, and the reported one.
    standard: dict[str, float | None] | UnsetType = UNSET
    lookup: ExplainedLookup | UnsetType = UNSET
    error: ExplainedError | UnsetType = UNSET
    band: ExplainedBand | UnsetType = UNSET


class ExplainedValue(PersonRecord, frozen=True, kw_only=True):
    """One scale of a profile, compared at 9 decimals."""

    name: str
    value: float | None


class ExplainedProfile(PersonRecord, frozen=True, kw_only=True):
    """The computation of a profile's code."""

    id: str
    #: In the order of the profile, which decides ties.
    values: list[ExplainedValue]
    top: int
    #: List or First.
    ties: str
    status: str
    code: list[str] | None
    tied: bool | None


class ResultExplanation(PersonRecord, frozen=True, kw_only=True):
    """The steps from an attempt's answers to its scores (`scales`), or why scoring failed (`reason`)."""

    attempt: str
    instrument: str
    revision: int
    #: Scored or Failed.
    state: str
    #: The engine version of the result.
    engine: int
    #: The revision whose scoring was applied.
    scoring_revision: int | None = None
    #: In the order of the document, including scales that no result shows.
    scales: list[ExplainedScale] | None = None
    profiles: list[ExplainedProfile] | None = None
    reason: str | None = None
