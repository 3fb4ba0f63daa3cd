"""What is sent and answered, as typed records; docs/howto/secure.md and /openapi.json describe the same. Times are RFC 3339 texts, UTC.

Times are RFC 3339, UTC.
Unknown members and values of newer servers are accepted. The `repr` of a record contains no token, answer or score.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from stanine.client.errors import Problem

Item = TypeVar("Item")

AnswerValue = int | float | str | Sequence[str] | None
AttributeValue = int | float | str | None


class _Record(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Base of all records: camelCase names; absent members are omitted."""


class _Private(_Record, frozen=True):
    """A record about a person: its `repr` shows only its identifiers."""

    def __repr__(self) -> str:
        shown = {
            name: getattr(self, name, None)
            for name in ("attempt", "line", "instrument", "revision", "state", "status")
        }
        inside = ", ".join(
            f"{name}={value!r}" for name, value in shown.items() if value is not None
        )
        return f"{type(self).__name__}({inside})"


# ---- attempts


class Attempt(_Private, frozen=True):
    """One attempt to submit."""

    #: Option values by item id, as in the form. None, NaN and missing items count as not answered.
    answers: Mapping[str, AnswerValue]
    #: The caller's key, 1 to 64 characters; required in bulk.
    key: str | None = None
    #: The revision that was answered; by default the newest indexed one.
    revision: int | None = None
    #: A pseudonym of the caller's choice.
    participant: str | None = None
    #: Further data about the person, by the instrument's attribute ids.
    attributes: Mapping[str, AttributeValue] | None = None
    #: The language that it was answered in (BCP 47), and the seconds that it took.
    language: str | None = None
    seconds: float | None = None


class Receipt(_Private, frozen=True):
    """An accepted submission."""

    attempt: str
    #: Grants access to this attempt's result only.
    token: str
    #: Submitted, Scored or Failed.
    state: str = "Submitted"
    #: Whether the key already had this attempt, from an earlier submission or an earlier try of this call.
    repeated: bool = False
    #: The key that was sent; created by the client if the caller gives none.
    key: str = ""


class LineAnswer(_Private, frozen=True):
    """The answer to one line of a bulk submission: an attempt with its token, or a problem."""

    #: The line's place in the input, from 1; blank lines count.
    line: int
    #: As for a single submission: 202, or that of the problem.
    status: int
    key: str | None = None
    attempt: str | None = None
    token: str | None = None
    repeated: bool = False
    problem: Problem | None = None


class AttemptQuality(_Private, frozen=True):
    """Figures about how an attempt was filled in."""

    #: Items that were shown, and how many of them have no answer or one that is declared missing.
    items: int
    missing: int
    #: `missing` divided by `items`; null if no item was shown.
    missing_share: float | None
    #: The most items in a row with the same answer.
    longest_run: int
    seconds: float | None = None


class StoredAttempt(_Private, frozen=True):
    """An attempt as submitted."""

    attempt: str
    instrument: str
    revision: int
    #: Submitted, Scored or Failed.
    state: str
    submitted_at: str
    #: Every item of the form; null: not answered.
    answers: dict[str, int | float | str | list[str] | None]
    key: str | None = None
    participant: str | None = None
    attributes: dict[str, int | float | str] | None = None
    language: str | None = None
    seconds: float | None = None
    #: If it was asked for.
    quality: AttemptQuality | None = None


# ---- results


class ScaleScore(_Private, frozen=True):
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
    #: Unset where the scale has no bands, null where the score lies in none.
    band: str | UnsetType | None = UNSET


class ProfileScore(_Private, frozen=True):
    """The highest of several scales, by their codes; `tied`: equal values leave the code or its order open."""

    status: str
    code: list[str] | None
    tied: bool | None


class Result(_Private, frozen=True):
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
    #: The engine version that computed the scales.
    engine: int | None = None
    scales: dict[str, ScaleScore] | None = None
    profiles: dict[str, ProfileScore] | None = None
    reason: str | None = None
    #: If it was asked for.
    quality: AttemptQuality | None = None


class Page(_Record, Generic[Item], frozen=True):
    """A page of a list.

    `next` is the cursor to continue from, null at the permanent end of the list.
    """

    items: list[Item]
    next: str | None = None


# ---- instruments


class InstrumentSummary(_Record, frozen=True):
    """An instrument in a list: its newest revision."""

    name: str
    revision: int
    #: The first revision of the newest form.
    form: int
    digest: str
    #: Absent until a revision is indexed.
    title: str | None = None


class InstrumentText(_Record, frozen=True):
    """An instrument's document, as published."""

    document: dict[str, Any]
    revision: int
    form: int
    #: Identifies this document, for `publish(if_match=…)`.
    etag: str


class DocumentWarning(_Record, frozen=True):
    """A warning about an accepted document: a place in the document, a code, and a sentence."""

    pointer: str
    code: str
    detail: str


class Publication(_Record, frozen=True):
    """Result of a publish."""

    name: str
    revision: int
    form: int
    digest: str
    #: Whether this call created the revision; false for an unchanged document, also after a lost answer.
    changed: bool
    #: Whether attempts are scored by the revision.
    indexed: bool
    #: Warnings for its author: the first 100, and the number of all.
    warnings: list[DocumentWarning] = []
    warning_count: int = 0


class FormOption(_Record, frozen=True):
    """An option of an item."""

    value: int | float | str
    label: str | None = None
    #: Whether it is chosen alone.
    exclusive: bool = False


class FormItem(_Record, frozen=True):
    """An item; the members after `options` are there for the types and items that have them."""

    id: str
    text: str
    #: Choice, Number, Multiple, Ranking, Text or Date.
    type: str
    #: Of a Choice, Multiple or Ranking.
    options: list[FormOption] = []
    required: bool = False
    #: The column of response files, if it is not named by the id.
    column: str | None = None
    #: The condition under which it is shown.
    when: str | None = None
    #: Another Choice whose answer must differ.
    distinct_from: str | None = None
    #: Of a Number.
    min: float | None = None
    max: float | None = None
    step: float | None = None
    integer: bool = False
    unit: str | None = None
    min_label: str | None = None
    max_label: str | None = None
    #: Of a Multiple.
    min_chosen: int | None = None
    max_chosen: int | None = None
    #: Of a Text.
    max_length: int | None = None
    multiline: bool = False


class FormAttribute(_Record, frozen=True):
    """An attribute of participants."""

    id: str
    title: str | None = None
    type: str | None = None
    #: The allowed values; absent: any of its type.
    values: list[int | float | str] | None = None
    #: What people read for each of the values.
    labels: list[str | None] | None = None
    required: bool = False


class FormSection(_Record, frozen=True):
    """Items that are shown together."""

    id: str
    items: list[str]
    title: str | None = None
    instructions: str | None = None
    #: The condition under which its items are shown.
    when: str | None = None
    time_limit_seconds: int | None = None


class FormLayout(_Record, frozen=True):
    """How pages show the items."""

    items_per_page: int


class Form(_Record, frozen=True):
    """A form as participants see it."""

    name: str
    revision: int
    form: int
    title: str
    attributes: list[FormAttribute]
    items: list[FormItem]
    language: str | None = None
    #: The languages that the document has its texts in.
    languages: list[str] | None = None
    instructions: str | None = None
    duration_minutes: int | float | None = None
    time_limit_seconds: int | None = None
    layout: FormLayout | None = None
    sections: list[FormSection] | None = None


class Band(_Record, frozen=True):
    """A band: it begins at `from_`, or just above `above`; the lowest has neither."""

    id: str
    label: str | None = None
    text: str | None = None
    from_: float | None = msgspec.field(name="from", default=None)
    above: float | None = None


class Scale(_Record, frozen=True):
    """What a scale's scores can be, and what they are called."""

    id: str
    #: The score that the bands are of.
    report: str
    #: The lowest and the highest raw score that answers can reach; null if it cannot be said.
    range: tuple[float, float] | None
    title: str | None = None
    codes: list[dict[str, str]] | None = None
    standard: list[str] | None = None
    #: The norm groups, in the order in which they are tried.
    norms: list[str] | None = None
    bands: list[Band] | None = None
    #: Instead of `bands`, by group.
    bands_by_group: dict[str, list[Band]] | None = None


class ProfileText(_Record, frozen=True):
    """What a code of a profile is called."""

    label: str | None = None
    text: str | None = None


class Profile(_Record, frozen=True):
    """The `top` highest of several scales."""

    id: str
    of: list[str]
    top: int
    ties: str
    title: str | None = None
    texts: dict[str, ProfileText] | None = None


class Scales(_Record, frozen=True):
    """What may be read of the scales of a revision: no keys, points or formulas."""

    name: str
    revision: int
    form: int
    title: str
    scales: list[Scale]
    profiles: list[Profile]
    language: str | None = None
    languages: list[str] | None = None


# ---- operating


class QueueInfo(_Record, frozen=True):
    """A queue at one moment."""

    queue: str
    actor: str
    #: Running, Paused or Draining.
    state: str
    #: Whether it is draining and has no work left.
    drained: bool
    ready: int
    in_flight: int
    delayed: int
    #: Number of stored dead letters.
    dead: int
    #: Numbers of dead letters ever created, by reason.
    deaths: dict[str, int]
    #: Age of the oldest message in seconds; null for an empty queue.
    oldest_seconds: float | None
    consumers: int
    #: The custom resource that owns settings and state.
    managed_by: str | None = None
    settings: dict[str, int] | None = None
    #: Instead of `settings`: why the stored ones are not applied.
    faults: list[str] | None = None


class DeadLetterInfo(_Record, frozen=True):
    """A message that was dead-lettered."""

    id: str
    reason: str
    actor: str
    deliveries: int
    created_at: str
    died_at: str
    #: Attempt ids or instrument names.
    about: list[str]


class OrderDone(_Record, frozen=True):
    """Result of an operation on a queue."""

    #: Number of messages deleted or requeued.
    count: int
    #: Whether this token's operation was executed before; `count` is then its result.
    repeated: bool


class SettingInfo(_Record, frozen=True):
    """One setting as the services apply it."""

    name: str
    value: int | str
    #: Whether the configuration contains a value; otherwise the default applies.
    stated: bool
    #: Why the stored value is not applied.
    fault: str | None = None


class ConfigInfo(_Record, frozen=True):
    """The runtime configuration."""

    revision: int
    layout: str
    dual_write: bool
    edited: bool
    string: str
    settings: list[SettingInfo]
    others: list[str]
    bytes: dict[str, int]
    managed_by: str | None = None
    unreadable: str | None = None


class ConfigRevision(_Record, frozen=True):
    """An earlier state of the configuration."""

    revision: int
    at: str
    origin: str
    settings: dict[str, str]
    changed: list[str]
    changed_others: int
    by: str | None = None
    of: int | None = None


class ConfigChange(_Record, frozen=True):
    """Result of a change of the configuration."""

    #: The current revision: a new one if values differed.
    revision: int
    changed: bool


class TokensRotated(_Record, frozen=True):
    """The secret of attempt tokens was rotated."""

    #: Until when tokens of the previous secret are accepted.
    former_valid_until: str
    #: Until when codes of the previous secret are accepted, if that was rotated.
    links_valid_until: str | None = None
