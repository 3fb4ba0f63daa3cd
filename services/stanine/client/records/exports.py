"""Attempts in a list, results with their attempts, the variables of exports, and statistics."""

import msgspec

from stanine.client.records.base import ClientRecord, PersonRecord
from stanine.client.records.results import AttemptResult, ProfileScore, ScaleScore


class AttemptLabelsInfo(PersonRecord, frozen=True):
    """Labels of the chosen options, by item, and of attributes' values."""

    answers: dict[str, str | list[str]]
    attributes: dict[str, str]


class ListedAttemptInfo(PersonRecord, frozen=True):
    """An attempt in a list, with the parts that were asked for."""

    attempt: str
    revision: int
    #: The first revision of the form that was answered.
    form: int
    #: Submitted, Scored or Failed.
    state: str
    submitted_at: str
    key: str | None = None
    participant: str | None = None
    language: str | None = None
    seconds: float | None = None
    attributes: dict[str, int | float | str] | None = None
    #: Every item of the form; null: not answered.
    answers: dict[str, int | float | str | list[int | float | str] | None] | None = None
    #: The items that were not shown, because of their conditions.
    not_shown: tuple[str, ...] = ()
    labels: AttemptLabelsInfo | None = None
    #: The revision whose scoring gave the scales, and the engine version; `reason`: why scoring failed.
    scoring_revision: int | None = None
    engine: int | None = None
    scales: dict[str, ScaleScore] | None = None
    profiles: dict[str, ProfileScore] | None = None
    reason: str | None = None


class ExportedResultInfo(AttemptResult, frozen=True, kw_only=True):
    """A result in the list of an instrument, with the parts of its attempt that were asked for."""

    #: The first revision of the form that was answered.
    form: int
    seconds: float | None = None
    attributes: dict[str, int | float | str] | None = None
    #: Every item of the form; null: not answered.
    answers: dict[str, int | float | str | list[int | float | str] | None] | None = None
    #: The items that were not shown, because of their conditions.
    not_shown: tuple[str, ...] = ()
    labels: AttemptLabelsInfo | None = None


class ListPositionInfo(ClientRecord, frozen=True):
    """A line of a list that is no attempt: the cursor to continue from."""

    next: str


class ValueLabelInfo(ClientRecord, frozen=True):
    """A value of a variable, its label, and whether it counts as a missing answer."""

    value: int | float | str
    label: str = ""
    missing: bool = False


class VariableInfo(ClientRecord, frozen=True):
    """A column of exports: of an item (and one of its options), or of an attribute."""

    name: str
    #: Choice, Chosen (1 or 0), Place (1 first), Integer, Number, Text or Date.
    type: str
    label: str
    #: The forms that have it, by their first revisions.
    forms: tuple[int, ...]
    item: str = ""
    attribute: str = ""
    option: int | float | str | None = None
    values: tuple[ValueLabelInfo, ...] = ()
    #: The ends and the unit of a number.
    min: float | None = None
    max: float | None = None
    unit: str = ""


class CodebookInfo(ClientRecord, frozen=True):
    """The variables of an instrument's exports, of all its forms."""

    name: str
    revision: int
    title: str
    variables: list[VariableInfo]


class BarInfo(ClientRecord, frozen=True):
    """People with a score of at least `from_` and less than `to`; of the last bar, and if both are equal, also `to`."""

    from_: float = msgspec.field(name="from")
    to: float
    count: int


class ScaleStatisticsInfo(ClientRecord, frozen=True):
    """Figures of one scale; None: it cannot be computed, or too few people are behind it."""

    #: People with a score, and people without one.
    n: int
    missing: int
    mean: float | None
    sd: float | None
    #: Lower quartile, median, upper quartile.
    quartiles: tuple[float, float, float] | None
    histogram: list[BarInfo]
    bands: dict[str, int]
    #: Attempts with points in all items: their number, Cronbach's alpha, standard error of measurement.
    n_complete: int
    alpha: float | None
    sem: float | None


class GroupInfo(ClientRecord, frozen=True):
    """A group of people, and its figures by scale."""

    attempts: int
    scales: dict[str, ScaleStatisticsInfo]
    #: Scales that are hidden in this group.
    hidden: list[str]
    value: int | float | str | None = None
    month: str | None = None


class StatisticsInfo(ClientRecord, frozen=True):
    """Figures of an instrument's scored attempts, by groups; groups of fewer than 10 people are hidden."""

    instrument: str
    attribute: str | None
    by_month: bool
    groups: list[GroupInfo]
    hidden_groups: int
