"""Bodies of answers, as records for OpenAPI and the encoders. Used by the routes."""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stanine.api.web.problems import ProblemDocument, ProblemError
from stanine.domain import limits
from stanine.domain.attempts.explain import LANGUAGE
from stanine.domain.attempts.quality import AttemptQuality
from stanine.domain.scoring.explanation_records import ProfileExplanation, ScaleExplanation
from stanine.domain.scoring.result import ProfileResult, ScaleResult

T = TypeVar("T")

State = Literal["Submitted", "Scored", "Failed"]

_Number = Annotated[float, Meta(ge=-limits.MAX_INTEGER, le=limits.MAX_INTEGER)]


def given(value: T | None) -> T | UnsetType:
    """Return a value, or UNSET to omit the member."""
    return UNSET if value is None else value


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    """Base of all bodies: camelCase names."""


class AttemptBody(_Body, frozen=True, forbid_unknown_fields=True):
    """An attempt to submit. Null and absent are equivalent."""

    #: Answers by item id: an option's value, a number, a text, a date, or a list of options; at least one item is
    #: answered. The form describes items and options.
    answers: Annotated[dict[str, _Number | str | list[_Number | str] | None], Meta(min_length=1)]
    #: The caller's name for the attempt, required in bulk: a repeated submission with this key gets the first
    #: answer again.
    key: Annotated[str, Meta(min_length=1, max_length=limits.MAX_KEY)] | None = None
    #: The answered revision; by default the newest indexed one.
    revision: Annotated[int, Meta(ge=1, le=limits.MAX_REVISION)] | None = None
    #: A pseudonym that the caller chooses.
    participant: Annotated[str, Meta(min_length=1, max_length=limits.MAX_PARTICIPANT)] | None = None
    #: Attributes of the person, by the instrument's attribute ids.
    attributes: (
        dict[str, _Number | Annotated[str, Meta(max_length=limits.MAX_ATTRIBUTE_TEXT)] | None]
        | None
    ) = None
    #: The language in which it was answered.
    language: Annotated[str, Meta(pattern=LANGUAGE, max_length=limits.MAX_LANGUAGE)] | None = None
    #: Duration in seconds.
    seconds: Annotated[float, Meta(ge=0, le=limits.MAX_INTEGER)] | None = None


class InstrumentItem(_Body, frozen=True):
    """The newest revision of an instrument, in a list."""

    name: str
    revision: int
    #: The first revision of the newest form.
    form: int
    #: SHA-256 of the canonical document: the ETag without its quotes.
    digest: str
    #: Of the newest indexed revision; absent until one is indexed.
    title: str | UnsetType = UNSET


class InstrumentPage(_Body, frozen=True):
    """Instruments in order of their names; `next` is null at the end."""

    items: list[InstrumentItem]
    next: str | None


class PublishedInstrument(_Body, frozen=True):
    """The result of publishing a document."""

    name: str
    revision: int
    form: int
    digest: str
    #: Whether this request created the revision; false for an unchanged document.
    changed: bool
    #: Whether attempts are already scored by it.
    indexed: bool
    #: Warnings for the author of an accepted document: the first 100, and their number.
    warnings: list[ProblemError]
    warning_count: int


class FormOptionBody(_Body, frozen=True):
    """An option of an item."""

    value: float | str
    label: str | UnsetType = UNSET
    #: True: choosing it counts as a missing answer; conditions see it as such.
    missing: bool | UnsetType = UNSET
    #: True: it excludes all other options.
    exclusive: bool | UnsetType = UNSET


class FormItemBody(_Body, frozen=True):
    """An item and its options."""

    id: str
    text: str
    type: str
    #: Of a Choice, Multiple or Ranking.
    options: list[FormOptionBody] | UnsetType = UNSET
    #: True: pages require an answer.
    required: bool | UnsetType = UNSET
    #: The column of response files, if it differs from the id.
    column: str | UnsetType = UNSET
    #: The condition under which it is shown.
    when: str | UnsetType = UNSET
    #: Another Choice that must have a different answer.
    distinct_from: str | UnsetType = UNSET
    #: Of a Number: its limits, its step from the lowest value, whether it is an integer, its unit, and the labels
    #: of its limits.
    min: float | UnsetType = UNSET
    max: float | UnsetType = UNSET
    step: float | UnsetType = UNSET
    integer: bool | UnsetType = UNSET
    unit: str | UnsetType = UNSET
    min_label: str | UnsetType = UNSET
    max_label: str | UnsetType = UNSET
    #: Of a Multiple: the minimum and maximum number of options.
    min_chosen: int | UnsetType = UNSET
    max_chosen: int | UnsetType = UNSET
    #: Of a Text: the maximum number of characters, and whether pages offer several lines.
    max_length: int | UnsetType = UNSET
    multiline: bool | UnsetType = UNSET


class FormAttributeBody(_Body, frozen=True):
    """An attribute of the person."""

    id: str
    title: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    #: The allowed values, if they are limited.
    values: list[float | str] | UnsetType = UNSET
    #: Labels of the values.
    labels: list[str | None] | UnsetType = UNSET
    #: True: pages require a value.
    required: bool | UnsetType = UNSET


class FormSectionBody(_Body, frozen=True):
    """Items that are shown together."""

    id: str
    items: list[str]
    title: str | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    #: The condition under which its items are shown.
    when: str | UnsetType = UNSET
    time_limit_seconds: int | UnsetType = UNSET


class FormLayoutBody(_Body, frozen=True):
    """The layout of the items on pages."""

    items_per_page: int


class FormBody(_Body, frozen=True):
    """The public parts of an instrument, for participants."""

    name: str
    revision: int
    #: The first revision of this form.
    form: int
    title: str
    attributes: list[FormAttributeBody]
    items: list[FormItemBody]
    language: str | UnsetType = UNSET
    #: The languages of the document's texts.
    languages: list[str] | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    duration_minutes: float | UnsetType = UNSET
    time_limit_seconds: int | UnsetType = UNSET
    layout: FormLayoutBody | UnsetType = UNSET
    sections: list[FormSectionBody] | UnsetType = UNSET


class BandBody(_Body, frozen=True):
    """A band: it begins at `from`, or just above `above`; the lowest has neither."""

    id: str
    label: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    from_: float | UnsetType = msgspec.field(name="from", default=UNSET)
    above: float | UnsetType = UNSET


class CodeBody(_Body, frozen=True):
    """A code in a terminology."""

    system: str
    code: str


class IntervalBody(_Body, frozen=True):
    """The confidence interval of a scale's scores."""

    #: Observed: around the score; TrueScore: around the estimated true score.
    kind: str
    #: The confidence level, such as 0.95.
    level: float


class ScaleBody(_Body, frozen=True):
    """A scale: the range and names of its scores."""

    id: str
    #: The score that the bands apply to: Raw, a standard score, or Lookup.
    report: str
    #: The lowest and highest raw score that can occur; null if unknown.
    range: tuple[float, float] | None
    title: str | UnsetType = UNSET
    codes: list[CodeBody] | UnsetType = UNSET
    standard: list[str] | UnsetType = UNSET
    #: The norm groups, in the order in which they are tried.
    norms: list[str] | UnsetType = UNSET
    #: What `low` and `high` of a result are; absent if there are none, or if a table states them.
    interval: IntervalBody | UnsetType = UNSET
    bands: list[BandBody] | UnsetType = UNSET
    #: Instead of `bands`, by group.
    bands_by_group: dict[str, list[BandBody]] | UnsetType = UNSET


class ProfileTextBody(_Body, frozen=True):
    """The texts of a code of a profile."""

    label: str | UnsetType = UNSET
    text: str | UnsetType = UNSET


class ProfileBody(_Body, frozen=True):
    """A profile: the highest of several scales."""

    id: str
    of: list[str]
    top: int
    ties: str
    title: str | UnsetType = UNSET
    texts: dict[str, ProfileTextBody] | UnsetType = UNSET


class ScalesBody(_Body, frozen=True):
    """Public data of a revision's scales, without keys, points or formulas.

    Internal scales are omitted.
    """

    name: str
    revision: int
    form: int
    title: str
    scales: list[ScaleBody]
    profiles: list[ProfileBody]
    language: str | UnsetType = UNSET
    #: The languages of the document's texts.
    languages: list[str] | UnsetType = UNSET


class Receipt(_Body, frozen=True):
    """An accepted submission: the attempt's id, and the token that reads only its result."""

    attempt: str
    token: str
    state: State
    #: True: the key already had this attempt.
    repeated: Literal[True] | UnsetType = UNSET


class Pending(_Body, frozen=True):
    """An attempt that is not scored yet."""

    attempt: str
    state: State


class StoredAnswers(_Body, frozen=True):
    """A stored attempt with its answers."""

    attempt: str
    instrument: str
    revision: int
    state: State
    #: Arrival by the database's clock.
    submitted_at: str
    #: Every item of the form; null: not answered.
    answers: dict[str, float | str | list[float | str] | None]
    key: str | UnsetType = UNSET
    participant: str | UnsetType = UNSET
    attributes: dict[str, float | str] | UnsetType = UNSET
    #: Language and duration in seconds, as submitted.
    language: str | UnsetType = UNSET
    seconds: float | UnsetType = UNSET
    #: With `include=quality`.
    quality: AttemptQuality | UnsetType = UNSET


class ResultBody(_Body, frozen=True):
    """The result of one attempt: scored (`scales`) or failed (`reason`)."""

    attempt: str
    instrument: str
    revision: int
    state: State
    submitted_at: str
    #: The first revision of the answered form.
    form: int | UnsetType = UNSET
    key: str | UnsetType = UNSET
    participant: str | UnsetType = UNSET
    #: The language of the answers, as submitted.
    language: str | UnsetType = UNSET
    #: The revision whose scoring was applied.
    scoring_revision: int | UnsetType = UNSET
    #: Digest of that revision's document.
    scoring_digest: str | UnsetType = UNSET
    #: The engine version.
    engine: int | UnsetType = UNSET
    #: How many earlier results this one replaced, one after the other; absent: none.
    replaced: int | UnsetType = UNSET
    #: When this earlier result was replaced; absent: it is the current one.
    replaced_at: str | UnsetType = UNSET
    scales: dict[str, ScaleResult] | UnsetType = UNSET
    #: The highest of several scales, by the instrument's profiles.
    profiles: dict[str, ProfileResult] | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    #: With `include=quality`.
    quality: AttemptQuality | UnsetType = UNSET
    #: Only in the answer to the submission itself; `repeated`: the key already had this attempt.
    token: str | UnsetType = UNSET
    repeated: Literal[True] | UnsetType = UNSET


class ExplanationBody(_Body, frozen=True):
    """The steps from answers to scores (`scales`), or why scoring failed (`reason`)."""

    attempt: str
    instrument: str
    revision: int
    state: State
    #: The engine version of the result.
    engine: int
    #: The revision whose scoring was applied.
    scoring_revision: int | UnsetType = UNSET
    #: In the order of the document, including internal scales.
    scales: list[ScaleExplanation] | UnsetType = UNSET
    profiles: list[ProfileExplanation] | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class ResultPage(_Body, frozen=True):
    """Results in commit order; `next` is the cursor to continue from, also at the end."""

    items: list[ResultBody]
    next: str


class TokenRotation(_Body, frozen=True, forbid_unknown_fields=True):
    """A rotation of the secret of attempt tokens."""

    #: Seconds that tokens of the current secret stay valid; by default one day, at most 90 days.
    keep_seconds: Annotated[int, Meta(ge=0, le=90 * 86_400)] = 86_400
    #: If set, the secret of invitation codes is rotated too, and codes of the current secret stay valid for this
    #: many seconds, at most ten years. Null: codes are not rotated.
    keep_links_seconds: Annotated[int, Meta(ge=0, le=3653 * 86_400)] | None = None


class RotatedTokens(_Body, frozen=True):
    """The result of a rotation."""

    #: End of the validity of tokens of the former secret, by the database's clock.
    former_valid_until: str
    #: End of the validity of codes of the former secret, if it was rotated.
    links_valid_until: str | UnsetType = UNSET


class LineAnswer(_Body, frozen=True):
    """The answer to one line of a bulk submission: a token, or a problem."""

    #: From 1; blank lines are counted but not answered.
    line: int
    #: As for a single submission: 202, 409, 413, 422 or 503; 401, 403 or 404 after the key was revoked.
    status: int
    key: str | UnsetType = UNSET
    attempt: str | UnsetType = UNSET
    token: str | UnsetType = UNSET
    #: True: the key already had this attempt.
    repeated: Literal[True] | UnsetType = UNSET
    problem: ProblemDocument | UnsetType = UNSET
