"""Results: scores of scales and codes of profiles."""

from msgspec import UNSET, UnsetType

from stanine.client.records.attempts import QualityInfo
from stanine.client.records.base import PersonRecord


class ScaleScore(PersonRecord, frozen=True):
    """One scale's score; `raw` is null if it could not be scored. `valid` of `items` were answered.

    The rest is unset where the scale does not have it, and null where it has no value for this attempt.
    """

    raw: float | None
    valid: int
    items: int
    status: str
    #: The lowest and highest raw score that could be reached.
    range: tuple[float, float] | UnsetType | None = UNSET
    #: The norm group that the score was compared with.
    norm: str | UnsetType | None = UNSET
    z: float | UnsetType | None = UNSET
    t: float | UnsetType | None = UNSET
    sten: int | UnsetType | None = UNSET
    stanine: int | UnsetType | None = UNSET
    #: The score of the scale's table.
    score: float | UnsetType | None = UNSET
    percentile: float | UnsetType | None = UNSET
    #: The standard error and the ends of the interval, in the unit that the scale reports.
    se: float | UnsetType | None = UNSET
    low: float | UnsetType | None = UNSET
    high: float | UnsetType | None = UNSET
    #: The norm group whose bands were used.
    band_group: str | UnsetType | None = UNSET
    #: Unset where the scale has no bands, null where the score is in none.
    band: str | UnsetType | None = UNSET


class ProfileScore(PersonRecord, frozen=True):
    """The highest of several scales, by their codes; `tied`: equal values leave the code or its order open."""

    status: str
    code: list[str] | None
    tied: bool | None


class AttemptResult(PersonRecord, frozen=True):
    """The result of one attempt: scored (`scales`) or failed (`reason`)."""

    attempt: str
    instrument: str
    revision: int
    #: Scored or Failed.
    state: str
    submitted_at: str
    #: The first revision of the form that was answered.
    form: int | None = None
    key: str | None = None
    participant: str | None = None
    language: str | None = None
    #: The revision whose scoring gave the scales.
    scoring_revision: int | None = None
    #: The digest of that revision's document.
    scoring_digest: str | None = None
    #: The engine version that computed the scales.
    engine: int | None = None
    #: How many earlier results this one replaced, one after the other.
    replaced: int | None = None
    #: When this earlier result was replaced.
    replaced_at: str | None = None
    scales: dict[str, ScaleScore] | None = None
    profiles: dict[str, ProfileScore] | None = None
    reason: str | None = None
    #: If it was asked for.
    quality: QualityInfo | None = None


class ResultHistoryInfo(PersonRecord, frozen=True):
    """The earlier results of an attempt, oldest first."""

    attempt: str
    items: list[AttemptResult]
