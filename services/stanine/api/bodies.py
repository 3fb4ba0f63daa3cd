"""The bodies of answers, as records: what OpenAPI describes and what the encoders write. Used by the routes."""

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
    """Return a member's value, or what leaves the member out."""
    return UNSET if value is None else value


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    """What all bodies share: camelCase names."""


class AttemptBody(_Body, frozen=True, forbid_unknown_fields=True):
    """An attempt as sent. Null and absent mean the same."""

    #: By item id: the value of an option, a number, a text, a date, or a list of options; of one item at least. What the items and
    #: options are, the form says.
    answers: Annotated[dict[str, _Number | str | list[_Number | str] | None], Meta(min_length=1)]
    #: The caller's name for the attempt (needed in bulk): the same key with the same content is answered as before.
    key: Annotated[str, Meta(min_length=1, max_length=limits.MAX_KEY)] | None = None
    #: The revision that was answered; the newest indexed one by default.
    revision: Annotated[int, Meta(ge=1, le=limits.MAX_REVISION)] | None = None
    #: A pseudonym of the caller's choice.
    participant: Annotated[str, Meta(min_length=1, max_length=limits.MAX_PARTICIPANT)] | None = None
    #: What else is known of the person, by the instrument's attribute ids.
    attributes: (
        dict[str, _Number | Annotated[str, Meta(max_length=limits.MAX_ATTRIBUTE_TEXT)] | None]
        | None
    ) = None
    #: The language that it was answered in.
    language: Annotated[str, Meta(pattern=LANGUAGE, max_length=limits.MAX_LANGUAGE)] | None = None
    #: Seconds that it took.
    seconds: Annotated[float, Meta(ge=0, le=limits.MAX_INTEGER)] | None = None


class InstrumentItem(_Body, frozen=True):
    """An instrument in a list: its newest revision."""

    name: str
    revision: int
    #: The first revision of the newest form, that is, of what people answer.
    form: int
    #: SHA-256 of the canonical document: the ETag without its quotes.
    digest: str
    #: Of the newest indexed revision; absent until it is indexed.
    title: str | UnsetType = UNSET


class InstrumentPage(_Body, frozen=True):
    """A page of instruments by name; `next` is null at the end."""

    items: list[InstrumentItem]
    next: str | None


class PublishedInstrument(_Body, frozen=True):
    """What a PUT came to."""

    name: str
    revision: int
    form: int
    digest: str
    #: Whether this PUT made the revision; false for the same document again.
    changed: bool
    #: Whether attempts are already scored by it.
    indexed: bool
    #: What its author should look at, though it is accepted: the first 100, and how many there are.
    warnings: list[ProblemError]
    warning_count: int


class FormOptionBody(_Body, frozen=True):
    """An option of an item."""

    value: float | str
    label: str | UnsetType = UNSET
    #: True: it is chosen alone.
    exclusive: bool | UnsetType = UNSET


class FormItemBody(_Body, frozen=True):
    """An item and its options."""

    id: str
    text: str
    type: str
    #: Of a Choice, Multiple or Ranking.
    options: list[FormOptionBody] | UnsetType = UNSET
    #: True: pages go on only once it is answered.
    required: bool | UnsetType = UNSET
    #: The column of response files, if it is not named by the id.
    column: str | UnsetType = UNSET
    #: The condition under which it is shown.
    when: str | UnsetType = UNSET
    #: Another Choice whose answer must differ.
    distinct_from: str | UnsetType = UNSET
    #: Of a Number: its ends, its step from the lowest on, whether it is whole, what it counts, and the words at its ends.
    min: float | UnsetType = UNSET
    max: float | UnsetType = UNSET
    step: float | UnsetType = UNSET
    integer: bool | UnsetType = UNSET
    unit: str | UnsetType = UNSET
    min_label: str | UnsetType = UNSET
    max_label: str | UnsetType = UNSET
    #: Of a Multiple: how many options may be chosen.
    min_chosen: int | UnsetType = UNSET
    max_chosen: int | UnsetType = UNSET
    #: Of a Text: the most characters, and whether several lines are offered.
    max_length: int | UnsetType = UNSET
    multiline: bool | UnsetType = UNSET


class FormAttributeBody(_Body, frozen=True):
    """What may be said of the person."""

    id: str
    title: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    #: The values that it may have, if it may not have any.
    values: list[float | str] | UnsetType = UNSET
    #: What people read for each of the values.
    labels: list[str | None] | UnsetType = UNSET
    #: True: pages go on only once it is known.
    required: bool | UnsetType = UNSET


class FormSectionBody(_Body, frozen=True):
    """Items that stand together."""

    id: str
    items: list[str]
    title: str | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    #: The condition under which its items are shown.
    when: str | UnsetType = UNSET
    time_limit_seconds: int | UnsetType = UNSET


class FormLayoutBody(_Body, frozen=True):
    """How pages show the items."""

    items_per_page: int


class FormBody(_Body, frozen=True):
    """What a participant may see of an instrument."""

    name: str
    revision: int
    #: The first revision of this form.
    form: int
    title: str
    attributes: list[FormAttributeBody]
    items: list[FormItemBody]
    language: str | UnsetType = UNSET
    #: The languages that the document has its texts in.
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
    """A code in a system of terms."""

    system: str
    code: str


class ScaleBody(_Body, frozen=True):
    """A scale: what its scores can be, and what they are called."""

    id: str
    #: Which score the bands are of: Raw, a standard score, or Lookup.
    report: str
    #: The lowest and the highest raw score that answers can reach; null if it cannot be said.
    range: tuple[float, float] | None
    title: str | UnsetType = UNSET
    codes: list[CodeBody] | UnsetType = UNSET
    standard: list[str] | UnsetType = UNSET
    #: The norm groups, in the order in which they are tried.
    norms: list[str] | UnsetType = UNSET
    bands: list[BandBody] | UnsetType = UNSET
    #: Instead of `bands`, by group.
    bands_by_group: dict[str, list[BandBody]] | UnsetType = UNSET


class ProfileTextBody(_Body, frozen=True):
    """What a code of a profile is called."""

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
    """What may be read of the scales of a revision: no keys, points or formulas. Internal scales are left out."""

    name: str
    revision: int
    form: int
    title: str
    scales: list[ScaleBody]
    profiles: list[ProfileBody]
    language: str | UnsetType = UNSET
    #: The languages that the document has its texts in.
    languages: list[str] | UnsetType = UNSET


class Receipt(_Body, frozen=True):
    """A submission that was accepted: the attempt's id, and the token that reads its result and nothing else."""

    attempt: str
    token: str
    state: State
    #: True where the key had this attempt already.
    repeated: Literal[True] | UnsetType = UNSET


class Pending(_Body, frozen=True):
    """An attempt that is not scored yet."""

    attempt: str
    state: State


class StoredAnswers(_Body, frozen=True):
    """An attempt as it was answered."""

    attempt: str
    instrument: str
    revision: int
    state: State
    #: When it arrived, by the database's clock.
    submitted_at: str
    #: Every item of the form; null: not answered.
    answers: dict[str, float | str | list[float | str] | None]
    key: str | UnsetType = UNSET
    participant: str | UnsetType = UNSET
    attributes: dict[str, float | str] | UnsetType = UNSET
    #: The language that it was answered in, and the seconds that it took, as the caller said.
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
    #: The first revision of the form that was answered.
    form: int | UnsetType = UNSET
    key: str | UnsetType = UNSET
    participant: str | UnsetType = UNSET
    #: The language that it was answered in, as the caller said.
    language: str | UnsetType = UNSET
    #: The revision whose scoring gave the scales.
    scoring_revision: int | UnsetType = UNSET
    #: The version of the arithmetic.
    engine: int | UnsetType = UNSET
    scales: dict[str, ScaleResult] | UnsetType = UNSET
    #: The highest of several scales, by the instrument's profiles.
    profiles: dict[str, ProfileResult] | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    #: With `include=quality`.
    quality: AttemptQuality | UnsetType = UNSET
    #: Only in the answer to the submission itself; `repeated` where the key had this attempt already.
    token: str | UnsetType = UNSET
    repeated: Literal[True] | UnsetType = UNSET


class ExplanationBody(_Body, frozen=True):
    """How an attempt came to its scores, step by step (`scales`), or why it failed (`reason`)."""

    attempt: str
    instrument: str
    revision: int
    state: State
    #: The version of the arithmetic that scored it.
    engine: int
    #: The revision whose scoring gave the scales.
    scoring_revision: int | UnsetType = UNSET
    #: In the order of the document; scales for other scales only are among them.
    scales: list[ScaleExplanation] | UnsetType = UNSET
    profiles: list[ProfileExplanation] | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class ResultPage(_Body, frozen=True):
    """Results in the order of their commits; `next` is the cursor to continue from, also when there is nothing new yet."""

    items: list[ResultBody]
    next: str


class TokenRotation(_Body, frozen=True, forbid_unknown_fields=True):
    """How to rotate the secret of attempt tokens."""

    #: Seconds that tokens made with the present secret stay valid; a day by default, at most 90 days.
    keep_seconds: Annotated[int, Meta(ge=0, le=90 * 86_400)] = 86_400
    #: Given, the secret of the codes of invitations is rotated too, and codes made with the present one open sessions for so many seconds
    #: more, at most 10 years; null: the codes stay as they are.
    keep_links_seconds: Annotated[int, Meta(ge=0, le=3653 * 86_400)] | None = None


class RotatedTokens(_Body, frozen=True):
    """The secret was rotated."""

    #: Until when tokens made with the former secret are accepted, by the database's clock.
    former_valid_until: str
    #: Until when codes made with the former secret are accepted, if it was rotated.
    links_valid_until: str | UnsetType = UNSET


class LineAnswer(_Body, frozen=True):
    """The answer to one line of a bulk submission: a token, or a problem."""

    #: From 1; blank lines count but are not answered.
    line: int
    #: As for a single submission: 202, 409, 413, 422 or 503; 401, 403 or 404 for what follows after the key was revoked.
    status: int
    key: str | UnsetType = UNSET
    attempt: str | UnsetType = UNSET
    token: str | UnsetType = UNSET
    #: True where the key had this attempt already.
    repeated: Literal[True] | UnsetType = UNSET
    problem: ProblemDocument | UnsetType = UNSET
